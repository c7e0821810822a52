"""How far two arrays are apart, in ulp and relative to themselves, and how that is drawn.

The curves are drawn on a logarithmic scale that has room for zero, where both sides agree to the last bit:

    gap in ulp       log10(1 + u)          0 for u = 0, 0.3 for one ulp, 1 for nine
    relative gap     log10(ε + r)          log10(ε) for r = 0: -15.7 in float64, -6.9 in float32

with ε the dtype's distance from 1 to the next number.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradtwin.core import tolerance
from gradtwin.core.blocks import ENTRIES, blocks
from manual_grads import Array, Params


@dataclass(frozen=True)
class Gap:
    """How far two arrays are apart: `ulp` and `relative`, and the same on their logarithmic scales."""

    ulp: float
    relative: float
    log_ulp: float
    log_relative: float


def measure(manual: Params, tensorflow: Params) -> dict[str, Gap]:
    """Measure the gap between both sides of each array.

    u = max |m - t| / ulp(max(|m|, |t|)), in units of the last place of the largest entry of both;
    r = max of |m - t| / max(|m|, |t|) entry by entry, 0 where both are 0. NaN where an entry is NaN.

    Small arrays are laid end to end, for they cost more in calls of numpy than in numbers; large ones are gone through
    in pieces that stay in the cache.

    Args:
        manual: name -> array of any shape, float32 or float64.
        tensorflow: the same names, shapes and dtype.
    """
    names = [name for name, array in tensorflow.items() if array.size]
    small = [name for name in names if tensorflow[name].size <= ENTRIES]
    numbers = dict(zip(small, _side_by_side([(manual[n], tensorflow[n]) for n in small]), strict=True))
    for name in set(names) - set(small):
        pieces = [_side_by_side([piece])[0] for piece in blocks(manual[name], tensorflow[name])]
        numbers[name] = np.max(pieces, axis=0).tolist()
    return {name: _gap(numbers[name], tensorflow[name].dtype.name) for name in names}


def _side_by_side(pairs: Sequence[tuple[Array, ...]]) -> list[Sequence[float]]:
    """Give for each pair of arrays the largest |m - t|, the largest magnitude, and the largest share of it."""
    if not pairs:
        return []
    ours, theirs = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    starts = np.cumsum([0, *(ours.size for ours, _ in pairs[:-1])])
    with np.errstate(invalid="ignore", divide="ignore"):
        apart, size = np.abs(ours - theirs), np.maximum(np.abs(ours), np.abs(theirs))
        shares = apart / size
    shares[size == 0] = 0.0
    found = (np.maximum.reduceat(values, starts).tolist() for values in (apart, size, shares))
    return list(zip(*found, strict=True))


def _gap(numbers: Sequence[float], dtype: str) -> Gap:
    largest, scale, share = numbers
    # Beside an infinite or missing entry there is no unit; the difference is not finite then, in any unit.
    ulps = largest / (tolerance.ulp(scale, dtype) if math.isfinite(scale) else 1.0)
    return Gap(ulps, share, math.log10(1.0 + ulps), math.log10(_epsilon(dtype) + share))


@functools.cache
def _epsilon(dtype: str) -> float:
    return float(np.finfo(dtype).eps)


def in_ulp_by_entry(manual: Array, tensorflow: Array) -> Array:
    """Give every entry's difference in the same unit as `measure`; not finite becomes infinite."""
    return tolerance.ulps_apart(manual, tensorflow, manual.dtype.name)
