"""Probes: a gradient held against a witness alone, where only one side differentiates.

A small array is probed entry by entry, a large one at some entries and along some dense directions: the
gradient's component along a direction d, Σ g ∘ d, against the derivative of the function along d.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradtwin.core.precision import is_floating
from gradtwin.core.report import TensorReport, Worst
from gradtwin.core.tolerance import AGREE_ULPS, scale_of, ulp
from gradtwin.core.verdicts import Verdict
from gradtwin.referee import witnesses
from manual_grads import Array

EVERY_ENTRY = 48    # an array of so many entries is probed at each of them
SOME_ENTRIES = 24   # of a larger one
DIRECTIONS = 8      # and so many dense directions, each of which sees every entry
CERTAIN = 1e-5      # a witness less certain than this, relative to the gradient's largest entry, decides nothing
STEP = 1e-6         # of the one-sided differences at a kink
LONGER_STEP = 1e-12  # of a second complex step
SAME = 1e-9         # how far two complex steps may be apart, relative
PLAINLY = 1e-6      # how far the complex step may be from a plain difference, relative


@dataclass(frozen=True)
class Probe:
    """A direction, the derivative along it, how far that may be off, and what it is along either side."""

    direction: Array
    value: float
    uncertainty: float
    witness: str
    sides: tuple[float, float]

    @property
    def index(self) -> tuple[int, ...]:
        """The entry the direction moves most."""
        flat = int(np.argmax(np.abs(self.direction)))
        return tuple(int(i) for i in np.unravel_index(flat, self.direction.shape))

    def component(self, gradient: Array) -> float:
        """Give the component of a gradient along the direction."""
        return float((np.asarray(gradient, np.float64) * self.direction).sum())

    def allows(self, ours: float) -> bool:
        """Whether a value lies between the one-sided derivatives of a kink."""
        low, high = sorted(self.sides)
        jump = high - low
        return jump > 1e-3 * max(abs(low), abs(high)) and low - 0.01 * jump <= ours <= high + 0.01 * jump


def probe(
    loss: Callable[[Mapping[str, Array]], Any], point: Mapping[str, Array], name: str, rng: np.random.Generator
) -> list[Probe]:
    """Ask the witnesses for a function's derivative along directions of one of its arrays.

    Args:
        loss: the function, a number of named arrays.
        point: the arrays, float64 where they are floats.
        name: the one that moves.
        rng: draws entries and directions.

    Returns:
        One probe a direction; those to which no witness has an answer are left out.
    """
    found = []
    for direction in _directions(np.asarray(point[name]), rng):
        testimony = testify(loss, point, name, direction)
        if testimony is not None:
            sides = _one_sided(loss, point, name, direction)
            found.append(Probe(direction, testimony.value, testimony.uncertainty, testimony.witness, sides))
    return found


def testify(
    loss: Callable[[Mapping[str, Array]], Any], point: Mapping[str, Array], name: str, direction: Array
) -> witnesses.Testimony | None:
    """Ask the best witness of a function in double precision.

    The complex step is believed if a step 10⁸ times as long says the same (elsewhere its noise is measured by
    two widths of complex numbers, and TensorFlow has only one), and a plain difference to six digits: tf.norm
    and its like take complex numbers and are not analytic.
    """
    testimony = witnesses.testify(loss, point, name, direction)
    if testimony is None or testimony.witness != "complex step":
        return testimony
    moved = {k: np.asarray(v, np.complex128) if is_floating(v) else v for k, v in point.items()}
    moved[name] = moved[name] + 1j * LONGER_STEP * direction
    again = float(np.asarray(loss(moved)).imag) / LONGER_STEP
    apart = abs(again - testimony.value)
    plain = sum(_one_sided(loss, point, name, direction)) / 2
    noise = AGREE_ULPS * float(np.finfo(np.float64).eps) * abs(float(loss(point))) / STEP
    same = apart <= SAME * abs(testimony.value)
    if not (same and abs(plain - testimony.value) <= PLAINLY * abs(testimony.value) + noise):
        return witnesses.ridders(loss, point, name, direction)
    rounding = 8 * float(np.finfo(np.float64).eps) * abs(testimony.value)
    return replace(testimony, uncertainty=max(apart, rounding))


def judge_by_probes(
    name: str, ours: Array, wider: Array | None, probes: list[Probe], dtype: str, usual: float = 0.0
) -> TensorReport:
    """Judge a gradient by what the witnesses say along some directions.

    Args:
        name: what the row is called.
        ours: the gradient.
        wider: the same in float64 where `ours` is float32, if the code does that.
        probes: the testimonies.
        dtype: of `ours`.
        usual: the size a gradient of this function usually has, its value over its argument.

    Returns:
        The row: "undecidable" where no witness is certain enough; "rounding" where the formula is right in
        float64, or no further off than rounding of a gradient of the usual size; "kink" where the value lies
        between the one-sided derivatives.
    """
    worst = Worst((0,) * ours.ndim, float(ours.flat[0]), float("nan"))
    row = TensorReport(name, ours.shape, dtype, Verdict.UNDECIDABLE, float("inf"), AGREE_ULPS, worst)
    scale = scale_of(ours, *_entries(probes))
    rows = [_judge_probe(row, ours, wider, one, scale, usual) for one in probes]
    return max(rows, key=lambda r: (r.verdict.gravity, r.error_ulps), default=row)


def _judge_probe(
    row: TensorReport, ours: Array, wider: Array | None, one: Probe, scale: float, usual: float
) -> TensorReport:
    unit = ulp(scale, row.dtype) * float(np.abs(one.direction).sum())
    mine = one.component(ours)
    error = abs(mine - one.value) if np.isfinite(ours).all() else np.inf
    slack = max(AGREE_ULPS * unit, 8 * one.uncertainty)
    unsure = 8 * one.uncertainty > max(CERTAIN * scale, AGREE_ULPS * unit)
    if error <= AGREE_ULPS * unit or (error <= slack and not unsure):
        verdict = Verdict.AGREE
    elif one.allows(mine):
        verdict = Verdict.KINK
    elif error <= slack:
        verdict = Verdict.UNDECIDABLE
    else:
        lost = error <= AGREE_ULPS * ulp(usual, row.dtype) * float(np.abs(one.direction).sum())
        right = wider is not None and abs(one.component(wider) - one.value) <= slack
        verdict = Verdict.ROUNDING if lost or right else Verdict.DISAGREE
    worst = Worst(one.index, mine, one.value, one.value)
    return replace(
        row, verdict=verdict, error_ulps=error / unit, bound_ulps=slack / unit, worst=worst, scale=scale
    )


def _entries(probes: list[Probe]) -> list[Array]:
    return [np.asarray(one.value) for one in probes if np.count_nonzero(one.direction) == 1]


def _directions(array: Array, rng: np.random.Generator) -> Iterator[Array]:
    """Yield unit directions of single entries, then dense ones where not every entry has its own."""
    few = array.size <= EVERY_ENTRY
    entries = np.arange(array.size) if few else rng.choice(array.size, SOME_ENTRIES, replace=False)
    for flat in entries:
        direction = np.zeros(array.size)
        direction[flat] = 1.0
        yield direction.reshape(array.shape)
    for _ in range(0 if few else DIRECTIONS):
        yield rng.choice([-1.0, 1.0], array.shape) * rng.uniform(0.5, 1.5, array.shape)


def _one_sided(
    loss: Callable[[Mapping[str, Array]], Any], point: Mapping[str, Array], name: str, direction: Array
) -> tuple[float, float]:
    here = float(loss(point))
    behind, ahead = (float(loss({**point, name: point[name] + sign * STEP * direction})) for sign in (-1.0, 1.0))
    return (here - behind) / STEP, (ahead - here) / STEP
