"""Everything a report holds, computed once: checks, maps of the error, trainings, boundaries, planted faults."""

import datetime
import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradtwin.backend.differentiation import differentiate
from gradtwin.backend.tensorflow_side import resolve
from gradtwin.checking.check import check
from gradtwin.checking.settings import CheckSettings
from gradtwin.core.dtypes import DEFAULT_DTYPES
from gradtwin.core.errors import InputError
from gradtwin.core.precision import is_floating
from gradtwin.core.report import Report
from gradtwin.core.routes import ROUTES
from gradtwin.core.tolerance import ulps_apart
from gradtwin.core.verdicts import Note
from gradtwin.explanation.formulas import first_sentence, page_of
from gradtwin.faults.score import FaultRow, score
from gradtwin.reporting import environment
from gradtwin.training.history import History
from gradtwin.training.lockstep import train
from gradtwin.training.plan import make_plan
from gradtwin.training.settings import TrainingSettings
from gradtwin.training.tensorboard.pictures import GRID, plane
from gradtwin.twins import catalog
from gradtwin.twins.twin import Batch, Twin
from manual_grads import Array, Params

FAULTS_A_TWIN = 4
CELLS = (16, 32)          # rows and columns of a map; a larger tensor is shown by the worst of each block
MULTIPLICATIONS = 3e9     # of a training; a larger network takes fewer than its own number of steps
FEWEST_STEPS = 30


@dataclass(frozen=True, eq=False)
class ErrorMap:
    """How far the two gradients of one tensor are apart, entry by entry or block by block.

    Attributes:
        name: the tensor.
        shape: its shape.
        ulps: [rows, columns] in units of the last place, the largest of each block.
        exact: the share of entries that are equal on both sides.
    """

    name: str
    shape: tuple[int, ...]
    ulps: Array
    exact: float


@dataclass(frozen=True, eq=False)
class Boundary:
    """The output of a trained network with two inputs over the plane.

    Attributes:
        first, second: the grid's coordinates along the two inputs.
        manual, tensorflow: [second, first], the output of both sides.
        inputs, targets: the training rows.
    """

    first: Array
    second: Array
    manual: Array
    tensorflow: Array
    inputs: Array
    targets: Array


@dataclass(frozen=True, eq=False)
class TwinPage:
    """What the report holds of one twin.

    Attributes:
        target: what the command line calls it, without directories.
        twin: the twin.
        about: one line of its page; `page` all of its docstring.
        reports: its checks; `seconds` what each took.
        maps: the error of each gradient, in float64 by the tape.
        history: a training, or None; `untrained` says why there is none.
        boundary: its decision boundary, where it has two inputs and one output.
        faults: what became of a sample of planted faults.
    """

    target: str
    twin: Twin
    about: str
    page: str
    reports: tuple[Report, ...]
    seconds: tuple[float, ...]
    maps: tuple[ErrorMap, ...]
    history: History | None
    untrained: str
    boundary: Boundary | None
    faults: tuple[FaultRow, ...]

    @property
    def agrees(self) -> bool:
        """Whether every check passed."""
        return all(report.agrees for report in self.reports)

    @property
    def commands(self) -> list[str]:
        """Give the command lines that repeat what is shown."""
        lines = [f"gradtwin check {self.target}"]
        if self.history is not None:
            lines.append(f"gradtwin train {self.target} --steps {self.history.steps}")
        if self.faults:
            lines.append(f"gradtwin faults {self.target} --sample {FAULTS_A_TWIN}")
        return lines


@dataclass(frozen=True, eq=False)
class Dossier:
    """All of a report, before it is written in any form."""

    pages: tuple[TwinPage, ...]
    versions: dict[str, str]
    machine: dict[str, str]
    date: str
    seed: int = 0

    @property
    def reports(self) -> list[Report]:
        """Give all checks."""
        return [report for page in self.pages for report in page.reports]

    @property
    def faults(self) -> list[FaultRow]:
        """Give all planted faults."""
        return [row for page in self.pages for row in page.faults]

    @property
    def passed(self) -> bool:
        """Whether every check agrees and every planted fault was detected."""
        return all(page.agrees for page in self.pages) and all(row.caught for row in self.faults)

    @property
    def command(self) -> str:
        """Give the command line that makes this report."""
        targets = [page.target for page in self.pages]
        return "gradtwin report" if targets == catalog.names() else " ".join(["gradtwin report", *targets])


def gather(
    twins: Mapping[str, Twin], *, seed: int = 0, progress: Callable[[str], None] | None = None
) -> Dossier:
    """Check and train every twin, and plant faults in it.

    Args:
        twins: by what the command line calls them: a name, or `FILE.py:OBJECT`.
        seed: draws the operating points.
        progress: is called with what is being done, in words.

    Returns:
        The dossier.
    """
    tell = progress or (lambda text: None)
    pages = tuple(_page(target, twin, seed, tell) for target, twin in twins.items())
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Dossier(pages, environment.versions(), environment.machine(), today, seed)


def _page(target: str, twin: Twin, seed: int, tell: Callable[[str], None]) -> TwinPage:
    target = without_directory(target)
    tell(f"checking {target}")
    reports, seconds = zip(*_checks(target, twin, seed), strict=True)
    tell(f"training {target}")
    history, untrained = _train(twin)
    tell(f"planting faults in {target}")
    return TwinPage(
        target=target,
        twin=twin,
        about=first_sentence(twin.manual),
        page=page_of(twin.manual),
        reports=reports,
        seconds=seconds,
        maps=_maps(twin, seed, reports[0]),
        history=history,
        untrained=untrained,
        boundary=None if history is None else _boundary(twin, history),
        faults=_planted(twin),
    )


def without_directory(target: str) -> str:
    """Take the directories off a `FILE.py:OBJECT`: a report is sent around, and a path names people."""
    head, colon, tail = target.rpartition(":")
    return f"{Path(head).name}{colon}{tail}" if head.endswith(".py") else target


# ---- checks ----------------------------------------------------------------------------------------


def _checks(target: str, twin: Twin, seed: int) -> Iterable[tuple[Report, float]]:
    for dtype, route in itertools.product(DEFAULT_DTYPES, ROUTES):
        began = time.perf_counter()
        report = check(twin, dtype=dtype, route=route, seed=seed)
        command = CheckSettings(dtype=dtype, route=route, seed=seed).command(target)
        yield replace(report, command=command), time.perf_counter() - began


def _maps(twin: Twin, seed: int, report: Report) -> tuple[ErrorMap, ...]:
    """Compare every entry of every gradient once more, in float64 by the tape."""
    params, batch = (_cast(arrays) for arrays in _point(twin, seed))
    _, cache = twin.manual.forward(params, *batch.values())
    manual = twin.manual.backward(params, cache)
    reference = differentiate(resolve(twin.reference), params, batch, tuple(manual)).gradients
    names = [tensor.name for tensor in report.tensors if tensor.name in manual and tensor.name in reference]
    return tuple(error_map(name, np.asarray(manual[name]), reference[name]) for name in names)


def _point(twin: Twin, seed: int) -> tuple[Params, Params]:
    params, batch = twin.point(seed)
    return params, dict(zip(twin.batch_names(batch), batch, strict=True))


def _cast(arrays: Mapping[str, Array]) -> Params:
    given = {name: np.asarray(array) for name, array in arrays.items()}
    return {name: a.astype(np.float64) if is_floating(a) else a for name, a in given.items()}


def error_map(name: str, manual: Array, reference: Array | None) -> ErrorMap:
    """Measure a gradient's error in ulp, entry by entry; of a large tensor the worst entry of each block."""
    ulps = ulps_apart(manual, np.zeros_like(manual) if reference is None else reference, "float64")
    flat = np.atleast_2d(ulps.reshape(-1, ulps.shape[-1]) if ulps.ndim else ulps)
    return ErrorMap(name, manual.shape, _pooled(flat, *CELLS), float(np.mean(ulps == 0)))


def _pooled(values: Array, rows: int, columns: int) -> Array:
    """Take the largest value of each block, so that at most `rows` times `columns` are left."""
    for axis, most in ((0, rows), (1, columns)):
        size = values.shape[axis]
        if size > most:
            starts = np.linspace(0, size, most, endpoint=False).astype(int)
            values = np.maximum.reduceat(values, starts, axis=axis)
    return values


# ---- training --------------------------------------------------------------------------------------


def _train(twin: Twin) -> tuple[History | None, str]:
    if hasattr(twin.manual, "node"):
        return None, Note("single_operation", "Not trained: this is a single operation.")
    try:
        return train(twin, steps=affordable_steps(twin)), ""
    except InputError as error:
        return None, Note("refused", f"Not trained: {error}")


def affordable_steps(twin: Twin) -> int:
    """Give the steps a report trains: the twin's own number, fewer for a large network."""
    plan = make_plan(twin, TrainingSettings(steps=1))
    rows = plan.settings.batch_size or (len(plan.rows[0]) if plan.rows[0].ndim else 1)
    work = rows * sum(p.size for p in plan.start.values())
    return min(twin.training.steps, max(FEWEST_STEPS, int(MULTIPLICATIONS / work)))


def _boundary(twin: Twin, history: History) -> Boundary | None:
    """Ask both trained sides about the plane of two inputs, where the twin has one."""
    rows = make_plan(twin, TrainingSettings(steps=1)).rows
    asked = plane(twin, rows)
    if asked is None or not all(np.isfinite(p).all() for p in history.params["manual"].values()):
        return None
    answers = _answers(twin, history, asked.rows)
    if answers is None:
        return None
    manual, tensorflow = (answer.reshape(GRID, GRID)[::-1] for answer in answers)
    return Boundary(asked.across, asked.upwards, manual, tensorflow, *rows)


def _answers(twin: Twin, history: History, rows: Batch) -> tuple[Array, Array] | None:
    """Ask both trained sides about every point of a grid."""
    _, cache = twin.manual.forward(history.params["manual"], *rows)
    batch = dict(zip(twin.batch_names(rows), rows, strict=True))
    values = differentiate(resolve(twin.reference), history.params["tensorflow"], batch, ()).values
    if twin.output not in cache or twin.output not in values:
        return None
    return cache[twin.output], values[twin.output]


# ---- faults ----------------------------------------------------------------------------------------


def _planted(twin: Twin) -> tuple[FaultRow, ...]:
    try:
        return tuple(score([twin], sample=FAULTS_A_TWIN))
    except Exception:
        # A user's page may be written in a way that no fault can be planted in; the checks stand without.
        return ()


def history_row(history: History) -> dict[str, Any]:
    """Give a training as one row of plain data."""
    return {
        "twin": history.twin,
        "steps": history.steps,
        "learning_rate": history.learning_rate,
        "optimizer": history.optimizer,
        "loss_manual": history.manual["loss"],
        "loss_tensorflow": history.tensorflow["loss"],
        "accuracy_manual": history.manual["accuracy"],
        "accuracy_tensorflow": history.tensorflow["accuracy"],
        "gap": history.gap,
        "diverged_at": history.diverged_at,
    }
