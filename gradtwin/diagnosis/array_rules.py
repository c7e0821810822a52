"""What the arrays at hand tell: a missing derivative, another mask, another sum, a term that is missing."""

import itertools
from collections.abc import Iterator

import numpy as np

from gradtwin.core.verdicts import CauseId
from gradtwin.diagnosis.arrays_at_hand import NamedArray
from gradtwin.diagnosis.fit import ROUNDINGS, Cause, Fit, is_mask
from gradtwin.diagnosis.value_rules import one_part
from manual_grads import Array


def one_of_the_arrays(fit: Fit) -> Cause | None:
    """The value is an array that is at hand, and the right gradient is that array times something."""
    for array in fit.at_hand:
        if array.of != fit.name and array.value.any() and fit.is_met_by(array.value):
            return _taken_for(fit, array)
    return None


def _taken_for(fit: Fit, array: NamedArray) -> Cause:
    factor = _elementwise_factor(fit, array)
    if array.is_gradient and factor is not None:
        return _kink(fit, factor) or Cause(*_missing(factor, f"{fit.label} is {array.name}"))
    for up in (a for a in fit.at_hand if a.is_gradient and a.value.shape == fit.truth.shape):
        if up.of != fit.name and fit.is_truth(up.value * array.value):
            return Cause(CauseId.UNKNOWN, f"{fit.label} is {array.name} itself; the factor {up.name} is missing")
    return Cause(CauseId.WRONG_OPERAND, f"{fit.label} is {array.name} itself")


def _missing(factor: NamedArray, says: str) -> tuple[CauseId, str]:
    if is_mask(factor.value) and factor.kind == "value":
        return CauseId.MASK_MISSING, f"{says}; the mask {factor.name} is not applied"
    return CauseId.MISSING_ACTIVATION_DERIVATIVE, f"{says}; the factor {factor.name} is missing"


def _elementwise_factor(fit: Fit, upstream: NamedArray) -> NamedArray | None:
    """Find what the upstream gradient must be multiplied with, entry by entry, to give the right one."""
    return next((f for f in _factors(fit) if fit.is_truth(upstream.value * f.value)), None)


def factor_too_many(fit: Fit) -> Cause | None:
    """The right gradient times an array at hand."""
    for array in fit.at_hand:
        if array.is_gradient or array.value.ndim == 0 or not array.value.any():
            continue
        if (array.value.size == 1 and fit.is_met_by(fit.truth * array.value.item())) or (
            array.value.shape == fit.truth.shape and fit.is_met_by(fit.truth * array.value)
        ):
            return Cause(CauseId.WRONG_OPERAND, f"{fit.label} is multiplied by {array.name}, which must not be there")
    return None


def _factors(fit: Fit) -> Iterator[NamedArray]:
    """Give masks and derivatives of activations, of every forward value of the gradient's shape."""
    for array in fit.at_hand:
        if array.is_gradient or array.value.shape != fit.truth.shape:
            continue
        v, n = array.value, array.name
        if is_mask(v):
            yield NamedArray(v, n, "value", array.of)
        sigmoid = 1 / (1 + np.exp(-v))
        yield NamedArray((v > 0) * 1.0, f"1[{n} > 0]", "step", array.of)
        yield NamedArray((v >= 0) * 1.0, f"1[{n} ≥ 0]", "step at zero", array.of)
        yield NamedArray(sigmoid * (1 - sigmoid), f"σ'({n})", "derivative", array.of)
        yield NamedArray(v * (1 - v), f"{n} (1 - {n})", "derivative", array.of)
        yield NamedArray(1 - v * v, f"1 - {n}²", "derivative", array.of)


def activation(fit: Fit) -> Cause | None:
    """The upstream gradient times a derivative or a mask, but not the right one."""
    upstream = [a for a in fit.at_hand if a.is_gradient and a.value.shape == fit.truth.shape]
    for up in (a for a in upstream if a.of != fit.name):
        right = _elementwise_factor(fit, up)
        if right is None:
            continue
        wrong = [f for f in _factors(fit) if fit.is_met_by(up.value * f.value)]
        if (kink := _kink(fit, right)) is not None:
            return kink
        if wrong:
            return Cause(*_another(fit, right, wrong[0], up))
        if is_mask(right.value) and right.kind == "value":
            return _unknown_mask(fit, right, up)
    return None


def _kink(fit: Fit, right: NamedArray) -> Cause | None:
    """A difference only where what the step function is taken of is exactly 0."""
    if not right.kind.startswith("step"):
        return None
    wrong = np.abs(fit.difference) > fit.rounding
    alike = [f for f in _factors(fit) if f.kind == "step" and fit.is_same_step(f.value, right.value)]
    known = {**fit.context.params, **fit.context.values}
    taken_of = [known[f.of] for f in alike]
    if not taken_of or any((v[wrong] != 0).any() for v in taken_of):
        return None
    names = " or ".join(f.of for f in alike)
    return Cause(
        CauseId.KINK_CONVENTION,
        f"{fit.label} differs only where {names} is exactly 0; it uses the other derivative at the kink",
    )


def _another(fit: Fit, right: NamedArray, wrong: NamedArray, up: NamedArray) -> tuple[CauseId, str]:
    says = f"{fit.label} is {up.name} ∘ {wrong.name}; {up.name} ∘ {right.name} is right"
    if right.kind == "value":
        return CauseId.MASK_OTHER, f"{says} (a different mask than forward)"
    return CauseId.WRONG_ACTIVATION_POINT, f"{says} (the derivative is taken at the wrong quantity)"


def _unknown_mask(fit: Fit, right: NamedArray, up: NamedArray) -> Cause | None:
    """The upstream gradient under zeros and ones that are not the forward's, in more than a row or a column."""
    if one_part(fit) is not None:
        return None
    used = np.where(up.value != 0, fit.manual / np.where(up.value == 0, 1, up.value), 0)
    used = np.where(np.abs(used) < 1e-9, 0, used)
    high = used.max()
    if high > 0 and np.all((used == 0) | (np.abs(used - high) <= 1e-9 * high)):
        return Cause(CauseId.MASK_OTHER, f"{fit.label} uses a different mask than forward ({right.name})")
    return None


def summed(fit: Fit) -> Cause | None:
    """The right gradient is a sum over the batch; the value is another sum, or no sum."""
    g = fit.truth
    if g.ndim != 1:
        return None
    tall = [a for a in fit.at_hand if a.value.ndim == 2 and a.value.shape[1] == len(g)]
    summed = next((a for a in tall if a.is_gradient and fit.is_truth(a.value.sum(axis=0))), None)
    if summed is None:
        return None
    right = f"the sum of {summed.name} over the batch (axis 0)"
    for row, values in enumerate(summed.value):
        if fit.is_met_by(values):
            return Cause(CauseId.MISSING_SUM, f"{fit.label} is row {row} of {summed.name}; {right} is right")
    if fit.is_met_by(summed.value.sum(axis=1)):
        return Cause(CauseId.WRONG_AXIS, f"{fit.label} is the sum of {summed.name} over axis 1; {right} is right")
    for other in tall:
        if fit.is_met_by(other.value.sum(axis=0)):
            return Cause(CauseId.WRONG_OPERAND, f"{fit.label} is the sum of {other.name}; {right} is right")
    return None


def softmax(fit: Fit) -> Cause | None:
    """The right gradient goes through a softmax; the value leaves terms of its Jacobian out."""
    for p in (a for a in fit.at_hand if a.value.shape == fit.truth.shape and _are_probabilities(a.value)):
        for up in fit.at_hand:
            if up.value.shape == p.value.shape and (cause := _softmax_with(fit, p, up)) is not None:
                return cause
    return None


def _softmax_with(fit: Fit, p: NamedArray, up: NamedArray) -> Cause | None:
    y, g = p.value, up.value
    inner = (g * y).sum(axis=1, keepdims=True)
    says = f"{fit.label} is missing the term -{p.name} {p.name}ᵀ of the softmax's Jacobian"
    if fit.is_truth(y * (g - inner)):
        if fit.is_met_by(y * g):
            return Cause(CauseId.MISSING_PPT, f"{says}; it is {p.name} ∘ {up.name}")
        if fit.is_met_by(y * (1 - y) * g):
            return Cause(CauseId.MISSING_PPT, f"{says} off the diagonal; it is {p.name} (1 - {p.name}) ∘ {up.name}")
        if fit.is_met_by(y * (g - (g * y).sum(axis=0))):
            text = f"{fit.label} sums {up.name} ∘ {p.name} over axis 0; each row has its own sum"
            return Cause(CauseId.WRONG_AXIS, text)
        if fit.is_met_by(y * (g - inner.sum())):
            text = f"{fit.label} sums {up.name} ∘ {p.name} over all axes; each row has its own sum"
            return Cause(CauseId.ALL_AXES, text)
        return None
    scale = _scale(fit.truth, y - g)
    if up.kind == "value" and scale is not None and fit.is_truth(scale * (y - g)):
        if fit.is_met_by(-scale * g):
            return Cause(CauseId.MISSING_PPT, f"{says}; it is -{up.name}, without {p.name}")
        if fit.is_met_by(-scale * g * (1 - y)):
            return Cause(CauseId.MISSING_PPT, f"{says} off the diagonal; it is -{up.name} (1 - {p.name})")
    return None


def _are_probabilities(v: Array) -> bool:
    """Whether rows are what a softmax gives: they add up to 1, and are not one-hot."""
    return (
        v.ndim == 2
        and not np.isin(v, (0, 1)).all()
        and v.shape[1] > 1
        and bool(v.min() >= 0 and np.abs(v.sum(axis=1) - 1).max() < 1e-5)
    )


def _scale(whole: Array, part: Array) -> Array | None:
    """Give the number, or the number of each row, that the right gradient is of p - t."""
    size = (part * part).sum(axis=-1, keepdims=True)
    return None if not size.all() else (whole * part).sum(axis=-1, keepdims=True) / size


def broadcast(fit: Fit) -> Cause | None:
    """Column against row: every example was compared with every target."""
    shaped = [a for a in fit.at_hand if a.kind == "value" and a.value.shape == fit.truth.shape]
    rows = fit.context.batch_size or 1
    if fit.truth.ndim != 2 or rows < 2 or fit.truth.shape[0] != rows:
        return None
    for p, t in itertools.permutations(shaped, 2):
        scale = _scale(fit.truth.ravel(), (p.value - t.value).ravel())
        if scale is None or not fit.is_truth(scale * (p.value - t.value)):
            continue
        for count, how in ((1, "averaged"), (rows, "summed")):
            if fit.is_met_by(count * scale * (p.value - t.value.mean(axis=0))) or fit.is_met_by(
                count * scale * (p.value.mean(axis=0) - t.value)
            ):
                return Cause(
                    CauseId.BROADCAST_NXN,
                    f"{fit.label} compares every {p.name} with every {t.name}, {how}; they were broadcast to N x N",
                )
    return None


def epsilon(fit: Fit) -> Cause | None:
    """A small number added to a denominator: the right gradient is smaller by q / (q + epsilon)."""
    seen = np.abs(fit.difference) > 1e4 * fit.rounding / ROUNDINGS
    if seen.sum() < 3 or np.abs(fit.difference).max() > np.abs(fit.truth).max():
        return None
    excess = (fit.truth / fit.manual - 1)[seen]
    blur = 1e3 * fit.context.precision * np.abs(fit.truth).max() / np.abs(fit.difference[seen]).min()
    for array in fit.at_hand:
        if array.kind != "value" or array.value.shape != fit.truth.shape:
            continue
        v, n = array.value[seen], array.name
        for q, text in ((v * (1 - v), f"{n} (1 - {n})"), (v, n), (1 - v, f"1 - {n}")):
            epsilon = excess * q
            middle = float(np.median(epsilon))
            if 0 < middle < 0.01 and np.ptp(epsilon) <= max(1e-6, blur) * middle and np.ptp(q) > 1e-3 * np.abs(q).max():
                return Cause(CauseId.EPSILON, f"{fit.label} has {middle:.3g} added to the denominator {text}")
    return None
