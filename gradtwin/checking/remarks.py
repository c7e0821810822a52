"""What a report says beside its numbers: how the manual code behaves, and what this point cannot show."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradtwin.backend.tensorflow_side import ReferenceRun
from gradtwin.core.plain import count
from gradtwin.core.report import Report
from gradtwin.core.verdicts import Blame, CauseId, Note, Verdict
from gradtwin.referee.evidence import ManualRun
from gradtwin.referee.inspection.hygiene import Inspection
from gradtwin.referee.inspection.operating_point import blind_spots
from gradtwin.referee.second_order import PropertyRow
from manual_grads import Params

PROPERTIES = {
    "hessian_vector": "Hessian-vector product",
    "symmetry": "symmetry of the Hessian",
    "forward_mode": "forward mode",
    "per_example": "per-example gradients",
}
"""What `second_order` checks, in words."""


def with_findings(report: Report, inspection: Inspection, reference: ReferenceRun, params: Params) -> Report:
    """Add what the inspection found; a fatal finding cannot be agreement.

    A gradient that is zero everywhere on both sides proves nothing: undecidable. Any other fatal finding on
    gradients that are otherwise right is a disagreement, and the manual side is to blame.
    """
    notes = tuple(Note(finding.id, finding.message) for finding in inspection.findings)
    report = replace(report, notes=report.notes + notes)
    fatal = next((finding for finding in inspection.findings if finding.fatal), None)
    if fatal is None or not Verdict(report.verdict).is_right:
        return report
    if fatal.id == CauseId.ZERO_GRADIENT and _all_zero(reference, params):
        return replace(report, verdict=Verdict.UNDECIDABLE, cause=fatal.message, cause_id=CauseId(fatal.id))
    return replace(
        report,
        verdict=Verdict.DISAGREE,
        blame=Blame.MANUAL,
        first_wrong=report.first_wrong or fatal.tensor,
        cause=fatal.message,
        cause_id=CauseId(fatal.id),
    )


def method_of(witness: str) -> str:
    """Name the method of a witness for the reader."""
    return f"{witness}' finite differences" if witness == "Ridders" else witness


def _all_zero(reference: ReferenceRun, params: Params) -> bool:
    gradients = [reference.gradients.get(name) for name in params]
    return not any(np.any(gradient) for gradient in gradients if gradient is not None)


def with_blind_spots(report: Report, params: Params, batch: Params, manual: ManualRun) -> Report:
    """Say which faults this point cannot show, and how to get a point that can."""
    gradients = {name: np.asarray(gradient) for name, gradient in manual.gradients.items()}
    spots = blind_spots(params, batch, manual.cache, gradients)
    notes = [Note(spot.id, f"This point cannot show: {spot.message}") for spot in spots]
    if spots:
        names = ", ".join(f"{name!r}: {name}" for name in batch)
        call = f"params, batch = gradtwin.better_point(params, {{{names}}}, rng)"
        notes.append(Note("better_point", f"To get a better test point: {call}"))
    return replace(report, notes=(*report.notes, *notes))


def with_second_order(report: Report, rows: Sequence[PropertyRow]) -> Report:
    """Add what second derivatives, forward mode and single examples say; one that fails is a disagreement."""
    failed = [row for row in rows if not row.ok]
    if not failed:
        names = [name for id, name in PROPERTIES.items() if any(row.property == id for row in rows)]
        passed = Note("thorough", f"Also passed: {', '.join(names)} ({count(len(rows), 'test')}).")
        return replace(report, notes=(*report.notes, passed))
    notes = tuple(
        Note(
            row.property,
            f"{PROPERTIES[row.property]} ({row.tensor}): off by {row.error:.3g}; at most {row.bound:.3g} is allowed.",
        )
        for row in failed
    )
    verdict = Verdict.DISAGREE if Verdict(report.verdict).is_right else report.verdict
    cause, cause_id = (report.cause, report.cause_id) if report.cause else (notes[0], CauseId.SECOND_ORDER)
    return replace(report, verdict=verdict, cause=cause, cause_id=cause_id, notes=report.notes + notes)
