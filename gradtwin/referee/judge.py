"""The judgement: does each tensor agree, were digits lost, is it a kink, or is a formula wrong, and whose.

Most tensors are settled at once: they are at most `AGREE_ULPS` apart. Of the others the rules in `RULES` are asked in
their order, and the first one that applies decides:

1. The manual code runs in long double. Its distance from its own float64 (or float32) value is the manual side's
   rounding; TensorFlow's distance from it is the reference's rounding, if the manual formula is right.
2. A kink? Both sides run at points around this one. Where they agree there, and both values here lie between what
   the gradient is on the sides of the kink, the difference is a convention.
3. Where the reference is further off than the manual side's rounding explains, a witness differentiates the manual
   forward at the worst entries (complex step, or Ridders). Two against one decides.
4. If it is the reference that is off: by rounding, if both sides agree at tame points of the same network, where no
   unit saturates; by a wrong formula otherwise. (That the error shrinks from float32 to float64 would not do: where
   units saturate both precisions lose everything.)

An intermediate cannot be moved by itself. What the rules leave open is judged last, by `OPEN_RULES`, as the parameters
and inputs behind it were, or, where those agree, by the tame points. Digits lost to a cancellation that no order of
summation avoids are nobody's fault: within `AGREE_ULPS` of the gradient's largest summand the two sides agree.
"""

import functools
from collections.abc import Callable, Sequence
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

# A ruling without a side to blame, and why there is none.
NOBODY = None       # nothing is wrong
EACH_SIDE = None    # both lost digits, or what was lost no code could keep
UNKNOWN_SIDE = None  # a formula is wrong, and no independent derivative says whose


@dataclass(frozen=True)
class Ruling:
    """One tensor's judgement.

    Attributes:
        row: the tensor's row with its verdict.
        blame: the side at fault; None where there is none, or none can be told.
        note: what the reader should know of it.
        witness: the witness that was asked about it last.
    """

    row: TensorReport
    blame: Blame | None = None
    note: Note | None = None
    witness: str | None = None


def judge(
    evidence: Evidence, manual: ManualRun, reference: ReferenceRun, *, ask_about_all: bool = False
) -> list[Ruling]:
    """Judge the loss, then every gradient.

    Args:
        evidence: the two sides and the point.
        manual: the manual side's run there.
        reference: the reference's.
        ask_about_all: ask a witness about tensors on which the sides agree, too: a mistake made twice is
            invisible to a comparison.

    Returns:
        The rulings: the loss first, then the gradients in their order.
    """
    loss = _judge_loss(evidence, np.asarray(manual.loss), reference.loss)
    rulings = {name: _quick(name, manual, reference) for name in evidence.names}
    if loss.row.verdict == Verdict.DISAGREE:
        return [loss, *rulings.values()]
    for name, ruling in rulings.items():
        if ask_about_all and ruling.row.verdict == Verdict.AGREE:
            rulings[name] = _confirmed_by_witness(evidence, ruling, np.asarray(manual.gradients[name]))
    questions = {
        name: Question(evidence, ruling.row, np.asarray(manual.gradients[name]), reference.gradients[name])
        for name, ruling in rulings.items()
        if ruling.row.verdict not in (Verdict.AGREE, Verdict.KINK) and ruling.witness is None
    }
    settled = {name: found for name, q in questions.items() if (found := _first(RULES, q)) is not None}
    # Parameters and inputs before intermediates, which follow their verdict.
    for of_the_point in (True, False):
        known = rulings | settled
        behind = [ruling for name, ruling in known.items() if name in evidence.point]
        for name, question in questions.items():
            if name not in settled and (name in evidence.point) == of_the_point:
                rulings[name] = _first(OPEN_RULES, replace(question, behind=behind)) or rulings[name]
    return [loss, *(rulings | settled).values()]


# ---- the questions and the rules -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Question:
    """A tensor that the quick rule did not settle, and what is known of it.

    Attributes:
        evidence: the two sides and the point.
        row: how far apart they are.
        manual: the manual gradient.
        given: the reference's; None where its loss does not depend on the tensor.
        behind: the rulings on the parameters and inputs.
    """

    evidence: Evidence
    row: TensorReport
    manual: Array
    given: Array | None
    behind: Sequence[Ruling] = ()

    @functools.cached_property
    def reference(self) -> Array:
        """The reference's gradient."""
        return np.zeros_like(self.manual) if self.given is None else self.given

    @functools.cached_property
    def extended(self) -> Array:
        """The manual gradient in a wider precision, or as it is where the code does not carry one through."""
        extended = self.evidence.extended
        return self.manual if extended is None else np.asarray(extended.gradients[self.row.name])

    @functools.cached_property
    def manual_noise(self) -> float:
        """How far the manual gradient is from its wider value, in ulp."""
        scale = scale_of(self.manual, self.reference)
        return compare(self.manual, self.extended, self.evidence.dtype, scale=scale).error_ulps

    @functools.cached_property
    def reference_off(self) -> Array:
        """How far each entry of the reference is from the manual side's wider value, in ulp."""
        scale = scale_of(self.manual, self.reference)
        return ulps_apart(self.reference, self.extended, self.evidence.dtype, scale=scale)

    @functools.cached_property
    def carried(self) -> float:
        """The ulp that one rounding of the point moves the gradient by; digits lost so are nobody's fault."""
        return self.evidence.carried.get(self.row.name, 0.0) / ulp(self.row.scale, self.evidence.dtype)

    @functools.cached_property
    def summand_bound(self) -> float:
        """What rounding at the largest summand allows."""
        return AGREE_ULPS * max(1.0, self.evidence.largest_summands.get(self.row.name, 0.0) / self.row.scale)

    def lost(self, ulps: float, blame: Blame | None) -> Ruling:
        """Rule that digits were lost, unless no more went than the largest summand's rounding takes."""
        if self.row.error_ulps <= self.summand_bound:
            return Ruling(replace(self.row, verdict=Verdict.AGREE, bound_ulps=self.summand_bound))
        side = {Blame.MANUAL: "the manual side", Blame.REFERENCE: "TensorFlow", EACH_SIDE: "each side"}[blame]
        amount = f"about {np.log10(max(ulps, 10.0)):.0f} digits" if np.isfinite(ulps) else "all digits"
        note = Note("lost_digits", f"d{self.row.name}: {side} lost {amount} to rounding.")
        return Ruling(replace(self.row, verdict=Verdict.ROUNDING), blame, note)

    def wrong(self, blame: Blame | None, note: Note | None = None) -> Ruling:
        """Rule that a formula is wrong."""
        return Ruling(replace(self.row, verdict=Verdict.DISAGREE), blame, note)


Rule = Callable[[Question], Ruling | None]


def _first(rules: Sequence[tuple[str, Rule]], question: Question) -> Ruling | None:
    return next((ruling for _, rule in rules if (ruling := rule(question)) is not None), None)


def _not_finite(q: Question) -> Ruling | None:
    if np.isfinite(q.manual).all():
        return None
    note = Note("manual_not_finite", f"d{q.row.name}: the manual gradient is not finite.")
    return Ruling(q.row, Blame.MANUAL if np.isfinite(q.reference).all() else UNKNOWN_SIDE, note)


def _on_both_sides_of_the_wider_value(q: Question) -> Ruling | None:
    if max(q.reference_off.max(), q.manual_noise) > AGREE_ULPS or np.isnan(q.reference_off).any():
        return None
    return Ruling(replace(q.row, verdict=Verdict.AGREE, bound_ulps=2 * AGREE_ULPS), NOBODY)


def _manual_digits_lost(q: Question) -> Ruling | None:
    if not q.reference_off.max() <= AGREE_ULPS:
        return None
    return q.lost(q.manual_noise, EACH_SIDE if q.manual_noise <= q.carried else Blame.MANUAL)


def _digits_lost_alike(q: Question) -> Ruling | None:
    if not q.reference_off.max() <= COMPARABLE * q.manual_noise:
        return None
    row, blame, witness = _farther_from_witness(q.evidence, q.row)
    return replace(replace(q, row=row).lost(row.error_ulps, blame), witness=witness)


def _kink(q: Question) -> Ruling | None:
    if not (np.isfinite(q.reference).all() and is_kink(q.evidence, q.row.name, q.manual, q.reference)):
        return None
    text = f"d{q.row.name} differs only at a kink (e.g. relu at 0); both values are valid subgradients."
    return Ruling(replace(q.row, verdict=Verdict.KINK), NOBODY, Note("kink", text))


def _two_against_one(q: Question) -> Ruling | None:
    """Let a witness decide between the manual formula (in extended precision) and the reference."""
    votes, worst, witness = [], q.row.worst, None
    for flat in largest_entries(q.reference_off, ENTRIES):
        index = tuple(int(i) for i in np.unravel_index(flat, q.reference_off.shape))
        if q.reference_off[index] <= AGREE_ULPS:
            break
        testimony = q.evidence.testify(q.row.name, index)
        if testimony is None:
            break
        witness = testimony.witness
        ours, theirs = float(q.extended[index]), float(q.reference[index])
        votes.append(_vote(ours, theirs, testimony.value, testimony.uncertainty))
        if index == worst.index and votes[-1] != "unsure":
            worst = replace(worst, witness=testimony.value)
        if votes[-1] == "manual":
            break
    ruling = _by_votes(replace(q, row=replace(q.row, worst=worst)), votes)
    return None if ruling is None else replace(ruling, witness=witness)


def _by_votes(q: Question, votes: list[str]) -> Ruling | None:
    if "manual" in votes:
        return q.wrong(Blame.MANUAL)
    if votes and set(votes) == {"reference"}:
        if q.row.error_ulps <= q.summand_bound or _right_elsewhere(q.evidence, q.row.name):
            return q.lost(float(q.reference_off.max()), Blame.REFERENCE)
        return q.wrong(Blame.REFERENCE)
    if "neither" in votes:
        text = f"d{q.row.name}: the independent derivative matches neither side."
        return q.wrong(UNKNOWN_SIDE, Note("witness_supports_neither", text))
    return None


RULES: tuple[tuple[str, Rule], ...] = (
    ("a manual value is not finite", _not_finite),
    ("both are near the wider value, on opposite sides of it", _on_both_sides_of_the_wider_value),
    ("the reference is near it: the manual side lost digits", _manual_digits_lost),
    ("both are comparably far: digits were lost", _digits_lost_alike),
    ("both values are subgradients at a kink", _kink),
    ("a witness contradicts one side", _two_against_one),
)
"""What is asked of a tensor that is more than `AGREE_ULPS` apart, in this order."""


def _behind_a_wrong_formula(q: Question) -> Ruling | None:
    # Digits that the manual side lost elsewhere say nothing about its formula here; a wrong formula does.
    grave = (r for r in q.behind if r.row.verdict not in (Verdict.AGREE, Verdict.ROUNDING))
    return q.wrong(Blame.MANUAL) if any(r.blame == Blame.MANUAL for r in grave) else None


def _silent_at_the_tame_points(q: Question) -> Ruling | None:
    agree = all(ruling.row.verdict == Verdict.AGREE for ruling in q.behind)
    return q.wrong(Blame.MANUAL) if agree and _is_silent_elsewhere(q.evidence, q.row) else None


def _right_at_the_tame_points(q: Question) -> Ruling | None:
    close = _right_elsewhere if q.row.name in q.evidence.point else _close_elsewhere
    return q.lost(float(q.reference_off.max()), Blame.REFERENCE) if close(q.evidence, q.row.name) else None


def _without_a_witness(q: Question) -> Ruling | None:
    if q.row.name not in q.evidence.point:
        return None
    note = Note("no_witness", f"d{q.row.name}: no independent derivative could be computed.")
    return Ruling(replace(q.row, verdict=Verdict.UNDECIDABLE), UNKNOWN_SIDE, note)


OPEN_RULES: tuple[tuple[str, Rule], ...] = (
    ("a parameter or input behind it has a wrong manual formula", _behind_a_wrong_formula),
    ("all behind it agree, and the tame points say nothing", _silent_at_the_tame_points),
    ("both sides agree at the tame points: the reference lost digits", _right_at_the_tame_points),
    ("a parameter or input that no witness could be asked about", _without_a_witness),
    ("an intermediate that differs at the tame points too", lambda q: q.wrong(Blame.MANUAL)),
)
"""What is asked of a tensor that `RULES` leave open."""

# ---- the loss, and the quick rule ------------------------------------------------------------------


def _confirmed_by_witness(evidence: Evidence, ruling: Ruling, manual: Array) -> Ruling:
    """Ask the complex step about the largest entry of a tensor on which the sides agree."""
    row = ruling.row
    index = tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(manual)), manual.shape))
    testimony = evidence.testify(row.name, index)
    if testimony is None or testimony.witness != "complex step":
        return ruling if testimony is None else replace(ruling, witness=testimony.witness)
    worst = Worst(index, float(manual[index]), float(manual[index]), testimony.value)
    slack = 4 * testimony.uncertainty + COMPARABLE * AGREE_ULPS * ulp(row.scale, evidence.dtype)
    if abs(worst.manual - testimony.value) <= slack:
        return replace(ruling, witness=testimony.witness)
    text = f"d{row.name}: both sides agree, but the complex step of the manual forward gives a different value."
    wrong = replace(row, verdict=Verdict.DISAGREE, worst=worst)
    return Ruling(wrong, UNKNOWN_SIDE, Note("both_contradicted", text), testimony.witness)


def _judge_loss(evidence: Evidence, manual: Array, reference: Array) -> Ruling:
    row = _row("loss", manual, reference, evidence.dtype)
    if row.verdict in (Verdict.AGREE, Verdict.UNDECIDABLE):
        return _judge_lost_loss(evidence, row, manual) if row.verdict == Verdict.UNDECIDABLE else Ruling(row)
    size, noise = evidence.loss_scales
    unit = max(ulp(size, evidence.dtype), noise)
    bound = AGREE_ULPS * unit / ulp(scale_of(manual, reference), evidence.dtype)
    if row.error_ulps <= bound:
        return Ruling(replace(row, verdict=Verdict.AGREE, bound_ulps=bound))
    note = Note("losses_differ", "The two losses differ, so their gradients cannot be compared.")
    return Ruling(row, Blame.FORWARD, note)


def _judge_lost_loss(evidence: Evidence, row: TensorReport, manual: Array) -> Ruling:
    """A loss that is not finite: the reference's, where its other precision confirms the manual side's finite value."""
    other = evidence.other_reference.loss
    if np.isfinite(manual) and np.isfinite(other) and np.isclose(float(manual), float(other), rtol=1e-3):
        text = f"TensorFlow's loss is not finite in {evidence.dtype}; in the other precision it is {float(other)!r}."
        note = Note("reference_loss_not_finite", text)
        return Ruling(replace(row, verdict=Verdict.ROUNDING), Blame.REFERENCE, note)
    blame = Blame.FORWARD if np.isfinite(manual) else Blame.MANUAL
    return Ruling(row, blame, Note("loss_not_finite", "The loss is not finite."))


def _quick(name: str, manual: ManualRun, reference: ReferenceRun) -> Ruling:
    ours = np.asarray(manual.gradients[name])
    theirs = reference.gradients[name]
    note = None if theirs is not None else Note("independent_of", f"The reference's loss does not depend on {name}.")
    row = _row(name, ours, np.zeros_like(ours) if theirs is None else theirs, str(ours.dtype))
    return Ruling(row, None, note)


def _row(name: str, manual: Array, reference: Array, dtype: str) -> TensorReport:
    """Compare one tensor by the quick rule: at most `AGREE_ULPS` of its largest magnitude."""
    found = compare(manual, reference, dtype)
    verdict = Verdict.AGREE if found.error_ulps <= AGREE_ULPS else Verdict.DISAGREE
    verdict = verdict if found.finite else Verdict.UNDECIDABLE
    worst = Worst(found.index, float(manual[found.index]), float(reference[found.index]))
    return TensorReport(
        name, manual.shape, dtype, verdict, found.error_ulps, AGREE_ULPS, worst, found.scale, found.beyond
    )


# ---- what the rules ask ----------------------------------------------------------------------------


def _farther_from_witness(evidence: Evidence, row: TensorReport) -> tuple[TensorReport, Blame | None, str | None]:
    """Where both sides may have lost digits, say who lost clearly more at the worst entry, if a witness can."""
    testimony = evidence.testify(row.name, row.worst.index)
    if testimony is None:
        return row, EACH_SIDE, None
    ours, theirs = (abs(value - testimony.value) for value in (row.worst.manual, row.worst.reference))
    row = replace(row, worst=replace(row.worst, witness=testimony.value))
    if max(ours, theirs) <= 4 * testimony.uncertainty:
        return row, EACH_SIDE, testimony.witness
    blame = Blame.MANUAL if ours > COMPARABLE * theirs else Blame.REFERENCE if theirs > COMPARABLE * ours else EACH_SIDE
    return row, blame, testimony.witness


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


def _right_elsewhere(evidence: Evidence, name: str) -> bool:
    """Whether the two sides agree on a tensor at the tame points."""
    for manual, reference in evidence.companions:
        theirs = reference.gradients[name]
        if theirs is None or compare(manual.gradients[name], theirs, "float64").error_ulps > TAME:
            return False
    return True


def _close_elsewhere(evidence: Evidence, name: str) -> bool:
    """Whether the two sides agree at the tame points within what rounding does to the manual side's value there.

    No witness can be asked about an intermediate, so it is held to the closest bound there is.
    """
    for (manual, reference), noise in zip(evidence.companions, evidence.tame_noise, strict=True):
        theirs = reference.gradients[name]
        bound = min(TAME, AGREE_ULPS + COMPARABLE * noise[name])
        if theirs is None or compare(manual.gradients[name], theirs, "float64").error_ulps > bound:
            return False
    return True


def _is_silent_elsewhere(evidence: Evidence, row: TensorReport) -> bool:
    """Whether the worst entry is zero at all tame points, behind a dead unit, so that they say nothing about it.

    Digits that the reference had lost in an intermediate would then still show in the parameters it feeds.
    """
    return all(manual.gradients[row.name][row.worst.index] == 0 for manual, _ in evidence.companions)


def is_kink(evidence: Evidence, name: str, ours: Array, theirs: Array) -> bool:
    """Whether two values differ only by the choice of a subgradient at a kink.

    Around the point both sides agree; the manual side's gradient jumps there by about as much as the two values
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
        far: the manual side's gradient around the point [directions, entries].
        near: the same a hundred times nearer.
        ours: the manual side's values at the point [entries].
        theirs: the reference's.
    """
    low, high = far.min(axis=0), far.max(axis=0)
    jump, gap = high - low, np.abs(ours - theirs)
    inside = [(low - 4 * jump <= v) & (v <= high + 4 * jump) for v in (ours, theirs)]
    return bool(np.all((jump >= gap / 8) & (np.abs(far - near).max(axis=0) <= jump / 8) & inside[0] & inside[1]))
