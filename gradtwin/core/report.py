"""Report: the outcome of comparing two sides, as data and as text."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gradtwin.core.errors import Disagreement
from gradtwin.core.notebook import ShownInNotebooks
from gradtwin.core.plain import count, ulps
from gradtwin.core.table import Table
from gradtwin.core.verdicts import Blame, CauseId, Note, Verdict, gravest

MOST_EXPLAINED = 8  # tensors of a failure, one line each


@dataclass(frozen=True)
class Worst:
    """The entry with the largest error: its index, and the value of each side there.

    `witness` is the value of an independent derivative, where there is one.
    """

    index: tuple[int, ...]
    manual: float
    reference: float
    witness: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the entry as plain data."""
        return asdict(self) | {"index": list(self.index)}


@dataclass(frozen=True)
class TensorReport:
    """One tensor's gradient on both sides.

    `error_ulps` is the largest difference, `bound_ulps` the largest allowed one, both in units of the last place of
    `scale`, the magnitude at which the gradient is rounded. `beyond` counts the entries that differ by more than
    `AGREE_ULPS`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    verdict: Verdict
    error_ulps: float
    bound_ulps: float
    worst: Worst
    scale: float = 0.0
    beyond: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Give the row as plain data."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "verdict": self.verdict,
            "error_ulps": self.error_ulps,
            "bound_ulps": self.bound_ulps,
            "beyond": self.beyond,
            "worst": self.worst.to_dict(),
        }


@dataclass(frozen=True)
class NumericRow:
    """What the source's numeric check says of one tensor's gradient.

    Attributes:
        name: the tensor.
        index: the entry that is furthest from its numeric value, beside what is allowed there.
        numeric: the numeric value there.
        manual: the manual value there.
        error: how far they are apart.
        precision: the absolute and the relative precision that is asked for.
        passed: whether error <= precision + precision * |numeric| in every entry that was looked at.
        entries: how many entries that was; all, but for large tensors.
    """

    name: str
    index: tuple[int, ...]
    numeric: float
    manual: float
    error: float
    precision: float
    passed: bool
    entries: int

    def to_dict(self) -> dict[str, Any]:
        """Give the row as plain data."""
        return asdict(self) | {"index": list(self.index)}


@dataclass(frozen=True, repr=False)
class Report(ShownInNotebooks):
    """The outcome of a check.

    Attributes:
        verdict: "agree", "rounding", "kink", "disagree" or "undecidable".
        blame: None, "manual", "reference" or "forward" (the two losses differ).
        cause: the likely cause in one line, or None; `cause_id` is its id.
        first_wrong: the first tensor, from the loss backwards, whose own step is wrong; `where` says it in words.
        tensors: a row for each tensor: the loss, then the gradients from the loss backwards.
        command: the command line that repeats the check.
        notes: what else the reader should know; each note is a string with an `id`.
        kinks: "any" accepts every subgradient at a kink, "reference" only TensorFlow's.
        formula: for a check in bfloat16 or float16, the report of the same two sides in float64 at the same point,
            which judges the formula; `tensors` then measure each side's distance from it, in ulp of the dtype.
        device: the device that computed the reference, if one was asked for.
        numeric: what the source's numeric check says, a row a tensor; None unless it was asked for.
    """

    twin: str
    dtype: str
    route: str
    seed: int
    verdict: Verdict
    tensors: tuple[TensorReport, ...]
    blame: Blame | None = None
    cause: str | None = None
    cause_id: CauseId | None = None
    first_wrong: str | None = None
    where: str = ""
    command: str = ""
    notes: tuple[Note, ...] = ()
    kinks: str = "any"
    formula: "Report | None" = None
    device: str | None = None
    numeric: tuple[NumericRow, ...] | None = None

    @property
    def agrees(self) -> bool:
        """Whether the manual gradient is right at this point.

        `rounding` passes with a warning; a `kink` passes where any subgradient is accepted. A formula that is judged
        apart must agree too.
        """
        if self.formula is not None and not self.formula.agrees:
            return False
        return self.verdict.is_right and (self.verdict != Verdict.KINK or self.kinks == "any")

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain data, ready for JSON."""
        judged_apart = {"formula": self.formula.to_dict()} if self.formula else {}
        numeric = {} if self.numeric is None else {"numeric": [row.to_dict() for row in self.numeric]}
        return {
            "twin": self.twin,
            "dtype": self.dtype,
            "route": self.route,
            "device": self.device,
            "seed": self.seed,
            "verdict": self.verdict,
            "blame": self.blame,
            "cause": self.cause,
            "cause_id": self.cause_id,
            "first_wrong": self.first_wrong,
            "notes": list(self.notes),
            "tensors": [tensor.to_dict() for tensor in self.tensors],
            **judged_apart,
            **numeric,
        }

    def raise_for_disagreement(self) -> None:
        """Raise `Disagreement`, with the report as its text, unless the sides agree."""
        if not self.agrees:
            raise Disagreement(str(self))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {headline(self)}>"

    def __str__(self) -> str:
        table = (f"  {line}" for line in tensor_table([self]).lines())
        return "\n".join([headline(self), *table, *failure_lines(self), *self.notes, *numeric_lines(self)])

    def _at_worst(self, worst: Worst) -> str:
        """Write the values at a tensor's worst entry, one after the other."""
        third = f", independent derivative {worst.witness!r}" if worst.witness is not None else ""
        return f"manual {worst.manual!r}, reference {worst.reference!r}{third}"


# ---- the table -------------------------------------------------------------------------------------


def tensor_table(reports: Sequence[Report]) -> Table:
    """Make the table of one check of a twin, or of several side by side.

    Args:
        reports: the checks; those in one dtype share a column.

    Returns:
        A row for each tensor: for each dtype its largest error and its bound, then its gravest verdict. A formula that
        is judged apart has its own columns.
    """
    columns: dict[str, dict[str, TensorReport]] = {}
    for dtype, tensors in (column for report in reports for column in _columns(report)):
        worst = columns.setdefault(dtype, {})
        worst |= {t.name: max(worst.get(t.name, t), t, key=_error) for t in tensors}
    head = ("tensor", "shape", *(text for dtype in columns for text in (dtype, "bound")), "verdict")
    found = [tensor for report in reports for tensor in report.tensors]
    rows = (_row(name, found, columns) for name in dict.fromkeys(tensor.name for tensor in found))
    return Table(head, tuple(rows), frozenset(range(2, len(head) - 1)))


def _columns(report: Report) -> Iterator[tuple[str, tuple[TensorReport, ...]]]:
    yield f"{report.dtype} ulp", report.tensors
    if report.formula:
        yield f"formula, {report.formula.dtype} ulp", report.formula.tensors


def _row(name: str, found: Sequence[TensorReport], columns: dict[str, dict[str, TensorReport]]) -> tuple[str, ...]:
    same = [tensor for tensor in found if tensor.name == name]
    worst = [tensors.get(name) for tensors in columns.values()]
    numbers = [text for t in worst for text in ((ulps(t.error_ulps), ulps(t.bound_ulps)) if t else ("", ""))]
    return label(name), shape_text(same[0].shape), *numbers, gravest(t.verdict for t in same)


def _error(tensor: TensorReport) -> float:
    return tensor.error_ulps if math.isfinite(tensor.error_ulps) else math.inf


# ---- the text --------------------------------------------------------------------------------------


def headline(report: Report) -> str:
    """Say in one line what was checked, and the verdict."""
    return f"{report.twin}  {report.dtype}  {report.route}  seed {report.seed}: {judgement(report)}"


def judgement(report: Report) -> str:
    """Say the verdict, and the side at fault if one is."""
    return f"{report.verdict}, blame: {report.blame}" if report.blame else str(report.verdict)


def failure_lines(report: Report) -> list[str]:
    """Say where each failing tensor is worst, the values of both sides there, why, and how to repeat it."""
    lines = _worst_lines(report)
    if report.where:
        lines.append(f"  {report.where}")
    if report.cause:
        lines.append(f"  likely cause: {report.cause}")
    if report.command and _loud(report):
        lines.append(f"  repeat: {report.command}")
    return lines


def numeric_lines(report: Report) -> list[str]:
    """Draw the source's numeric check: whose rule it is, a row for each tensor, and what the rule cannot do."""
    if not report.numeric:
        return []
    head = ("tensor", "numeric", "manual", "error", "result")
    rows = [
        (f"{label(r.name)}{list(r.index)}", f"{r.numeric:.6g}", f"{r.manual:.6g}", f"{r.error:.2g}",
         "pass" if r.passed else "fail")
        for r in report.numeric
    ]  # fmt: skip
    table = Table(head, tuple(rows), frozenset({1, 2, 3}))
    precision = report.numeric[0].precision
    return [
        f"Numeric check, the rule of document 002 (step 0.01, precision {precision:g}); it never changes the verdict:",
        *(f"  {line}" for line in table.lines()),
        f"  It cannot see errors below {precision:g}: small gradients pass even if they are wrong. It refuses right "
        "gradients where the loss is strongly curved.",
    ]


def _worst_lines(report: Report) -> list[str]:
    formula = report.formula
    if formula is None:
        return _first_few([_worst_line(report, tensor, "apart") for tensor in _loud(report)])
    wrong = {tensor.name: _worst_line(formula, tensor, "apart") for tensor in _loud(formula)}
    low = [t for t in _loud(report) if t.name not in wrong]
    lines = _first_few([_worst_line(report, tensor, "from the independent derivative") for tensor in low])
    head = f"  the formula, at the same point in {formula.dtype}:"
    return [*lines, head, *_first_few([*wrong.values()])] if wrong else lines


def _first_few(lines: list[str]) -> list[str]:
    """Keep the lines of the first tensors: a wrong step spoils all behind it, and the table has them."""
    left = len(lines) - MOST_EXPLAINED
    return lines if left <= 0 else [*lines[:MOST_EXPLAINED], f"  and {count(left, 'tensor')} more, in the table"]


def _loud(report: Report) -> list[TensorReport]:
    return [tensor for tensor in report.tensors if not tensor.verdict.is_quiet]


def _worst_line(report: Report, t: TensorReport, how: str) -> str:
    return (
        f"  {label(t.name)}{list(t.worst.index)}: {report._at_worst(t.worst)}; {ulps(t.error_ulps)} ulp {how}, "
        f"at most {ulps(t.bound_ulps)} allowed{_share(t)}"
    )


def _share(t: TensorReport) -> str:
    """Say how many entries are off, where not all are."""
    size = math.prod(t.shape)
    return f"; {t.beyond:,} of {size:,} entries are off" if 0 < t.beyond < size else ""


def label(name: str) -> str:
    """Name a tensor's row as the page does: a gradient `d<name>`; `loss` and `<value>` are values themselves."""
    if name == "loss":
        return name
    return name.replace("<", "").replace(">", "") if name.startswith("<") else f"d{name}"


def shape_text(shape: tuple[int, ...]) -> str:
    """Write a shape in brackets: [16, 7], and [] for a scalar."""
    return "[" + ", ".join(map(str, shape)) + "]"
