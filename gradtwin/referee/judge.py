"""The judgement: does each tensor agree, were digits lost, is it a kink, or is a formula wrong, and whose.

Most tensors are settled at once, by `AGREE_ULPS`. For the others the two sides are asked again:

1. The hand-written code runs in long double. Its distance from its own float64 (or float32) value is the
   hand's rounding; TensorFlow's distance from it is TensorFlow's rounding, if the hand's formula is right.
2. A kink? Both sides are run at points around this one. Where they agree there, and both values here lie
   between what the gradient is on the sides of the kink, the difference is a convention.
3. Where TensorFlow is further off than the hand's rounding explains, a witness differentiates the
   hand-written forward at the worst entries (complex step, or Ridders). Two against one decides.
4. When it is TensorFlow that is off: by rounding, if both sides agree at tame points of the same network,
   where no unit saturates; by a wrong formula otherwise. (That the error shrinks from float32 to float64
   would not do: where units saturate both precisions lose everything.)
5. An intermediate cannot be moved by itself; it is judged as the parameters and inputs behind it were, or,
   where those agree, by the tame points.
6. Digits lost to a cancellation that no order of summation avoids are nobody's fault: within `AGREE_ULPS`
   of the gradient's largest summand the two sides agree.
"""

from dataclasses import dataclass, replace

import numpy as np

from gradtwin.backend.tensorflow_side import ReferenceRun
from gradtwin.core.comparison import compare, entries_beyond, largest_entries
from gradtwin.core.report import TensorReport, Worst
from gradtwin.core.tolerance import AGREE_ULPS, scale_of, ulp, ulps_apart
from gradtwin.core.verdicts import Blame, Note, Verdict
from gradtwin.referee.evidence import Evidence, ManualRun
from manual_grads import Array

COMPARABLE = 16.0   # two roundings of one formula differ by less than this factor
NEGLIGIBLE = 2.0**-12  # beside a difference at a kink, what the sides may differ by around it
TAME = 2.0**14      # ulp two right sides may be apart at a tame point (4e-12), cancellations included
ENTRIES = 6         # how many of a tensor's worst entries a witness is asked about
MOST_AT_A_KINK = 2**20  # of a very large tensor; where more differ, it is no kink


@dataclass(frozen=True)
class Ruling:
    """One tensor's judgement, with the side to blame and what the referee has to say about it."""

    row: TensorReport
    blame: Blame | None = None
    note: Note | None = None


def judge(
    evidence: Evidence, manual: ManualRun, reference: ReferenceRun, *, ask_about_all: bool = False
) -> list[Ruling]:
    """Judge the loss, then every gradient.

    Args:
        evidence: the two sides and the point.
        manual: the hand's run there.
        reference: TensorFlow's.
        ask_about_all: ask a witness about tensors on which the sides agree, too: a mistake made twice is
            invisible to a comparison.

    Returns:
        The rulings: the loss first, then the gradients in their order.
    """
    loss = _judge_loss(evidence, np.asarray(manual.loss), reference.loss)
    if loss.row.verdict == Verdict.DISAGREE:
        return [loss, *(_quick(name, manual, reference) for name in evidence.names)]
    rulings = {name: _quick(name, manual, reference) for name in evidence.names}
    # Parameters and inputs first: a witness can be asked about them, and intermediates follow their verdict.
    for name in sorted(evidence.names, key=lambda name: name not in evidence.point):
        if rulings[name].row.verdict != Verdict.AGREE:
            rulings[name] = _look_into(evidence, rulings[name], manual, reference, rulings)
        elif ask_about_all:
            rulings[name] = _confirmed_by_witness(evidence, rulings[name], np.asarray(manual.gradients[name]))
    return [loss, *(rulings[name] for name in evidence.names)]


def _confirmed_by_witness(evidence: Evidence, ruling: Ruling, hand: Array) -> Ruling:
    """Ask the complex step about the largest entry of a tensor on which the sides agree."""
    row = ruling.row
    index = tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(hand)), hand.shape))
    testimony = evidence.testify(row.name, index)
    if testimony is None or testimony.witness != "complex step":
        return ruling
    worst = Worst(index, float(hand[index]), float(hand[index]), testimony.value)
    slack = 4 * testimony.uncertainty + COMPARABLE * AGREE_ULPS * ulp(row.scale, evidence.dtype)
    if abs(worst.manual - testimony.value) <= slack:
        return ruling
    text = f"d{row.name}: both sides agree on a value that the complex step of the forward contradicts."
    return Ruling(replace(row, verdict=Verdict.DISAGREE, worst=worst), None, Note("both_contradicted", text))


def _judge_loss(evidence: Evidence, manual: Array, reference: Array) -> Ruling:
    row = _row("loss", manual, reference, evidence.dtype)
    if row.verdict in (Verdict.AGREE, Verdict.UNDECIDABLE):
        return _judge_lost_loss(evidence, row, manual) if row.verdict == Verdict.UNDECIDABLE else Ruling(row)
    size, noise = evidence.loss_scales
    unit = max(ulp(size, evidence.dtype), noise)
    bound = AGREE_ULPS * unit / ulp(scale_of(manual, reference), evidence.dtype)
    if row.error_ulps <= bound:
        return Ruling(replace(row, verdict=Verdict.AGREE, bound_ulps=bound))
    note = Note("losses_differ", "The two losses differ, so their gradients are not comparable.")
    return Ruling(row, Blame.FORWARD, note)


def _judge_lost_loss(evidence: Evidence, row: TensorReport, manual: Array) -> Ruling:
    """A loss that is not finite: TensorFlow's, where its other precision confirms the hand's finite value."""
    other = evidence.other_reference.loss
    if np.isfinite(manual) and np.isfinite(other) and np.isclose(float(manual), float(other), rtol=1e-3):
        text = f"TensorFlow's loss is not finite in {evidence.dtype}; in the other precision it is {float(other)!r}."
        note = Note("reference_loss_not_finite", text)
        return Ruling(replace(row, verdict=Verdict.ROUNDING), Blame.REFERENCE, note)
    blame = Blame.FORWARD if np.isfinite(manual) else Blame.MANUAL
    return Ruling(row, blame, Note("loss_not_finite", "A loss is not finite."))


def _quick(name: str, manual: ManualRun, reference: ReferenceRun) -> Ruling:
    hand = np.asarray(manual.gradients[name])
    theirs = reference.gradients[name]
    note = None if theirs is not None else Note("independent_of", f"TensorFlow's loss does not depend on {name}.")
    row = _row(name, hand, np.zeros_like(hand) if theirs is None else theirs, str(hand.dtype))
    return Ruling(row, None, note)


def _row(name: str, manual: Array, reference: Array, dtype: str) -> TensorReport:
    """Compare one tensor by the quick rule: at most 64 ulp of its largest magnitude."""
    found = compare(manual, reference, dtype)
    verdict = Verdict.AGREE if found.error_ulps <= AGREE_ULPS else Verdict.DISAGREE
    verdict = verdict if found.finite else Verdict.UNDECIDABLE
    worst = Worst(found.index, float(manual[found.index]), float(reference[found.index]))
    return TensorReport(
        name, manual.shape, dtype, verdict, found.error_ulps, AGREE_ULPS, worst, found.scale, found.beyond
    )


def _look_into(
    evidence: Evidence, ruling: Ruling, manual: ManualRun, reference: ReferenceRun, others: dict[str, Ruling]
) -> Ruling:
    """Ask further about a tensor that the quick rule did not settle."""
    name, row = ruling.row.name, ruling.row
    hand = np.asarray(manual.gradients[name])
    theirs = reference.gradients[name]
    theirs = np.zeros_like(hand) if theirs is None else theirs
    if not np.isfinite(hand).all():
        blame = Blame.MANUAL if np.isfinite(theirs).all() else None
        return Ruling(row, blame, Note("not_finite", f"d{name} by hand is not finite."))
    extended = hand if evidence.extended is None else np.asarray(evidence.extended.gradients[name])
    scale = scale_of(hand, theirs)
    noise = compare(hand, extended, evidence.dtype, scale=scale).error_ulps
    theirs_off = ulps_apart(theirs, extended, evidence.dtype, scale=scale)
    if theirs_off.max() <= AGREE_ULPS:
        if noise <= AGREE_ULPS:  # both are near the long double's value, on opposite sides of it
            return Ruling(replace(row, verdict=Verdict.AGREE, bound_ulps=2 * AGREE_ULPS))
        return _lost(evidence, row, noise, None if noise <= _carried_ulps(evidence, row) else Blame.MANUAL)
    if theirs_off.max() <= COMPARABLE * noise:
        row, blame = _farther_from_witness(evidence, row)
        return _lost(evidence, row, row.error_ulps, blame)
    if np.isfinite(theirs).all() and is_kink(evidence, name, hand, theirs):
        note = Note("kink", f"d{name} differs at a kink only: a convention.")
        return Ruling(replace(row, verdict=Verdict.KINK), None, note)
    return _two_against_one(evidence, row, extended, theirs, theirs_off, others)


def _carried_ulps(evidence: Evidence, row: TensorReport) -> float:
    """Give the ulp that one rounding of the point moves the gradient by; digits lost so are nobody's fault."""
    return evidence.carried.get(row.name, 0.0) / ulp(row.scale, evidence.dtype)


def _lost(evidence: Evidence, row: TensorReport, ulps: float, blame: Blame | None) -> Ruling:
    """Rule that digits were lost, unless no more went than the largest summand's rounding takes."""
    if _within_summands(evidence, row):
        return Ruling(replace(row, verdict=Verdict.AGREE, bound_ulps=_summand_bound(evidence, row)))
    side = {Blame.MANUAL: "the hand-written code", Blame.REFERENCE: "TensorFlow", None: "each side"}[blame]
    amount = f"about {np.log10(max(ulps, 10.0)):.0f} digits" if np.isfinite(ulps) else "all digits"
    note = Note("lost_digits", f"d{row.name}: {side} lost {amount} to rounding.")
    return Ruling(replace(row, verdict=Verdict.ROUNDING), blame, note)


def _farther_from_witness(evidence: Evidence, row: TensorReport) -> tuple[TensorReport, Blame | None]:
    """Where both sides may have lost digits, say who lost clearly more at the worst entry, if a witness can."""
    testimony = evidence.testify(row.name, row.worst.index)
    if testimony is None:
        return row, None
    ours, theirs = (abs(value - testimony.value) for value in (row.worst.manual, row.worst.reference))
    row = replace(row, worst=replace(row.worst, witness=testimony.value))
    if max(ours, theirs) <= 4 * testimony.uncertainty:
        return row, None
    if ours > COMPARABLE * theirs:
        return row, Blame.MANUAL
    return row, Blame.REFERENCE if theirs > COMPARABLE * ours else None


def _within_summands(evidence: Evidence, row: TensorReport) -> bool:
    """Whether the difference is no more than rounding at the largest summand."""
    return row.error_ulps <= _summand_bound(evidence, row)


def _summand_bound(evidence: Evidence, row: TensorReport) -> float:
    return AGREE_ULPS * max(1.0, evidence.largest_summands.get(row.name, 0.0) / row.scale)


def _two_against_one(
    evidence: Evidence, row: TensorReport, ours: Array, theirs: Array, apart: Array, others: dict[str, Ruling]
) -> Ruling:
    """Let witnesses decide between the hand's formula (in extended precision) and TensorFlow."""
    flagged = largest_entries(apart, ENTRIES)
    votes, worst = [], row.worst
    for flat in flagged:
        index = tuple(int(i) for i in np.unravel_index(flat, apart.shape))
        if apart[index] <= AGREE_ULPS:
            break
        testimony = evidence.testify(row.name, index)
        if testimony is None:
            break
        votes.append(_vote(float(ours[index]), float(theirs[index]), testimony.value, testimony.uncertainty))
        if index == worst.index and votes[-1] != "unsure":
            worst = replace(worst, witness=testimony.value)
        if votes[-1] == "manual":
            break
    row = replace(row, worst=worst)
    if "manual" in votes:
        return Ruling(replace(row, verdict=Verdict.DISAGREE), Blame.MANUAL)
    if votes and set(votes) == {"reference"}:
        return _blame_reference(evidence, row, apart)
    if "neither" in votes:
        note = Note("neither_side", f"The witness supports neither side on d{row.name}.")
        return Ruling(replace(row, verdict=Verdict.DISAGREE), None, note)
    return _judge_without_witness(evidence, row, apart, others)


def _vote(ours: float, theirs: float, witness: float, uncertainty: float) -> str:
    """Say which value a witness contradicts: "manual", "reference", "neither" supported, or "unsure"."""
    gap = abs(ours - theirs) if np.isfinite(theirs) else np.inf
    slack = max(uncertainty, 1e-3 * gap if np.isfinite(gap) else 0.0, np.spacing(abs(witness)))
    if uncertainty > gap / 4:
        return "unsure"
    ours_right, theirs_right = abs(ours - witness) <= 4 * slack, abs(theirs - witness) <= 4 * slack
    return {(True, False): "reference", (False, True): "manual", (False, False): "neither"}.get(
        (ours_right, theirs_right), "unsure"
    )


def _blame_reference(evidence: Evidence, row: TensorReport, apart: Array) -> Ruling:
    """TensorFlow is off: by rounding if both sides agree where nothing saturates, else by its formula."""
    if _within_summands(evidence, row) or _right_elsewhere(evidence, row.name):
        return _lost(evidence, row, float(apart.max()), Blame.REFERENCE)
    return Ruling(replace(row, verdict=Verdict.DISAGREE), Blame.REFERENCE)


def _right_elsewhere(evidence: Evidence, name: str) -> bool:
    """Whether the two sides agree on a tensor at the tame points."""
    for manual, reference in evidence.companions:
        theirs = reference.gradients[name]
        if theirs is None or compare(manual.gradients[name], theirs, "float64").error_ulps > TAME:
            return False
    return True


def _close_elsewhere(evidence: Evidence, name: str) -> bool:
    """Whether the two sides agree at the tame points within what rounding does to the hand's value there.

    No witness can be asked about an intermediate, so it is held to the closest bound there is.
    """
    for (manual, reference), noise in zip(evidence.companions, evidence.tame_noise, strict=True):
        theirs = reference.gradients[name]
        bound = min(TAME, AGREE_ULPS + COMPARABLE * noise[name])
        if theirs is None or compare(manual.gradients[name], theirs, "float64").error_ulps > bound:
            return False
    return True


def _judge_without_witness(
    evidence: Evidence, row: TensorReport, apart: Array, others: dict[str, Ruling]
) -> Ruling:
    """Judge an intermediate, or a tensor whose witnesses are unsure."""
    witnessed = [r for name, r in others.items() if name in evidence.point]
    # Digits lost by the hand elsewhere say nothing about its formula here; a wrong formula does.
    if any(r.blame == Blame.MANUAL and r.row.verdict not in (Verdict.AGREE, Verdict.ROUNDING) for r in witnessed):
        return Ruling(replace(row, verdict=Verdict.DISAGREE), Blame.MANUAL)
    if _is_silent_elsewhere(evidence, row) and all(r.row.verdict == Verdict.AGREE for r in witnessed):
        return Ruling(replace(row, verdict=Verdict.DISAGREE), Blame.MANUAL)
    close = _right_elsewhere if row.name in evidence.point else _close_elsewhere
    if close(evidence, row.name):
        return _lost(evidence, row, float(apart.max()), Blame.REFERENCE)
    if row.name in evidence.point:
        note = Note("no_witness", f"No witness applies to d{row.name}.")
        return Ruling(replace(row, verdict=Verdict.UNDECIDABLE), None, note)
    return Ruling(replace(row, verdict=Verdict.DISAGREE), Blame.MANUAL)


def _is_silent_elsewhere(evidence: Evidence, row: TensorReport) -> bool:
    """Whether the worst entry is zero at all tame points, behind a dead unit, so that they say nothing about it.

    Digits that TensorFlow had lost in an intermediate would then still show in the parameters it feeds.
    """
    return all(manual.gradients[row.name][row.worst.index] == 0 for manual, _ in evidence.companions)


def is_kink(evidence: Evidence, name: str, ours: Array, theirs: Array) -> bool:
    """Whether two values differ only by the choice of a subgradient at a kink.

    Around the point both sides agree; the hand's gradient jumps there by about as much as the two values
    differ, a jump that is no lower when the neighbours come a hundred times nearer; and neither value lies
    outside its range.
    """
    flagged = entries_beyond(ours, theirs, AGREE_ULPS * ulp(scale_of(ours, theirs), evidence.dtype))
    if evidence.is_large and flagged.size > MOST_AT_A_KINK:
        return False
    here, there = (np.ravel(side)[flagged].astype(np.float64) for side in (ours, theirs))
    gap = np.abs(here - there)
    far, near = [], []
    try:
        for (ours_far, ours_near), reference in evidence.neighbours():
            both = np.asarray(ours_far.gradients[name], np.float64), reference.gradients[name]
            if both[1] is None:
                return False
            found = compare(both[0], both[1], "float64")
            apart, unit = found.error_ulps * ulp(found.scale, "float64"), ulp(scale_of(both[0]), "float64")
            if not apart <= max(AGREE_ULPS * unit, NEGLIGIBLE * gap.max()):
                return False
            far.append(np.ravel(both[0])[flagged])
            near.append(np.ravel(ours_near.gradients[name])[flagged])
    except Exception:
        return False
    return _is_step(np.stack(far), np.stack(near), here, there)


def _is_step(far: Array, near: Array, ours: Array, theirs: Array) -> bool:
    """Whether every entry jumps by about its gap, both values within the jump, and no lower nearer by.

    Args:
        far: the hand's gradient around the point [directions, entries].
        near: the same a hundred times nearer.
        ours: the hand's values at the point [entries].
        theirs: TensorFlow's.
    """
    low, high = far.min(axis=0), far.max(axis=0)
    jump, gap = high - low, np.abs(ours - theirs)
    inside = [(low - 4 * jump <= v) & (v <= high + 4 * jump) for v in (ours, theirs)]
    return bool(np.all((jump >= gap / 8) & (np.abs(far - near).max(axis=0) <= jump / 8) & inside[0] & inside[1]))
