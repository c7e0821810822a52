"""The sentences and tables of the report, in every form the same."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradtwin.core.dtypes import DEFAULT_DTYPES
from gradtwin.core.plain import count, number, percent, ulps
from gradtwin.core.report import Report, failure_lines, judgement, label
from gradtwin.core.table import Table
from gradtwin.core.tolerance import AGREE_ULPS
from gradtwin.core.verdicts import Verdict, gravest
from gradtwin.faults.score import FaultRow, tally
from gradtwin.reporting.dossier import Boundary, Dossier, TwinPage
from gradtwin.training.history import History, gap_sentence
from gradtwin.twins.twin import Twin
from manual_grads import Array

TITLE = "Hand-written gradients against TensorFlow’s"
SIDES = ("manual", "reference")


def verdict_of(reports: Sequence[Report]) -> Verdict:
    """Give the gravest verdict."""
    return gravest(report.verdict for report in reports)


def headline(dossier: Dossier) -> str:
    """Say the outcome in one sentence."""
    wrong = [page.target for page in dossier.pages if not page.agrees]
    sizes = f"{count(len(dossier.pages), 'twin')}, {count(len(dossier.reports), 'check')}"
    if wrong:
        return f"Wrong gradients in {', '.join(wrong)} ({sizes})."
    missed = sum(not row.caught for row in dossier.faults)
    if missed:
        were = "was" if missed == 1 else "were"
        return f"All hand-written gradients are right ({sizes}), but {count(missed, 'planted fault')} {were} missed."
    warned = [page.target for page in dossier.pages if verdict_of(page.reports) == Verdict.ROUNDING]
    if warned:
        return f"All formulas are right ({sizes}), but digits were lost in {', '.join(warned)}."
    return f"All hand-written gradients agree with TensorFlow's ({sizes})."


def explanation() -> str:
    """Say how to read the numbers."""
    return (
        "Errors are the maximum over entries and over the three TensorFlow modes (tape, gradients, xla), in ulp of the "
        f"largest entry. Up to {AGREE_ULPS:.0f} ulp counts as equal; larger errors are investigated."
    )


# ---- checks ----------------------------------------------------------------------------------------


def verdict_table(pages: Sequence[TwinPage]) -> Table:
    """Sum each twin up: its verdict, its largest errors, its training, its faults."""
    errors = tuple(f"{dtype} ulp" for dtype in DEFAULT_DTYPES)
    head = ("twin", "verdict", *errors, *(f"{side} loss" for side in SIDES), "gap", "faults detected")
    return Table(head, tuple(map(_verdict_row, pages)), frozenset(range(2, len(head))))


def _verdict_row(page: TwinPage) -> tuple[str, ...]:
    history = page.history
    losses = ("-", "-", "-")
    if history is not None:
        losses = number(history.manual["loss"]), number(history.tensorflow["loss"]), number(history.gap, 3)
    caught = f"{sum(row.caught for row in page.faults)} of {len(page.faults)}" if page.faults else "-"
    largest = (_largest(page, dtype) for dtype in DEFAULT_DTYPES)
    return page.target, verdict_of(page.reports), *largest, *losses, caught


def _largest(page: TwinPage, dtype: str) -> str:
    errors = [tensor.error_ulps for report in page.reports if report.dtype == dtype for tensor in report.tensors]
    return ulps(max(errors, default=math.nan))


def failures(page: TwinPage) -> list[str]:
    """Explain every failed check as the terminal does; once where several routes give the same."""
    found: dict[tuple[str, ...], list[Report]] = {}
    for report in page.reports:
        if not report.verdict.is_quiet:
            lines = failure_lines(replace(report, command=""))
            found.setdefault((report.dtype, judgement(report), *lines), []).append(report)
    return [_failure(reports) for reports in found.values()]


def _failure(reports: Sequence[Report]) -> str:
    first = reports[0]
    head = f"{first.dtype}, {', '.join(report.route for report in reports)}: {judgement(first)}"
    return "\n".join([head, *failure_lines(first)])


def notes(page: TwinPage) -> list[str]:
    """Give the notes of the checks, each once."""
    return list(dict.fromkeys(note for report in page.reports for note in report.notes))


# ---- planted faults --------------------------------------------------------------------------------


def fault_table(rows: Sequence[FaultRow]) -> Table:
    """Give a row for each planted fault: what the check said of it, and the line before and after."""
    head = ("fault", "verdict", "tensor named", "cause named", "before", "after")
    return Table(head, tuple(map(_fault_row, rows)))


def _fault_row(row: FaultRow) -> tuple[str, ...]:
    before, _, after = row.line.partition("  ->  ")
    tensor = label(row.claimed_tensor) if row.claimed_tensor else "-"
    verdict = row.verdict if row.caught else f"{row.verdict}: missed"
    return row.fault, verdict, tensor, row.claimed_cause or "-", before, after


def fault_sentence(rows: Sequence[FaultRow]) -> str:
    """Sum the planted faults up."""
    sums = tally(rows)
    return (
        f"A sample of each twin's faults: {sums.caught} of {count(sums.faults, 'planted fault')} detected "
        f"({sums.refused} raised an error). Correct tensor named: {sums.tensor_named} of {sums.judged}; "
        f"correct cause: {sums.cause_named} of {sums.nameable}."
    )


# ---- training --------------------------------------------------------------------------------------


def training_sentence(history: History, twin: Twin) -> str:
    """Say how a training was done, where the two sides ended, and whether it was cut short."""
    start = "a start drawn from seed 0" if twin.source_start is None else "the source's own start"
    rule = {"gd": "gradient descent", "adam": "Adam"}[history.optimizer]
    batch = "" if history.batch_size is None else f", batches of {history.batch_size}"
    rate = f"learning rate {history.learning_rate:g}"
    steps = twin.training.steps
    short = "" if history.steps >= steps else f" The network is large, so this is {history.steps:,} of {steps:,} steps."
    return f"{count(history.steps, 'step')} of {rule}, {rate}{batch}, from {start}. {gap_sentence(history)}{short}"


def score_table(history: History) -> Table:
    """Give a row for each side: its loss and accuracy after the last step."""
    sides = zip(SIDES, (history.manual, history.tensorflow), strict=True)
    rows = ((name, number(side.get("loss")), percent(side.get("accuracy"))) for name, side in sides)
    return Table(("side", "loss", "accuracy"), tuple(rows), frozenset({1, 2}))


def boundary_sentence(boundary: Boundary) -> str:
    """Say how far the outputs of the two sides are apart over the plane, and how many rows are right."""
    difference = float(np.abs(boundary.manual - boundary.tensorflow).max())
    right = np.mean((_nearest(boundary) > 0.5) == (boundary.targets[:, 0] > 0.5))
    return (
        f"Over the plane of the two inputs the outputs of the two sides differ by at most {difference:.2g}; "
        f"{100 * right:.0f} % of the rows lie on the right side of 1/2."
    )


def _nearest(boundary: Boundary) -> Array:
    """Give the output at the grid point nearest to each row."""
    i = np.abs(boundary.first[None] - boundary.inputs[:, :1]).argmin(axis=1)
    j = np.abs(boundary.second[None] - boundary.inputs[:, 1:]).argmin(axis=1)
    return boundary.manual[j, i]


# ---- the end ---------------------------------------------------------------------------------------


def commands(dossier: Dossier) -> list[str]:
    """Give the command lines that repeat the report, and each part of it."""
    return [dossier.command, *(command for page in dossier.pages for command in page.commands)]


def machine_table(dossier: Dossier) -> Table:
    """Say what the report was computed on."""
    return Table(("what", "which"), tuple((dossier.machine | dossier.versions).items()))
