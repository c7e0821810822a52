"""What every form of the report says in the same words: verdicts, rows of tables, and what they mean."""

import math
from collections.abc import Sequence
from dataclasses import replace

from gradtwin.core.report import Report, failure_lines, judgement, label
from gradtwin.core.verdicts import Verdict, gravest
from gradtwin.faults.score import FaultRow, tally
from gradtwin.reporting.dossier import Dossier, TwinPage
from gradtwin.training.history import History
from gradtwin.twins.twin import Twin


def verdict_of(reports: Sequence[Report]) -> Verdict:
    """Give the gravest verdict."""
    return gravest(report.verdict for report in reports)


def headline(dossier: Dossier) -> str:
    """Say in one sentence what came of it."""
    reports = dossier.reports
    wrong = [page.target for page in dossier.pages if not page.agrees]
    sizes = f"{_count(len(dossier.pages), 'twin')}, {_count(len(reports), 'check')}"
    if wrong:
        return f"Wrong gradients in {', '.join(wrong)} ({sizes})."
    missed = sum(not row.caught for row in dossier.faults)
    if missed:
        return f"Every hand-written gradient is right ({sizes}), but {_count(missed, 'planted fault')} stayed unseen."
    warned = [page.target for page in dossier.pages if verdict_of(page.reports) == "rounding"]
    if warned:
        return f"Every formula is right ({sizes}), but digits were lost in {', '.join(warned)}."
    return f"Every hand-written gradient agrees with TensorFlow's ({sizes})."


def explanation() -> str:
    """Say how to read the numbers."""
    return (
        "Errors are in ulp, units in the last place of a tensor's largest magnitude, the largest of all entries and of "
        "all three ways to TensorFlow's gradient (eager tape, graph, XLA). Up to 64 agree at once; what lies beyond is "
        "looked into."
    )


# ---- rows ------------------------------------------------------------------------------------------

VERDICT_HEAD = (
    "twin", "verdict", "float64 ulp", "float32 ulp", "loss by hand", "loss by TensorFlow", "gap", "faults seen",
)  # fmt: skip


def verdict_row(page: TwinPage) -> tuple[str, ...]:
    """Sum a twin up: its verdict, its largest errors, its training, its faults."""
    history = page.history
    losses = ("-", "-", "-")
    if history is not None:
        losses = number(history.manual["loss"]), number(history.tensorflow["loss"]), f"{history.gap:.3g}"
    seen = sum(row.caught for row in page.faults)
    return (
        page.target, verdict_of(page.reports), *(_largest(page, dtype) for dtype in ("float64", "float32")), *losses,
        f"{seen} of {len(page.faults)}" if page.faults else "-",
    )  # fmt: skip


def _largest(page: TwinPage, dtype: str) -> str:
    errors = [tensor.error_ulps for report in page.reports if report.dtype == dtype for tensor in report.tensors]
    return ulps(max(errors, default=math.nan))


def failures(page: TwinPage) -> list[str]:
    """Say of every failed check what the terminal says; once where several routes say the same."""
    said: dict[tuple[str, ...], list[Report]] = {}
    for report in page.reports:
        if not Verdict(report.verdict).is_quiet:
            lines = failure_lines(replace(report, command=""))
            said.setdefault((report.dtype, judgement(report), *lines), []).append(report)
    return [_failure(reports) for reports in said.values()]


def _failure(reports: Sequence[Report]) -> str:
    first = reports[0]
    head = f"{first.dtype}, {', '.join(report.route for report in reports)}: {judgement(first)}"
    return "\n".join([head, *failure_lines(first)])


def notes(page: TwinPage) -> list[str]:
    """Give what else the checks say, each thing once."""
    return list(dict.fromkeys(note for report in page.reports for note in report.notes))


FAULT_HEAD = ("fault", "verdict", "tensor named", "cause named", "before", "after")


def fault_row(row: FaultRow) -> tuple[str, ...]:
    """Say what was planted and what the check said."""
    before, _, after = row.line.partition("  ->  ")
    tensor = label(row.claimed_tensor) if row.claimed_tensor else "-"
    verdict = row.verdict if row.caught else f"{row.verdict}: missed"
    return row.fault, verdict, tensor, row.claimed_cause or "-", before, after


def fault_sentence(rows: Sequence[FaultRow]) -> str:
    """Sum the planted faults up."""
    sums = tally(rows)
    return (
        f"Of {_count(sums.faults, 'planted fault')}, a sample of each twin's, {sums.caught} were seen, {sums.refused} "
        f"of them refused before any comparison. Of the other {sums.judged}, the check named the right tensor for "
        f"{sums.tensor_named}; of the {sums.nameable} whose cause has a name, it named {sums.cause_named}."
    )


# ---- sentences -------------------------------------------------------------------------------------


def training_sentence(history: History, twin: Twin) -> str:
    """Say how a training was done, where the two sides ended, and that it was cut short, where it was."""
    start = "a start drawn from seed 0" if twin.source_start is None else "the source's own start"
    rule = {"gd": "gradient descent", "adam": "Adam"}[history.optimizer]
    batch = "" if history.batch_size is None else f", batches of {history.batch_size}"
    rate = f"learning rate {history.learning_rate:g}"
    sentence = f"{_count(history.steps, 'step')} of {rule}, {rate}{batch}, from {start}."
    gap = f"At the end the parameters of the two sides are {history.gap:.3g} apart"
    never = ", and never more than 1e-6."
    diverged = never if history.diverged_at is None else f"; first beyond 1e-6 after update {history.diverged_at:,}."
    steps = twin.training.steps
    short = "" if history.steps >= steps else f" The network is large: {history.steps:,} of its {steps:,} steps."
    return f"{sentence} {gap}{diverged}{short}"


def scores(history: History) -> list[tuple[str, ...]]:
    """Give a row for each side: its loss and accuracy after the last update."""
    sides = (("by hand", history.manual), ("TensorFlow", history.tensorflow))
    return [(name, number(side["loss"]), percent(side["accuracy"])) for name, side in sides]


def number(value: float | None) -> str:
    """Write eight digits, and a dash for nothing."""
    return "-" if value is None else f"{value:.8g}"


def percent(value: float | None) -> str:
    """Write a share in percent."""
    return "-" if value is None else f"{100 * value:.2f} %"


def ulps(value: float) -> str:
    """Write an error in three digits."""
    return f"{value:.3g}" if math.isfinite(value) else "not finite"


def _count(amount: int, noun: str) -> str:
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"
