"""Report: what comes of comparing two sides."""

import math
from dataclasses import dataclass, field
from typing import Any

from gradtwin.core.errors import Disagreement
from gradtwin.core.notebook import ShownInNotebooks


@dataclass(frozen=True)
class Worst:
    """The entry with the largest error: its index, and what each side (and a witness) says there."""

    index: tuple[int, ...]
    manual: float
    reference: float
    witness: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give plain numbers and lists."""
        return {"index": list(self.index), "manual": self.manual, "reference": self.reference, "witness": self.witness}


@dataclass(frozen=True)
class TensorReport:
    """One tensor's gradient on both sides.

    `error_ulps` is the largest difference, `bound_ulps` the largest allowed one, both in units of the last
    place of `scale`, the magnitude the gradient's rounding is measured at. `beyond` counts the entries that are
    more than 64 ulp apart.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    verdict: str
    error_ulps: float
    bound_ulps: float
    worst: Worst
    scale: float = 0.0
    beyond: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Give the tensor's row as plain data."""
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
class Report(ShownInNotebooks):
    """The outcome of a check.

    Attributes:
        verdict: "agree", "rounding", "kink", "disagree" or "undecidable".
        blame: None, "manual", "reference" or "forward" (the two losses differ).
        cause: the likely cause in one line, or None; `cause_id` its word in the referee's vocabulary.
        first_wrong: the first tensor, from the loss backwards, whose own step is wrong; `where` says it.
        tensors: one row a tensor, the loss first, then the gradients from the loss backwards.
        command: the command line that repeats the check.
        notes: what else the reader should know.
        kinks: "any" accepts every subgradient at a kink, "reference" only TensorFlow's.
        formula: of a check in bfloat16 or float16 the report of the same two sides in float64 at the same point,
            which judges the formula; `tensors` are then each side's distance from it, in ulp of the dtype.
        device: the device TensorFlow computed the reference on, where one was asked for.
    """

    twin: str
    dtype: str
    route: str
    seed: int
    verdict: str
    tensors: tuple[TensorReport, ...]
    blame: str | None = None
    cause: str | None = None
    cause_id: str | None = None
    first_wrong: str | None = None
    where: str = ""
    command: str = ""
    notes: tuple[str, ...] = field(default=())
    kinks: str = "any"
    formula: "Report | None" = None
    device: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether the hand gradient may be trusted at this point.

        `rounding` passes with its warning; a `kink` passes where any convention is accepted. A formula that is
        judged apart must agree by itself.
        """
        if self.formula is not None and not self.formula.agrees:
            return False
        return self.verdict in ("agree", "rounding") or (self.verdict == "kink" and self.kinks == "any")

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain data, ready for JSON."""
        judged_apart = {"formula": self.formula.to_dict()} if self.formula else {}
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
        }

    def raise_for_disagreement(self) -> None:
        """Raise `Disagreement`, with the report as its text, unless the sides agree."""
        if not self.agrees:
            raise Disagreement(str(self))

    def __str__(self) -> str:
        return "\n".join([_headline(self), *_table(self), *failure_lines(self), *self.notes])


def _headline(report: Report) -> str:
    blame = f", blame: {report.blame}" if report.blame else ""
    return f"{report.twin}  {report.dtype}  {report.route}  seed {report.seed}: {report.verdict}{blame}"


def _table(report: Report) -> list[str]:
    width = max(len("tensor"), *(len(label(t.name)) for t in report.tensors)) if report.tensors else 6
    column, unit, wide = "", "ulp", {}
    if report.formula:
        column, unit = f" {'formula':>10}", f"ulp; formula: error in ulp of {report.formula.dtype}"
        wide = {t.name: f" {t.error_ulps:>10.3g}" for t in report.formula.tensors}
    header = f"  {'tensor':<{width}}  {'shape':<12} {'error':>10} {'bound':>10}{column}  verdict"
    rows = [
        f"  {label(t.name):<{width}}  {shape_text(t.shape):<12} {t.error_ulps:>10.3g} {t.bound_ulps:>10.3g}"
        f"{wide.get(t.name, '')}  {t.verdict}"
        for t in report.tensors
    ]
    return [header + f"   (error and bound in {unit})", *rows]


def failure_lines(report: Report) -> list[str]:
    """Say where each failing tensor is worst, what both sides have there, why, and how to see it again."""
    bad = [t for t in report.tensors if t.verdict not in ("agree", "kink")]
    of_formula = _formula_lines(report.formula) if report.formula else {}
    lines = [_worst_line(t, "from the witness" if report.formula else "apart") for t in bad if t.name not in of_formula]
    if of_formula and report.formula:
        lines += [f"  the formula, at the same point in {report.formula.dtype}:", *of_formula.values()]
    if report.where:
        lines.append(f"  {report.where}")
    if report.cause:
        lines.append(f"  likely cause: {report.cause}")
    if bad and report.command:
        lines.append(f"  repeat: {report.command}")
    return lines


def _formula_lines(formula: Report) -> dict[str, str]:
    """Say by tensor what is wrong with a formula that was judged in a wider format."""
    return {t.name: _worst_line(t) for t in formula.tensors if t.verdict not in ("agree", "kink")}


def _worst_line(t: TensorReport, how: str = "apart") -> str:
    witness = f", witness {t.worst.witness!r}" if t.worst.witness is not None else ""
    return (
        f"  {label(t.name)}{list(t.worst.index)}: manual {t.worst.manual!r}, TensorFlow {t.worst.reference!r}{witness}"
        f"; {t.error_ulps:.3g} ulp {how}, at most {t.bound_ulps:.3g} allowed{_share(t)}"
    )


def _share(t: TensorReport) -> str:
    """Say how many entries are off, where not all are."""
    size = math.prod(t.shape)
    return f"; {t.beyond:,} of {size:,} entries are off" if 0 < t.beyond < size else ""


def label(name: str) -> str:
    """Write a tensor's row as the page writes it: the loss as `loss`, a gradient as `d<name>`."""
    return name if name == "loss" else f"d{name}"


def shape_text(shape: tuple[int, ...]) -> str:
    """Write a shape in brackets: [16, 7], and [] for a scalar."""
    return "[" + ", ".join(map(str, shape)) + "]"
