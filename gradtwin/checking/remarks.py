"""What the numbers alone do not tell: how the hand code behaves, and what this point could not show."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradtwin.backend.tensorflow_side import ReferenceRun
from gradtwin.core.report import Report
from gradtwin.referee.evidence import ManualRun
from gradtwin.referee.inspection.hygiene import Inspection
from gradtwin.referee.inspection.operating_point import blind_spots
from gradtwin.referee.second_order import PropertyRow
from manual_grads import Params


def with_findings(report: Report, inspection: Inspection, reference: ReferenceRun, params: Params) -> Report:
    """Add what the inspection found; a fatal finding cannot be agreement.

    A gradient that is zero everywhere on both sides proves nothing: undecidable. Any other fatal finding on
    gradients that are otherwise right is a disagreement, and the hand's.
    """
    notes = tuple(finding.message for finding in inspection.findings)
    report = replace(report, notes=report.notes + notes)
    fatal = next((finding for finding in inspection.findings if finding.fatal), None)
    if fatal is None or report.verdict not in ("agree", "rounding", "kink"):
        return report
    if fatal.id == "zero_gradient" and _all_zero(reference, params):
        return replace(report, verdict="undecidable", cause=fatal.message, cause_id=fatal.id)
    return replace(
        report,
        verdict="disagree",
        blame="manual",
        first_wrong=report.first_wrong or fatal.tensor,
        cause=fatal.message,
        cause_id=fatal.id,
    )


def _all_zero(reference: ReferenceRun, params: Params) -> bool:
    gradients = [reference.gradients.get(name) for name in params]
    return not any(np.any(gradient) for gradient in gradients if gradient is not None)


def with_blind_spots(report: Report, params: Params, batch: Params, manual: ManualRun) -> Report:
    """Say which faults this point could not have shown, and where to get one that can."""
    gradients = {name: np.asarray(gradient) for name, gradient in manual.gradients.items()}
    spots = blind_spots(params, batch, manual.cache, gradients)
    notes = [f"This point cannot show: {spot.message}" for spot in spots]
    if spots:
        names = ", ".join(f"{name!r}: {name}" for name in batch)
        notes.append(f"A point that can: params, batch = gradtwin.better_point(params, {{{names}}}, rng)")
    return replace(report, notes=(*report.notes, *notes))


def with_second_order(report: Report, rows: Sequence[PropertyRow]) -> Report:
    """Add what second derivatives, forward mode and single examples say; one that fails is a disagreement."""
    failed = [row for row in rows if not row.ok]
    names = sorted({row.property.replace("_", " ") for row in rows})
    if not failed:
        return replace(report, notes=(*report.notes, f"Thorough: {', '.join(names)} hold too ({len(rows)} rows)."))
    notes = tuple(
        f"Thorough: {row.property.replace('_', ' ')} of {row.tensor} is off by {row.error:.3g}, "
        f"at most {row.bound:.3g} allowed."
        for row in failed
    )
    verdict = "disagree" if report.verdict in ("agree", "rounding", "kink") else report.verdict
    return replace(report, verdict=verdict, cause=report.cause or notes[0], notes=report.notes + notes)
