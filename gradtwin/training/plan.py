"""Everything a training decides before its first step, checked."""

import inspect
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.twins import datasets
from gradtwin.twins.datasets import Dataset
from gradtwin.twins.twin import Batch, Twin
from manual_grads import Params

DTYPES = ("float64", "float32")
OPTIMIZERS = ("gd", "adam")
LOGGED_POINTS = 100


@dataclass(frozen=True, eq=False)
class Plan:
    """What is trained, on what, from where, and how.

    `rows` and `test_rows` are the batch's arrays for the whole training and test set; `batch_size` None
    gives all of `rows` to every step. `mask_widths` are the hidden layers' widths where there is dropout.
    """

    twin: Twin
    manual: Any
    start: Params
    rows: Batch
    test_rows: Batch | None
    image_shape: tuple[int, int] | None
    note: str
    steps: int
    learning_rate: float
    optimizer: str
    batch_size: int | None
    keep: float | None
    mask_widths: tuple[int, ...]
    dtype: str
    seed: int | None
    log_every: int
    variant: str

    @property
    def steps_per_epoch(self) -> int:
        """How many batches the training set is cut into; the last may be short."""
        return 1 if self.batch_size is None else math.ceil(len(self.rows[0]) / self.batch_size)


def make_plan(
    twin: Twin,
    *,
    steps: int | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    dtype: str = "float64",
    optimizer: str | None = None,
    keep: float | None = None,
    data: Dataset | str | Path | None = None,
    data_dir: str | Path | None = None,
    log_every: int | None = None,
    manual: Any = None,
    variant: str = "",
) -> Plan:
    """Fill in the twin's defaults, load the data, and refuse what cannot be trained.

    Args: as `gradtwin.training.lockstep.train`.

    Raises:
        InputError: a setting is impossible, or the data do not fit the network.
    """
    defaults = twin.training
    dtype = _one_of("dtype", dtype, DTYPES)
    optimizer = _one_of("optimizer", optimizer or defaults.optimizer, OPTIMIZERS)
    learning_rate = defaults.learning_rate if learning_rate is None else learning_rate
    learning_rate = _positive("learning rate", learning_rate)
    if steps is not None and epochs is not None:
        raise InputError("Give the number of steps or of epochs, not both.")
    for name, count in (("steps", steps), ("epochs", epochs), ("log_every", log_every)):
        _at_least_one(name, count)
    if seed is not None and (not _is_whole(seed) or seed < 0):
        raise InputError(f"The seed is a whole number from 0, got {seed!r}.")

    rows, test_rows, image_shape, note = _load_rows(twin, data, data_dir, seed or 0)
    _refuse_bad_numbers(twin, rows, test_rows)
    twin = _fitted(twin, rows)
    count = len(rows[0]) if rows[0].ndim else 1
    batch_size = _batch_size(batch_size, defaults.batch_size, count)
    per_epoch = 1 if batch_size is None else math.ceil(count / batch_size)
    steps = epochs * per_epoch if epochs else steps or defaults.steps
    keep, mask_widths = _dropout(twin, keep)
    plan = Plan(
        twin=twin,
        manual=twin.manual if manual is None else manual,
        start={name: np.array(p, dtype) for name, p in _start(twin, seed).items()},
        rows=_cast(rows, dtype),
        test_rows=None if test_rows is None else _cast(test_rows, dtype),
        image_shape=image_shape,
        note=note,
        steps=steps,
        learning_rate=learning_rate,
        optimizer=optimizer,
        batch_size=batch_size,
        keep=keep,
        mask_widths=mask_widths,
        dtype=dtype,
        seed=seed,
        log_every=log_every or max(1, steps // LOGGED_POINTS),
        variant=variant,
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
        raise InputError(f"The {what} is a finite number above 0, got {value!r}.")
    return number


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _at_least_one(what: str, value: Any) -> None:
    if value is not None and (not _is_whole(value) or value < 1):
        raise InputError(f"The number of {what} is a whole number from 1, got {value!r}.")


def _batch_size(asked: int | None, default: int | None, count: int) -> int | None:
    """Give the batch size, or None for all rows at once."""
    if asked is not None and (not _is_whole(asked) or not 1 <= asked <= count):
        limits = f"from 1 to {count}, the number of rows of the data"
        raise InputError(f"The batch size is a whole number {limits}, got {asked!r}.")
    size = asked or default
    return None if size is None or size >= count else int(size)


def _dropout(twin: Twin, asked: float | None) -> tuple[float | None, tuple[int, ...]]:
    """Give the keep probability and the widths of the masks, or None and no widths without dropout."""
    kinds = [argument.kind for argument in inspect.signature(twin.manual.forward).parameters.values()]
    hidden = (twin.widths or ())[1:-1] if inspect.Parameter.VAR_POSITIONAL in kinds else ()
    keep = twin.training.keep if asked is None else _positive("keep probability", asked)
    if keep is not None and keep > 1:
        raise InputError(f"The keep probability is above 0 and at most 1, got {asked!r}.")
    if keep is None or keep == 1:
        return None, ()
    if not hidden:
        raise InputError(f"Twin {twin.name!r} has no dropout: leave the keep probability out.")
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
            raise InputError(f"{data} have no rows: give at least one.")
        if not np.issubdtype(array.dtype, np.floating):
            raise InputError(f"{data} are of dtype {array.dtype}: give floating-point numbers.")
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            where = ", ".join(map(str, bad[0]))
            raise InputError(
                f"{data} have {len(bad)} entries that are NaN or infinite, the first at [{where}]: take those rows out."
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
    few = plan.rows if plan.batch_size is None else tuple(array[:2] for array in plan.rows)
    shapes = " and ".join(str(list(array.shape)) for array in plan.rows)
    try:
        _, cache = plan.manual.forward(plan.start, *few)
    except ValueError as error:
        raise InputError(f"Data of shapes {shapes} do not fit twin {plan.twin.name!r}: {error}") from error
    output = cache.get(plan.twin.output) if isinstance(cache, dict) else None
    if output is not None and len(few) > 1 and np.shape(output) != few[1].shape:
        columns = f"it gives {np.shape(output)[-1]} outputs a row, and the targets have {few[1].shape[-1]}"
        raise InputError(f"Data of shapes {shapes} do not fit twin {plan.twin.name!r}: {columns}.")
