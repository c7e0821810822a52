"""A check in bfloat16 or float16: the formula first, then the digits.

The bound of agreement (`AGREE_ULPS`) is half of a bfloat16: a forgotten factor would pass for rounding. So two things
are found out at one point, whose numbers both formats hold exactly:

- the formula: both sides run in float64, and are judged there as always, with witnesses, location and cause;
- the rounding: how far each side's own gradient is from its float64 value, in the low format's own ulp, by the same
  bound.

A low number that is not finite is named: an intermediate overflowed, or the right value does not fit. Code that runs
in the low format only has no formula to judge, and is never passed.
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
from gradtwin.core.verdicts import Blame, CauseId, Note, Verdict, gravest
from gradtwin.referee.evidence import Asked, Evidence
from gradtwin.referee.judge import COMPARABLE, Ruling
from gradtwin.tracing.bfloat16_arrays import kept_bfloat16
from manual_grads import Array, Params

NUDGE = 1e-9  # relative: below the spacing of the low formats, and millions of float64's


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
                f"{name}: expected numbers up to {largest(dtype):g}, the largest {dtype}, got "
                f"{scale_of(np.asarray(arrays[name])):.3g}; scale the data, or use bfloat16 or float32."
            )
        if is_low(dtype) and are_distributions(np.asarray(arrays[name])):
            there[name] = _as_distributions(np.asarray(arrays[name], np.float64), dtype)
    return kept_bfloat16(there)


def are_distributions(array: Array) -> bool:
    """Whether each row of a matrix is a distribution: no number is negative, and they add up to 1."""
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
    exact_case = in_float64(case)
    try:
        exact = exact_case.asked()
    except InputError as error:
        return _without_formula(case, low, f"the code does not run in float64 ({str(error).rstrip('.')})")
    formula = exact_case.judged(exact)
    if formula.verdict == Verdict.DISAGREE and _rounds_inside(exact_case):
        return _without_formula(case, low, "in float64 the manual forward itself rounds to fewer digits")
    runs = _Runs(low, exact, case.evidence(low.shared), exact_case.evidence(exact.shared))
    rulings = [_rounding(row, runs, formula) for row in formula.tensors]
    return _report(case, low, formula, rulings)


def in_float64(case: Case) -> Case:
    """Give the same case at the same point in float64."""
    params, batch = cast(case.params, "float64"), cast(case.batch, "float64")
    return replace(case, params=params, batch=batch, settings=replace(case.settings, dtype="float64"))


def _report(case: Case, low: Asked, formula: Report, rulings: list[Ruling]) -> Report:
    """Put the verdicts on the formula and on the rounding together: the graver one is the check's."""
    rounding = gravest(ruling.row.verdict for ruling in rulings)
    verdict = gravest([formula.verdict, rounding])
    blamed = next((r.blame for r in rulings if r.blame and r.row.verdict == verdict), None)
    # A gradient that is zero in few digits is underflow, and noted as such; zero in float64 concerns the formula.
    findings = tuple(f for f in low.inspection.findings if f.id != CauseId.ZERO_GRADIENT)
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
class _Runs:
    """What both sides answer in the low format and in float64, and ways to ask them again."""

    low: Asked
    exact: Asked
    low_evidence: Evidence
    exact_evidence: Evidence


@dataclass(frozen=True)
class Side:
    """One side's value of a tensor.

    Attributes:
        blame: which side it is.
        low: the value in the low format.
        exact: the right value in float64: the side's own, or the other side's where its own formula is wrong.
        ulps: how far apart the two are, entry by entry, in ulp of the low format.
    """

    blame: Blame
    low: Array
    exact: Array
    ulps: Array

    @property
    def error(self) -> float:
        """The largest distance."""
        return float(self.ulps.max())


@dataclass(frozen=True)
class Lost:
    """What a tensor has lost in the low format, on both sides."""

    row: TensorReport
    manual: Side
    reference: Side

    @property
    def needed(self) -> float:
        """The largest magnitude of the right values."""
        return scale_of(self.manual.exact, self.reference.exact)

    def ruled(self, verdict: Verdict, blame: Blame | None, note: Note | None) -> Ruling:
        """Give this tensor a verdict."""
        return Ruling(replace(self.row, verdict=verdict), blame, note)


def _values(name: str, asked: Asked) -> tuple[Array, Array]:
    """Give the manual and the reference value of a tensor; a loss that does not depend on it has the slope 0."""
    if name == "loss":
        return np.asarray(asked.manual.loss), np.asarray(asked.reference.loss)
    manual, reference = np.asarray(asked.manual.gradients[name]), asked.reference.gradients[name]
    return manual, np.zeros_like(manual) if reference is None else np.asarray(reference)


def _rounding(formula_row: TensorReport, runs: _Runs, formula: Report) -> Ruling:
    """Judge how far a tensor's low values are from its float64 ones; its formula is judged already."""
    verdict = Verdict(formula_row.verdict)
    lost = _measured(formula_row.name, verdict, runs, formula.blame if verdict == Verdict.DISAGREE else None)
    if not all(np.isfinite(side.exact).all() for side in (lost.manual, lost.reference)):
        return Ruling(lost.row)  # the formula's report says what there is to say
    ruling = _not_finite(lost) or _lost(lost, runs.low_evidence)
    return replace(ruling, row=replace(ruling.row, verdict=gravest([verdict, ruling.row.verdict])))


def _measured(name: str, verdict: Verdict, runs: _Runs, wrong: str | None) -> Lost:
    """Measure both sides; the worst entry is that of the side further off. `wrong` is the side whose formula is."""
    dtype = runs.low_evidence.dtype
    lows, (ours, theirs) = _values(name, runs.low), _values(name, runs.exact)
    exacts = (theirs if wrong == Blame.MANUAL else ours), (ours if wrong == Blame.REFERENCE else theirs)
    scale = scale_of(*lows, *exacts)
    manual, reference = (
        Side(blame, low, exact, ulps_apart(low, exact, dtype, scale=scale))
        for blame, low, exact in zip((Blame.MANUAL, Blame.REFERENCE), lows, exacts, strict=True)
    )
    worse = max(manual, reference, key=lambda side: side.error)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(worse.ulps), worse.ulps.shape))
    worst = Worst(index, float(manual.low[index]), float(reference.low[index]), float(worse.exact[index]))
    bound = AGREE_ULPS
    if bound < worse.error < np.inf and verdict != Verdict.DISAGREE:
        bound = max(bound, AGREE_ULPS * _largest_term(runs.exact_evidence, name) / scale)
    row = TensorReport(name, manual.low.shape, dtype, verdict, worse.error, bound, worst, scale)
    return Lost(row, manual, reference)


def _largest_term(evidence: Evidence, name: str) -> float:
    """Give the magnitude at which a tensor's last addition rounds, or the loss's usual size nearby."""
    return evidence.loss_scales[0] if name == "loss" else evidence.largest_summands.get(name, 0.0)


def _not_finite(lost: Lost) -> Ruling | None:
    """Name an overflow; None where both sides are finite."""
    infinite = [side.blame for side in (lost.manual, lost.reference) if not np.isfinite(side.low).all()]
    if not infinite:
        return None
    what, dtype, most = label(lost.row.name), lost.row.dtype, largest(lost.row.dtype)
    if lost.needed > most:
        text = f"{what}: overflow: the value is about {lost.needed:.3g}, the largest {dtype} is {most:g}."
        return lost.ruled(Verdict.UNDECIDABLE, None, Note("overflow", text))
    where = "on both sides" if len(infinite) == 2 else f"on the {infinite[0]} side"
    text = (
        f"{what}: inf or NaN {where} although the result fits {dtype}: an intermediate overflowed {most:g}, or a "
        "denominator rounded to 0."
    )
    note = Note("not_finite", text)
    if infinite == [Blame.REFERENCE] and lost.manual.error <= lost.row.bound_ulps:
        return lost.ruled(Verdict.ROUNDING, Blame.REFERENCE, note)
    return lost.ruled(Verdict.UNDECIDABLE, None if len(infinite) == 2 else infinite[0], note)


def _lost(lost: Lost, evidence: Evidence) -> Ruling:
    """Rule on lost digits: the side beyond the bound lost them, or, if both are, the side that lost clearly more."""
    row, what = lost.row, label(lost.row.name)
    if lost.manual.exact.any() and not lost.manual.low.any() and not lost.reference.low.any():
        text = f"{what}: underflow: every entry is zero in {row.dtype}; the largest is {lost.needed:.3g}."
        return lost.ruled(Verdict.ROUNDING, None, Note("underflow", text))
    if row.error_ulps <= row.bound_ulps:
        return lost.ruled(Verdict.AGREE, None, None)
    blame = _who_lost_more(lost)
    side = "both sides are" if blame is None else f"the {blame} side is"
    off = f"{what}: {side} up to {row.error_ulps:.3g} ulp of {row.dtype} from the float64 value"
    off += f" (at most {row.bound_ulps:.3g} allowed)"
    size = row.error_ulps * ulp(row.scale, row.dtype)
    if size < lost.needed:
        note = Note("lost_digits", f"{off}: the formula is right, digits were lost.")
        return lost.ruled(Verdict.ROUNDING, blame, note)
    kept_by_reference = blame == Blame.MANUAL and lost.reference.error <= row.bound_ulps
    if kept_by_reference and row.name != "loss" and size > COMPARABLE * evidence.carried.get(row.name, 0.0):
        # The reference keeps digits, and one rounding of the point, which may flip a relu, does not move it so far.
        note = Note("other_branch", f"{off}: too much for rounding; check whether the code branches on the dtype.")
        return lost.ruled(Verdict.UNDECIDABLE, blame, note)
    return lost.ruled(Verdict.ROUNDING, blame, Note("no_digits", f"{off}: the formula is right, no digit is left."))


def _who_lost_more(lost: Lost) -> Blame | None:
    """Give the side beyond the bound; where both are, the one that is clearly further off."""
    ours, theirs = lost.manual.error, lost.reference.error
    if min(ours, theirs) <= lost.row.bound_ulps or max(ours, theirs) > COMPARABLE * min(ours, theirs):
        return Blame.MANUAL if ours > theirs else Blame.REFERENCE
    return None


# ---- code that runs in the low format only -----------------------------------------------------------


def _without_formula(case: Case, low: Asked, why: str) -> Report:
    """Compare the two sides in the low format alone; nothing that is found so is agreement."""
    share = 100 * AGREE_ULPS * ulp(1.0, case.dtype)
    text = (
        f"The formula was not checked: {why}. In {case.dtype}, {AGREE_ULPS:g} ulp is up to {share:.0f} % of a value, "
        "so agreement proves nothing. Make the code follow the input dtype."
    )
    report = Report(
        case.name,
        case.dtype,
        case.settings.route,
        case.settings.seed,
        Verdict.UNDECIDABLE,
        tuple(_undecided(name, low, case.dtype) for name in ("loss", *low.shared)),
        command=case.command,
        notes=(Note("formula_not_checked", text),),
        kinks=case.settings.kinks,
    )
    return with_findings(report, low.inspection, low.reference, case.params)


def _undecided(name: str, low: Asked, dtype: str) -> TensorReport:
    manual, reference = _values(name, low)
    errors = ulps_apart(manual, reference, dtype)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(errors), errors.shape))
    worst, error = Worst(index, float(manual[index]), float(reference[index])), float(errors[index])
    scale = scale_of(manual, reference)
    return TensorReport(name, manual.shape, dtype, Verdict.UNDECIDABLE, error, AGREE_ULPS, worst, scale)


def _rounds_inside(exact: Case) -> bool:
    """Whether a float64 forward ignores a change that only float64 can hold, because it rounds to a lower format."""
    rng = np.random.default_rng(0)
    moved = {k: np.asarray(v * (1 + NUDGE * rng.uniform(0.5, 1.5, np.shape(v)))) for k, v in exact.params.items()}
    try:
        batch = exact.batch.values()
        losses = [float(np.asarray(exact.manual.loss(params, *batch))) for params in (exact.params, moved)]
    except Exception:  # a user's code may refuse other numbers
        return False
    return losses[0] == losses[1]
