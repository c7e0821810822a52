"""Witnesses: what the gradient is, according to somebody who is neither the hand nor TensorFlow.

- extended: the hand-written code once more, in long double; shows the hand's own rounding.
- complex step: Im L(θ + i h v) / h of the hand-written forward, h = 1e-20; no step to tune, no
  cancellation, but it needs analytic code (W. Squire and G. Trapp, SIAM Review 40, 1998).
- Ridders: central differences extrapolated to step zero, with their own error estimate
  (C. Ridders, Advances in Engineering Software 4, 1982).
- jitter: the hand-written code at a point moved by one rounding; how far rounding carries.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtwin.core import precision
from gradtwin.core.precision import is_floating
from manual_grads import Array, Params

STEP = 1e-20
FRUGAL = 2.0**-40
"""What a derivative in complex float64 may be off, relative: 2^12 roundings of a long sum."""
Loss = Callable[[Mapping[str, Array]], Any]


@dataclass(frozen=True)
class Testimony:
    """A derivative, how far it may be off, and who says so."""

    value: float
    uncertainty: float
    witness: str


def testify(
    loss: Loss, point: Mapping[str, Array], name: str, direction: Array, *, frugal: bool = False
) -> Testimony | None:
    """Find the derivative of the loss along a direction of one tensor, by the best witness that applies.

    The complex step is believed only where a plain difference over a tiny step confirms it: code that takes
    an absolute value or drops the imaginary part is not analytic, and would be silently wrong.

    Args:
        loss: the hand-written forward, a function of the named arrays.
        point: parameters and batch, float arrays in long double or float64.
        name: the tensor that moves.
        direction: an array of its shape.
        frugal: whether to do with complex numbers of float64, for a point too large for wider ones.

    Returns:
        The testimony, or None when no witness applies.
    """
    analytic = complex_step(loss, point, name, direction, frugal=frugal)
    if analytic is not None and _confirmed(analytic, loss, point, name, direction):
        return analytic
    return ridders(loss, point, name, direction)


def _confirmed(claim: Testimony, loss: Loss, point: Mapping[str, Array], name: str, direction: Array) -> bool:
    """Compare with a central difference, to three digits or to what rounding of the loss leaves of it."""
    base = np.asarray(point[name])
    eps = float(np.finfo(base.dtype).eps)
    step = eps**0.5 * max(1.0, float(np.abs(base).max(initial=0.0)))
    slope, size = _slope(loss, point, name, direction, step)
    return bool(abs(slope - claim.value) <= 1e-3 * abs(claim.value) + 100 * eps * size / step)


def _slope(
    loss: Loss, point: Mapping[str, Array], name: str, direction: Array, step: float
) -> tuple[float, float]:
    """Give the central difference (L(θ + h v) - L(θ - h v)) / 2h, and the size of L there."""
    base = np.asarray(point[name])
    move = (base.dtype.type(step) * np.asarray(direction)).astype(base.dtype)
    with np.errstate(all="ignore"):
        ahead = np.asarray(loss({**point, name: base + move})).reshape(())
        behind = np.asarray(loss({**point, name: base - move})).reshape(())
        return float((ahead - behind) / (2 * step)), float(max(abs(ahead), abs(behind)))


def complex_step(
    loss: Loss, point: Mapping[str, Array], name: str, direction: Array, *, frugal: bool = False
) -> Testimony | None:
    """Differentiate by the complex step, in the widest complex numbers; None where the code refuses them.

    dL/dv = Im L(θ + i h v) / h, with an error of the order h² = 1e-40 beside rounding.
    """
    narrow = _complex_derivative(loss, point, name, direction, np.complex128)
    if frugal:
        return None if narrow is None else Testimony(float(narrow), abs(float(narrow)) * FRUGAL, "complex step")
    wide = _complex_derivative(loss, point, name, direction, np.clongdouble)
    if wide is None:
        return None
    rounding = abs(wide) * float(np.finfo(np.float64).eps)
    noise = abs(wide - narrow) if narrow is not None else rounding
    return Testimony(float(wide), float(max(noise, rounding)) / 256, "complex step")


def _complex_derivative(
    loss: Loss, point: Mapping[str, Array], name: str, direction: Array, kind: Any
) -> np.longdouble | None:
    moved = {k: v.astype(kind) if is_floating(v) else v for k, v in point.items()}
    moved[name] = np.array(moved[name], kind, order="C")
    where = np.flatnonzero(direction)
    moved[name].reshape(-1)[where] += np.asarray(1j * STEP, kind) * np.ravel(direction)[where].astype(kind)
    try:
        with np.errstate(all="ignore"):
            value = np.asarray(loss(moved))
    except (TypeError, ValueError, np.exceptions.ComplexWarning):
        return None
    if value.dtype.kind != "c" or value.size != 1 or not np.isfinite(value).all():
        return None
    return np.longdouble(value.reshape(()).imag) / np.longdouble(STEP)


def ridders(loss: Loss, point: Mapping[str, Array], name: str, direction: Array) -> Testimony | None:
    """Differentiate by central differences at shrinking steps, extrapolated; None where nothing is finite.

    The step starts at a tenth of the tensor's scale and halves; the entry of the tableau with the
    smallest estimated error is taken, and that estimate is the uncertainty. It is never less than what the
    loss's own rounding makes of a difference over the step: two equal losses do not prove a slope of zero.
    """
    base, length = np.asarray(point[name]), float(np.abs(direction).max(initial=0.0))
    if length == 0.0:
        return None
    step = 0.1 * max(1.0, float(np.abs(base).max(initial=0.0))) / length
    best, error, eps = float("nan"), float("inf"), float(np.finfo(base.dtype).eps)
    previous: list[float] = []
    for i in range(30):
        slope, size = _slope(loss, point, name, direction, step / 2**i)
        row, noise = [slope], eps * size / (step / 2**i)
        for k in range(i):
            factor = 4.0 ** (k + 1)
            row.append((factor * row[k] - previous[k]) / (factor - 1))
            estimate = max(abs(row[-1] - row[-2]), abs(row[-1] - previous[k]), noise)
            if estimate < error:
                best, error = row[-1], estimate
        previous = row
    return Testimony(best, max(error, 1e-12 * abs(best)), "Ridders") if np.isfinite(best) else None


def jitter(point: Mapping[str, Array], rng: np.random.Generator) -> Params:
    """Move every float entry by at most one rounding: θ (1 + ε ξ), ξ in {-1, 0, 1}."""
    return {k: _jittered(np.asarray(v), rng) if is_floating(v) else v for k, v in point.items()}


def _jittered(array: Array, rng: np.random.Generator) -> Array:
    eps = array.dtype.type(precision.eps(array.dtype))
    return (array * (1 + eps * rng.integers(-1, 2, size=array.shape).astype(array.dtype))).astype(array.dtype)
