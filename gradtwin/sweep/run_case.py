"""Run one case, and describe its outcome in one row, whatever it is."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from gradtwin.checking.check import check
from gradtwin.core.errors import InputError
from gradtwin.core.report import Report
from gradtwin.faults.catalogue import planted, small
from gradtwin.faults.score import judge
from gradtwin.sweep.case import CaseRow, SweepCase, written
from gradtwin.sweep.fuzzing import draw
from gradtwin.training.lockstep import train
from gradtwin.twins import catalog, twin_files
from gradtwin.twins.twin import Twin

# How a case can end; only one that is "done" has a verdict.
DONE, ERROR, TIMEOUT, OUT_OF_MEMORY, WORKER_DIED = "done", "error", "timeout", "out_of_memory", "worker_died"
MESSAGE_LENGTH = 500


class Twins:
    """The twins of a sweep, each loaded once; users' files are relative to the directory the sweep was started in."""

    def __init__(self, folder: str | Path = "") -> None:
        self._folder = Path(folder)
        self._known: dict[str, Twin] = {}

    def __getitem__(self, target: str) -> Twin:
        if target not in self._known:
            self._known[target] = self._load(target)
        return self._known[target]

    def _load(self, target: str) -> Twin:
        if not twin_files.is_file_target(target):
            return catalog.get(target)
        (twin,) = twin_files.load(str(self._folder / target)).values()
        return twin


def run_case(case: SweepCase, twins: Twins) -> CaseRow:
    """Run a case.

    Args:
        case: the case.
        twins: finds its twin.

    Returns:
        Its row; see `gradtwin.sweep.table`. An exception is a row too.
    """
    began = time.perf_counter()
    try:
        with np.errstate(all="ignore"):
            found = _RUNNERS[case.kind](case, twins[case.target])
    except MemoryError as error:
        found = failure(OUT_OF_MEMORY, error)
    except (Exception, SystemExit) as error:
        # By its name, so that TensorFlow need not be loaded for the class.
        exhausted = type(error).__name__ == "ResourceExhaustedError" or isinstance(error.__cause__, MemoryError)
        found = failure(OUT_OF_MEMORY if exhausted else ERROR, error)
    return row_of(case) | found | {"seconds": time.perf_counter() - began}


def row_of(case: SweepCase) -> CaseRow:
    """Start a row with the settings of the case."""
    widths = None if case.widths is None else written(case.widths)
    fields = ("number", "kind", "target", "dtype", "route", "seed", "learning_rate", "steps", "fault")
    named = {name: getattr(case, name) for name in fields}
    return {"id": case.id, **named, "widths": widths, "command": case.command, "attempts": 1}


def failure(status: str, reason: BaseException | str) -> CaseRow:
    """Say in one line why a case has no verdict."""
    text = reason if isinstance(reason, str) else _worded(reason)
    line = " ".join(text.split())
    return {"status": status, "outcome": status, "failed": True, "message": line[:MESSAGE_LENGTH]}


def _worded(error: BaseException) -> str:
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}".rstrip(": ")


# ---- the kinds ---------------------------------------------------------------------------------------


def _sized(case: SweepCase, twin: Twin) -> Twin:
    return twin if case.widths is None or twin.resize is None else twin.resize(case.widths)


def _check(case: SweepCase, twin: Twin) -> CaseRow:
    return _row_of_report(check_of(case, twin))


def check_of(case: SweepCase, twin: Twin) -> Report:
    """Run the check of a case of kind "check"."""
    dtype, route = case.dtype or "float64", case.route or "tape"
    report = check(_sized(case, twin), dtype=dtype, route=route, seed=case.seed or 0)
    return replace(report, command=case.command)


def fuzz_of(case: SweepCase, twin: Twin) -> tuple[Report, str]:
    """Run the check of a case of kind "fuzz"; the second value describes the point that was drawn."""
    drawn = draw(case, twin)
    report = check(drawn.twin, dtype=drawn.dtype, route=drawn.route)
    return replace(report, seed=case.seed or 0, command=case.command), drawn.words


def _fuzz(case: SweepCase, twin: Twin) -> CaseRow:
    report, words = fuzz_of(case, twin)
    return _row_of_report(report) | {"dtype": report.dtype, "route": report.route, "drawn": words}


def _row_of_report(report: Report) -> CaseRow:
    worst = max(report.tensors, key=lambda tensor: _ratio(tensor.error_ulps, tensor.bound_ulps))
    return {
        "status": DONE,
        "outcome": report.verdict,
        "failed": not report.agrees,
        "blame": report.blame,
        "cause": report.cause,
        "tensor": worst.name,
        "error_ulps": float(worst.error_ulps),
        "bound_ulps": float(worst.bound_ulps),
        "size": _ratio(worst.error_ulps, worst.bound_ulps),
    }


def _ratio(error: float, bound: float) -> float:
    if not math.isfinite(error):
        return math.inf
    if bound == 0:
        return math.inf if error else 0.0
    return float(error / bound)


def _train(case: SweepCase, twin: Twin) -> CaseRow:
    history = train(
        _sized(case, twin), steps=case.steps, learning_rate=case.learning_rate, seed=case.seed,
        dtype=case.dtype or "float64",
    )  # fmt: skip
    together = history.diverged_at is None
    largest = float(np.max(history.gaps)) if np.isfinite(history.gaps).all() else math.inf
    return {
        "status": DONE,
        "outcome": "together" if together else "apart",
        "failed": False,
        "learning_rate": history.learning_rate,
        "steps": history.steps,
        "size": largest,
        "loss_manual": history.manual["loss"],
        "loss_tensorflow": history.tensorflow["loss"],
        "diverged_at": history.diverged_at,
    }


def _fault(case: SweepCase, twin: Twin) -> CaseRow:
    page = small(twin)
    fault = next(fault for fault in planted(page) if fault.id == case.fault)
    found = judge(fault, page)
    return {
        "status": DONE,
        "outcome": "caught" if found.caught else "missed",
        "failed": not found.caught,
        "cause": found.text,
        "tensor": found.claimed_tensor,
        "named_tensor": found.named_tensor,
        "named_cause": found.named_cause,
        "wrong_cause": found.wrong_cause,
        "size": 0.0 if found.caught else 1.0,
    }


_RUNNERS: dict[str, Callable[[SweepCase, Twin], CaseRow]] = {
    "check": _check,
    "train": _train,
    "faults": _fault,
    "fuzz": _fuzz,
}
