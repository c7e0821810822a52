"""The score: how many planted faults the check sees, and how often it names the tensor and the cause.

A fault is caught when the check refuses to run it (the side raises, or a gradient has a wrong shape) or when its
verdict is neither `agree` nor `rounding`. A `kink` verdict is caught: the report shows the difference and calls
it a convention.

The cause counts over the faults for which the vocabulary has a word and which came to a verdict; a wrong cause
counts over all that came to one.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtwin.backend.differentiation import answers_remembered
from gradtwin.checking.check import check
from gradtwin.core.errors import InputError
from gradtwin.core.report import Report
from gradtwin.faults.catalogue import PlantedFault, planted, small
from gradtwin.twins.twin import Twin

MISSED = ("agree", "rounding")
REFUSED = "refused"


@dataclass(frozen=True)
class FaultRow:
    """What the check said about one planted fault.

    Attributes:
        fault: the fault's id.
        twin: the twin it was planted in.
        tensor: the tensor whose step is wrong.
        expected: the cause it stands for.
        half: 1 or 2.
        line: the source before and after.
        verdict: the check's verdict, or "refused".
        caught: whether the fault was seen.
        named_tensor: whether the check pointed to that tensor first.
        named_cause: whether the check named that cause; for a fault without a word, whether it claimed none.
        wrong_cause: whether it claimed another.
        claimed_tensor: what the check pointed to.
        claimed_cause: the cause's id, None for "unknown".
        text: the cause as the report words it, or the line it was refused with.
    """

    fault: str
    twin: str
    tensor: str
    expected: str
    half: int
    line: str
    verdict: str
    caught: bool
    named_tensor: bool
    named_cause: bool
    wrong_cause: bool
    claimed_tensor: str | None
    claimed_cause: str | None
    text: str

    @property
    def nameable(self) -> bool:
        """Whether the vocabulary has a word for it, and the check came to a verdict."""
        return self.expected != "unknown" and self.verdict != REFUSED

    def to_dict(self) -> dict[str, Any]:
        """Give the row as plain data."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Tally:
    """The rows of a score, added up."""

    faults: int
    caught: int
    refused: int
    judged: int
    tensor_named: int
    nameable: int
    cause_named: int
    wrong_cause: int


def score(
    twins: Iterable[Twin], sample: int | None = None, half: int | None = None, dtype: str = "float64"
) -> list[FaultRow]:
    """Check every planted fault of the twins.

    Args:
        twins: whose faults; a large network is broken and checked in small widths.
        sample: about how many faults a twin, evenly spread over its source; all of them if None.
        half: only the faults of half 1 or of half 2.
        dtype: what the checks compute in.

    Returns:
        A row for each fault.
    """
    return list(score_each(twins, sample, half, dtype))


def score_each(
    twins: Iterable[Twin], sample: int | None = None, half: int | None = None, dtype: str = "float64"
) -> Iterator[FaultRow]:
    """Give the rows of `score` one after the other, as they are done."""
    for twin in map(small, twins):
        faults = [fault for fault in planted(twin) if half in (None, fault.half)]
        with answers_remembered():
            yield from (judge(fault, twin, dtype) for fault in spread(faults, sample))


def spread(faults: Sequence[PlantedFault], sample: int | None) -> list[PlantedFault]:
    """Take `sample` of the faults at even distances, all if there are no more than that."""
    if sample is None or sample >= len(faults):
        return list(faults)
    return [faults[i * len(faults) // sample] for i in range(sample)]


def judge(fault: PlantedFault, twin: Twin, dtype: str = "float64") -> FaultRow:
    """Check one planted fault by the tape."""
    try:
        with np.errstate(all="ignore"):
            return _row_of_report(fault, check(fault.planted_in(twin), dtype=dtype))
    except InputError as error:
        return _row_of_refusal(fault, str(error))


def _row_of_report(fault: PlantedFault, report: Report) -> FaultRow:
    tensor = _claimed_tensor(report)
    cause = _claimed_cause(report)
    right = {fault.cause, *fault.also}
    return _row(
        fault,
        verdict=report.verdict,
        caught=report.verdict not in MISSED,
        named_tensor=tensor == fault.tensor,
        named_cause=(cause or "unknown") in right,
        wrong_cause=cause is not None and cause not in right,
        claimed_tensor=tensor,
        claimed_cause=cause,
        text=report.cause or "",
    )


def _row_of_refusal(fault: PlantedFault, message: str) -> FaultRow:
    named = re.search(rf"\b{re.escape(fault.tensor)}\b", message) is not None
    return _row(
        fault, verdict=REFUSED, caught=True, named_tensor=named, named_cause=False, wrong_cause=False,
        claimed_tensor=fault.tensor if named else None, claimed_cause=None, text=message,
    )  # fmt: skip


def _row(fault: PlantedFault, **found: Any) -> FaultRow:
    known: dict[str, Any] = {"twin": fault.twin, "tensor": fault.tensor, "expected": fault.cause}
    return FaultRow(fault=fault.id, half=fault.half, line=fault.line, **known, **found)


def _claimed_tensor(report: Report) -> str | None:
    """Say what the report points to: its first wrong step, else its first row that does not agree."""
    first = getattr(report, "first_wrong", None)
    return first or next((row.name for row in report.tensors if row.verdict != "agree"), None)


def _claimed_cause(report: Report) -> str | None:
    cause = getattr(report, "cause_id", None)
    if cause is None and report.verdict == "kink":
        return "kink_convention"
    return None if cause == "unknown" else cause


def tally(rows: Sequence[FaultRow]) -> Tally:
    """Add the rows up."""
    judged = [row for row in rows if row.verdict != REFUSED]
    nameable = [row for row in rows if row.nameable]
    return Tally(
        faults=len(rows),
        caught=sum(row.caught for row in rows),
        refused=len(rows) - len(judged),
        judged=len(judged),
        tensor_named=sum(row.named_tensor for row in judged),
        nameable=len(nameable),
        cause_named=sum(row.named_cause for row in nameable),
        wrong_cause=sum(row.wrong_cause for row in judged),
    )
