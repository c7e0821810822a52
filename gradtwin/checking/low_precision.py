"""A check in bfloat16 or float16: the formula first, then the digits.

64 units in the last place are half of a bfloat16: a forgotten factor would pass for rounding. Two things are
therefore found out at one and the same point, whose numbers both formats hold exactly:

- the formula: both sides run in float64, and are judged there as always, with witnesses, location and cause;
- the rounding: how far each side's own gradient is from its float64 value, in the low format's own ulp, by the
  rule that serves everywhere: 64 of them.

A number of the low format that is not finite is told apart: it overflowed on the way, or its right value does not
fit. What runs in the low format only has no formula to judge, and is never passed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gradtwin.checking.case import Case
from gradtwin.checking.remarks import with_findings
from gradtwin.core.blocks import all_finite
from gradtwin.core.errors import InputError
from gradtwin.core.precision import cast, eps, is_floating, is_low, largest
from gradtwin.core.report import Report, TensorReport, Worst, label
from gradtwin.core.tolerance import AGREE_ULPS, scale_of, ulp, ulps_apart
from gradtwin.referee.evidence import Asked, Evidence
from gradtwin.referee.judge import COMPARABLE, Ruling, gravest
from gradtwin.tracing.bfloat16_arrays import kept_bfloat16
from manual_grads import Array, Params

NUDGE = 1e-9  # relative: no step of a low format, and millions of float64's


def in_dtype(arrays: Mapping[str, Array], dtype: str) -> Params:
    """Bring the floating-point arrays of a point to a format.

    Args:
        arrays: parameters or a batch; labels and other whole numbers stay as they are, and rows that add up
            to 1 still do so in few digits: a softmax's loss is made for targets that are distributions.
        dtype: a name of `precision.DTYPES`.

    Returns:
        The arrays; those of bfloat16 stay so in products, see `gradtwin.tracing.bfloat16_arrays`.

    Raises:
        InputError: a number is beyond the format's largest.
    """
    with np.errstate(over="ignore"):
        there = cast(arrays, dtype)
    for name, array in there.items():
        if dtype != "float64" and not all_finite(array) and all_finite(np.asarray(arrays[name])):
            raise InputError(
                f"{name}: expected numbers up to {dtype}'s largest, {largest(dtype):g}, got "
                f"{scale_of(np.asarray(arrays[name])):.3g}: scale the data, or use bfloat16 or float32."
            )
        if is_low(dtype) and _are_distributions(np.asarray(arrays[name])):
            there[name] = _as_distributions(np.asarray(arrays[name], np.float64), dtype)
    return kept_bfloat16(there)


def _are_distributions(array: Array) -> bool:
    return bool(is_floating(array) and array.ndim == 2 and (array >= 0).all() and np.allclose(array.sum(axis=1), 1.0))


def _as_distributions(rows: Array, dtype: str) -> Array:
    """Round each row down to multiples of the format's spacing at 1; its largest entry takes what is left of 1."""
    steps = 1 / eps(dtype)
    counts = np.floor(rows * steps)
    largest_entry = np.arange(rows.shape[1]) == rows.argmax(axis=1)[:, np.newaxis]
    counts += largest_entry * (steps - counts.sum(axis=1, keepdims=True))
    return (counts / steps).astype(dtype)


def judged_in_low_precision(case: Case) -> Report:
    """Judge a case of a low format: its formula in float64, its rounding in its own ulp.

    Args:
        case: both sides and a point in the low format.

    Returns:
        The report; its `formula` is the float64 one, or None, with a note, where a side does not run in float64.

    Raises:
        InputError: as for every check, from the run in the low format.
    """
    with np.errstate(all="ignore"):  # an overflow is named in the report
        low = case.asked()
    wide_case = replace(case, params=cast(case.params, "float64"), batch=cast(case.batch, "float64"), dtype="float64")
    try:
        wide = wide_case.asked()
    except InputError as error:
        return _without_formula(case, low, f"float64 was refused: {error}")
    formula = wide_case.judged(wide)
    if formula.verdict == "disagree" and _rounds_inside(wide_case):
        return _without_formula(case, low, "in float64 the hand-written forward rounds to fewer digits itself.")
    both = _Both(low, wide, case.evidence(low.shared), wide_case.evidence(wide.shared))
    rulings = [_rounding(row, both, formula) for row in formula.tensors]
    return _report(case, low, formula, rulings)


def _report(case: Case, low: Asked, formula: Report, rulings: list[Ruling]) -> Report:
    """Put the formula's verdict and the rounding's together: the graver one is the check's."""
    rounding = gravest(ruling.row.verdict for ruling in rulings)
    verdict = gravest([formula.verdict, rounding])
    blamed = next((r.blame for r in rulings if r.blame and r.row.verdict == verdict), None)
    # A gradient that is zero in few digits is underflow, and said so; zero in float64, it is the formula's affair.
    findings = tuple(f for f in low.inspection.findings if f.id != "zero_gradient")
    report = replace(
        formula,
        dtype=case.dtype,
        verdict=verdict,
        blame=formula.blame if formula.verdict == verdict else blamed,
        tensors=tuple(ruling.row for ruling in rulings),
        notes=(*(ruling.note for ruling in rulings if ruling.note), *formula.notes),
        formula=formula,
    )
    report = with_findings(report, replace(low.inspection, findings=findings), low.reference, case.params)
    return replace(report, notes=tuple(dict.fromkeys(report.notes)))


@dataclass(frozen=True)
class _Both:
    """What both sides answer in the low format and in float64, and ways to ask them again."""

    low: Asked
    wide: Asked
    low_evidence: Evidence
    wide_evidence: Evidence


@dataclass(frozen=True)
class _Values:
    """One tensor on both sides, in the low format and in float64."""

    hand: Array
    theirs: Array
    right_by_hand: Array
    right_by_theirs: Array

    @property
    def right(self) -> tuple[Array, Array]:
        return self.right_by_hand, self.right_by_theirs


def _values(name: str, low: Asked, wide: Asked, blame: str | None) -> _Values:
    """Collect a tensor's values; each side's measure is its own float64 value, or the other's if its own is wrong."""
    (hand, theirs), (right_by_hand, right_by_theirs) = (_both_sides(name, asked) for asked in (low, wide))
    if blame == "manual":
        right_by_hand = right_by_theirs
    elif blame == "reference":
        right_by_theirs = right_by_hand
    return _Values(hand, theirs, right_by_hand, right_by_theirs)


def _both_sides(name: str, asked: Asked) -> tuple[Array, Array]:
    """Give the hand's and TensorFlow's value of a tensor; a loss that does not depend on it has the slope 0."""
    if name == "loss":
        return np.asarray(asked.manual.loss), asked.reference.loss
    hand, theirs = np.asarray(asked.manual.gradients[name]), asked.reference.gradients[name]
    return hand, np.zeros_like(hand) if theirs is None else theirs


def _rounding(formula_row: TensorReport, both: _Both, formula: Report) -> Ruling:
    """Judge how far a tensor's low values are from its float64 ones, its formula being judged already."""
    name, verdict, dtype = formula_row.name, formula_row.verdict, both.low_evidence.dtype
    v = _values(name, both.low, both.wide, formula.blame if verdict == "disagree" else None)
    scale = scale_of(*(np.asarray(a) for a in (v.hand, v.theirs, *v.right)))
    errors = [ulps_apart(a, b, dtype, scale=scale) for a, b in zip((v.hand, v.theirs), v.right, strict=True)]
    ours, others = (float(e.max()) for e in errors)
    worse = errors[0] if ours >= others else errors[1]
    index = tuple(int(i) for i in np.unravel_index(np.argmax(worse), worse.shape))
    worst = Worst(index, float(v.hand[index]), float(v.theirs[index]), float(v.right[ours < others][index]))
    bound = AGREE_ULPS
    if bound < max(ours, others) < np.inf and verdict != "disagree":
        bound = max(bound, AGREE_ULPS * _largest_term(both.wide_evidence, name) / scale)
    row = TensorReport(name, np.shape(v.hand), dtype, verdict, max(ours, others), bound, worst, scale)
    if not all(np.isfinite(a).all() for a in v.right):
        return Ruling(row)  # the formula's report says what there is to say
    told = _not_finite(row, v, ours, others) or _lost(row, v, ours, others, both.low_evidence)
    return replace(told, row=replace(told.row, verdict=gravest([verdict, told.row.verdict])))


def _largest_term(evidence: Evidence, name: str) -> float:
    """Give the magnitude at which a tensor's last addition rounds, or the loss's usual size near by."""
    return evidence.loss_scales[0] if name == "loss" else evidence.largest_summands.get(name, 0.0)


def _not_finite(row: TensorReport, v: _Values, ours: float, others: float) -> Ruling | None:
    """Name an overflow; None where both sides are finite."""
    lost = [not np.isfinite(a).all() for a in (v.hand, v.theirs)]
    if not any(lost):
        return None
    what, most = label(row.name), largest(row.dtype)
    needed = scale_of(*v.right)
    if needed > most:
        note = f"{what}: overflow, for its right value reaches {needed:.3g} and {row.dtype} ends at {most:g}."
        return Ruling(replace(row, verdict="undecidable"), None, note)
    side = "both sides" if all(lost) else "the hand-written code" if lost[0] else "TensorFlow"
    note = (
        f"{what}: not finite by {side}, though the right value fits into {row.dtype}: overflow past {most:g} on the "
        "way, or a division by what has rounded to zero."
    )
    if not lost[0] and ours <= row.bound_ulps:
        return Ruling(replace(row, verdict="rounding"), "reference", note)
    blame = None if all(lost) else "manual" if lost[0] else "reference"
    return Ruling(replace(row, verdict="undecidable"), blame, note)


def _lost(row: TensorReport, v: _Values, ours: float, others: float, evidence: Evidence) -> Ruling:
    """Rule on digits lost: whoever is beyond the bound lost them, or, if both are, who lost clearly more."""
    what = label(row.name)
    if v.right_by_hand.any() and not v.hand.any() and not v.theirs.any():
        note = f"{what}: underflow, every entry is zero in {row.dtype}; the largest is {scale_of(*v.right):.3g}."
        return Ruling(replace(row, verdict="rounding"), None, note)
    error, within = max(ours, others), min(ours, others) <= row.bound_ulps
    if error <= row.bound_ulps:
        return Ruling(replace(row, verdict="agree"))
    blame = "manual" if ours > COMPARABLE * others else "reference" if others > COMPARABLE * ours else None
    if within:
        blame = "manual" if ours > others else "reference"
    side = {"manual": "the hand-written code is", "reference": "TensorFlow is", None: "both sides are"}[blame]
    off = f"{what}: {side} up to {error:.3g} ulp of {row.dtype} from the float64 value, more than {row.bound_ulps:.3g}"
    size = error * ulp(row.scale, row.dtype)
    if size < scale_of(*v.right):
        return Ruling(replace(row, verdict="rounding"), blame, f"{off}: the formula is right and digits were lost.")
    if blame == "manual" and within and row.name != "loss" and size > COMPARABLE * evidence.carried.get(row.name, 0.0):
        # TensorFlow keeps digits, and one rounding of the point, which may flip a relu, does not move it so far.
        note = f"{off}, and no rounding of this point explains it: does the code take another branch in {row.dtype}?"
        return Ruling(replace(row, verdict="undecidable"), blame, note)
    return Ruling(replace(row, verdict="rounding"), blame, f"{off}: the formula is right and no digit is left.")


# ---- code that runs in the low format only -----------------------------------------------------------


def _without_formula(case: Case, low: Asked, why: str) -> Report:
    """Compare the two sides in the low format alone; nothing that is found so is agreement."""
    rows = []
    for name in ("loss", *low.shared):
        v = _values(name, low, low, None)
        errors = ulps_apart(v.hand, v.theirs, case.dtype)
        index = tuple(int(i) for i in np.unravel_index(np.argmax(errors), errors.shape))
        worst = Worst(index, float(v.hand[index]), float(v.theirs[index]))
        scale = scale_of(v.hand, np.asarray(v.theirs))
        error = float(errors[index])
        rows.append(
            TensorReport(name, np.shape(v.hand), case.dtype, "undecidable", error, AGREE_ULPS, worst, scale)
        )
    share = 100 * AGREE_ULPS * ulp(1.0, case.dtype)
    note = (
        f"The formula could not be judged, for {why.rstrip('.')}. In {case.dtype} alone {AGREE_ULPS:g} ulp are up to "
        f"{share:.0f} % of a value: write the code so that it computes in the dtype it is given."
    )
    report = Report(
        case.name, case.dtype, case.route, case.seed, "undecidable", tuple(rows),
        command=case.command, notes=(note,), kinks=case.kinks,
    )  # fmt: skip
    return with_findings(report, low.inspection, low.reference, case.params)


def _rounds_inside(wide: Case) -> bool:
    """Whether a float64 forward does not notice a move that only float64 can hold: it rounds to a format of its own."""
    rng = np.random.default_rng(0)
    moved = {k: np.asarray(v * (1 + NUDGE * rng.uniform(0.5, 1.5, np.shape(v)))) for k, v in wide.params.items()}
    try:
        losses = [float(np.asarray(wide.loss(params, *wide.batch.values()))) for params in (wide.params, moved)]
    except Exception:  # a stranger's code may refuse other numbers
        return False
    return losses[0] == losses[1]
