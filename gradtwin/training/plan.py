"""Everything a training decides before its first step, checked."""

import inspect
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.training.settings import DTYPES, OPTIMIZERS, RunSettings, TrainingSettings
from gradtwin.twins import datasets
from gradtwin.twins.datasets import Dataset
from gradtwin.twins.twin import Batch, Twin
from manual_grads import Params

DEFAULTS = TrainingSettings()
LOGGED_POINTS = 100


@dataclass(frozen=True, eq=False)
class Plan:
    """What is trained, on what, from where, and how.

    Attributes:
        twin: the twin, of the data's width.
        manual: the manual side that is trained, the twin's or one that stands in for it.
        start: the parameters that both sides start from.
        rows: the batch's arrays for the whole training set.
        test_rows: the same for the test set, where there is one.
        image_shape: the shape of an input that is a picture.
        note: one line about the data, or "".
        mask_widths: the widths of the hidden layers where there is dropout.
        settings: how it is trained.
    """

    twin: Twin
    manual: Any
    start: Params
    rows: Batch
    test_rows: Batch | None
    image_shape: tuple[int, int] | None
    note: str
    mask_widths: tuple[int, ...]
    settings: RunSettings

    @property
    def steps_per_epoch(self) -> int:
        """How many batches the training set is cut into; the last may be short."""
        return _steps_per_epoch(self.rows, self.settings.batch_size)


def make_plan(twin: Twin, asked: TrainingSettings = DEFAULTS) -> Plan:
    """Fill in the twin's defaults, load the data, and refuse what cannot be trained.

    Args:
        twin: what is trained.
        asked: how.

    Raises:
        InputError: a setting is impossible, or the data do not fit the network.
    """
    dtype = _one_of("dtype", asked.dtype, DTYPES)
    optimizer = _one_of("optimizer", asked.optimizer or twin.training.optimizer, OPTIMIZERS)
    _refuse_bad_counts(asked)
    rows, test_rows, image_shape, note = _load_rows(twin, asked.data, asked.data_dir, asked.seed or 0)
    _refuse_bad_numbers(twin, rows, test_rows)
    twin = _fitted(twin, rows)
    batch_size = _batch_size(asked.batch_size, twin.training.batch_size, _count(rows))
    steps = asked.epochs * _steps_per_epoch(rows, batch_size) if asked.epochs else asked.steps or twin.training.steps
    keep, mask_widths = _dropout(twin, asked.keep)
    rate = twin.training.learning_rate if asked.learning_rate is None else asked.learning_rate
    plan = Plan(
        twin=twin,
        manual=twin.manual if asked.manual is None else asked.manual,
        start={name: np.array(p, dtype) for name, p in _start(twin, asked.seed).items()},
        rows=_cast(rows, dtype),
        test_rows=None if test_rows is None else _cast(test_rows, dtype),
        image_shape=image_shape,
        note=note,
        mask_widths=mask_widths,
        settings=RunSettings(
            dtype=dtype,
            learning_rate=_positive("learning rate", rate),
            optimizer=optimizer,
            steps=steps,
            seed=asked.seed,
            batch_size=batch_size,
            keep=keep,
            variant=asked.variant,
            log_every=asked.log_every or max(1, steps // LOGGED_POINTS),
        ),
    )
    _refuse_misfit(plan)
    return plan


# ---- settings --------------------------------------------------------------------------------------


def _one_of(what: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise InputError(f"Unknown {what} {value!r}.{did_you_mean(str(value), known)} There are {' and '.join(known)}.")
    return value


def _positive(what: str, value: Any) -> float:
    number = _as_float(value)
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"The {what} must be a finite number above 0, got {value!r}.")
    return number


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _refuse_bad_counts(asked: TrainingSettings) -> None:
    if asked.steps is not None and asked.epochs is not None:
        raise InputError("Give the number of steps or of epochs, not both.")
    for name in ("steps", "epochs", "log_every"):
        value = getattr(asked, name)
        if value is not None and (not _is_whole(value) or value < 1):
            raise InputError(f"The number of {name} must be a whole number from 1, got {value!r}.")
    if asked.seed is not None and (not _is_whole(asked.seed) or asked.seed < 0):
        raise InputError(f"The seed must be a whole number from 0, got {asked.seed!r}.")


def _count(rows: Batch) -> int:
    return len(rows[0]) if rows[0].ndim else 1


def _steps_per_epoch(rows: Batch, batch_size: int | None) -> int:
    return 1 if batch_size is None else math.ceil(_count(rows) / batch_size)


def _batch_size(asked: int | None, default: int | None, count: int) -> int | None:
    """Give the batch size, or None for all rows at once."""
    if asked is not None and (not _is_whole(asked) or not 1 <= asked <= count):
        limits = f"from 1 to {count}, the number of rows of the data"
        raise InputError(f"The batch size must be a whole number {limits}, got {asked!r}.")
    size = asked or default
    return None if size is None or size >= count else int(size)


def _dropout(twin: Twin, asked: float | None) -> tuple[float | None, tuple[int, ...]]:
    """Give the keep probability and the widths of the masks, or None and no widths without dropout."""
    kinds = [argument.kind for argument in inspect.signature(twin.manual.forward).parameters.values()]
    hidden = (twin.widths or ())[1:-1] if inspect.Parameter.VAR_POSITIONAL in kinds else ()
    keep = twin.training.keep if asked is None else _positive("keep probability", asked)
    if keep is not None and keep > 1:
        raise InputError(f"The keep probability must be above 0 and at most 1, got {asked!r}.")
    if keep is None or keep == 1:
        return None, ()
    if not hidden:
        raise InputError(f"Twin {twin.name!r} has no dropout. Leave the keep probability out.")
    return keep, hidden


# ---- data and start --------------------------------------------------------------------------------


def _load_rows(
    twin: Twin, data: Dataset | str | Path | None, data_dir: str | Path | None, seed: int
) -> tuple[Batch, Batch | None, tuple[int, int] | None, str]:
    if data is None and twin.data not in datasets.NAMES:
        return tuple(map(np.asarray, twin.point(seed)[1])), None, None, ""
    dataset = data if isinstance(data, Dataset) else _load(twin, data, data_dir)
    test = None
    if dataset.test_inputs is not None and dataset.test_targets is not None:
        test = dataset.test_inputs, dataset.test_targets
    return (dataset.inputs, dataset.targets), test, dataset.image_shape, dataset.note


def _load(twin: Twin, data: str | Path | None, data_dir: str | Path | None) -> Dataset:
    if data is None:
        return datasets.load(twin.data, data_dir)
    return datasets.load(str(data), data_dir) if str(data) in datasets.NAMES else datasets.load_csv(data)


def _refuse_bad_numbers(twin: Twin, rows: Batch, test_rows: Batch | None) -> None:
    data = f"The data for twin {twin.name!r}"
    for array in (*rows, *(test_rows or ())):
        if not array.size:
            raise InputError(f"{data} have no rows. Give at least one.")
        if not np.issubdtype(array.dtype, np.floating):
            raise InputError(f"{data} have dtype {array.dtype}. Give floating-point numbers.")
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            where = ", ".join(map(str, bad[0]))
            raise InputError(
                f"{data} have {len(bad)} entries that are NaN or infinite, the first at [{where}]. Remove those rows."
            )


def _fitted(twin: Twin, rows: Batch) -> Twin:
    """Give a network of any width the inputs and outputs of the data."""
    if twin.widths is None or twin.resize is None or any(array.ndim != 2 for array in rows[:2]):
        return twin
    ends = rows[0].shape[1], rows[1].shape[1]
    if ends == (twin.widths[0], twin.widths[-1]):
        return twin
    return twin.resize((ends[0], *twin.widths[1:-1], ends[1]))


def _start(twin: Twin, seed: int | None) -> Params:
    """Give the start; from a seed it has the shapes of the source's start, where there is one."""
    drawn, own = twin.start(seed), twin.start(None)
    if {name: np.shape(p) for name, p in drawn.items()} == {name: np.shape(p) for name, p in own.items()}:
        return drawn
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(np.shape(p)) for name, p in own.items()}


def _cast(arrays: Batch, dtype: str) -> Batch:
    """Give the arrays in the asked dtype; those that have it are not copied, for they are only read."""
    return tuple(np.asarray(array, dtype) for array in arrays)


def _refuse_misfit(plan: Plan) -> None:
    """Run the manual forward once: the data's columns must fit the parameters and the output the targets."""
    few = plan.rows if plan.settings.batch_size is None else tuple(array[:2] for array in plan.rows)
    shapes = " and ".join(str(list(array.shape)) for array in plan.rows)
    try:
        _, cache = plan.manual.forward(plan.start, *few)
    except ValueError as error:
        raise InputError(f"Data of shapes {shapes} do not fit twin {plan.twin.name!r}: {error}") from error
    output = cache.get(plan.twin.output) if isinstance(cache, dict) else None
    if output is not None and len(few) > 1 and np.shape(output) != few[1].shape:
        columns = f"it gives {np.shape(output)[-1]} outputs a row, and the targets have {few[1].shape[-1]}"
        raise InputError(f"Data of shapes {shapes} do not fit twin {plan.twin.name!r}: {columns}.")
