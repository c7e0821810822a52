"""How far two arrays are apart, in ulp and relative to themselves, and how that is drawn.

The curves are drawn on a logarithmic scale that has room for zero, where both sides agree to the last bit:

    gap in ulp       log10(1 + u)          0 for u = 0, 0.3 for one ulp, 1.8 for 64
    relative gap     log10(ε + r)          log10(ε) for r = 0: -15.7 in float64, -6.9 in float32

with ε the dtype's distance from 1 to the next number.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

from gradtwin.referee import tolerance
from manual_grads import Array


@dataclass(frozen=True)
class Gap:
    """How far two arrays are apart: `ulp` and `relative`, and the same on their logarithmic scales."""

    ulp: float
    relative: float
    log_ulp: float
    log_relative: float


def measure(manual: Array, tensorflow: Array) -> Gap:
    """Measure the gap between both sides of one array.

    u = max |m - t| / ulp(max(|m|, |t|)), in units of the last place of the largest entry of both;
    r = max of |m - t| / max(|m|, |t|) entry by entry, 0 where both are 0. NaN where an entry is NaN.

    Args:
        manual: any shape, float32 or float64.
        tensorflow: same shape and dtype.
    """
    size = np.maximum(np.abs(manual), np.abs(tensorflow))
    apart = np.abs(manual - tensorflow)
    largest = float(apart.max(initial=0.0))
    scale = float(size.max(initial=0.0))
    if not math.isfinite(scale):
        scale = tolerance.scale_of(manual, tensorflow)
    ulps = largest / tolerance.ulp(scale, apart.dtype.name)
    share = 0.0
    if largest != 0:
        with np.errstate(invalid="ignore"):
            shares = np.divide(apart, size, out=np.zeros_like(size), where=size != 0)
        share = float(shares.max())
    return Gap(ulps, share, math.log10(1.0 + ulps), math.log10(_epsilon(apart.dtype.name) + share))


@functools.cache
def _epsilon(dtype: str) -> float:
    return float(np.finfo(dtype).eps)


def in_ulp_by_entry(manual: Array, tensorflow: Array) -> Array:
    """Give every entry's difference in the same unit as `measure`; not finite becomes infinite."""
    return tolerance.ulps_apart(manual, tensorflow, manual.dtype.name)
