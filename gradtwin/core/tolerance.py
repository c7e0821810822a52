"""The unit of judgement: rounding at the scale of a tensor.

One rule serves every tensor of every twin, and it knows neither the network nor its size: two sides that
compute one formula in one precision differ by a few units in the last place (ulp) of the tensor's largest
magnitude. `AGREE_ULPS` of them settle a comparison at once. What lies beyond is not condemned, but looked
into: `gradtwin.referee.judge` measures both sides' rounding there and calls the witnesses.

Because every quantity is relative to the tensor's own magnitude, a loss multiplied by 1e-6 or by 1e6 is
judged the same.
"""

import numpy as np

from gradtwin.core.precision import spacing
from manual_grads import Array

AGREE_ULPS = 64.0

REPEAT_ULPS = AGREE_ULPS
"""Two runs of one code may differ as two sides may: threads add up in another order each time."""


def scale_of(*arrays: Array) -> float:
    """Give the largest finite magnitude among the arrays, 0 when there is none."""
    return max(map(_magnitude, arrays))


def _magnitude(array: Array) -> float:
    """Give an array's largest finite magnitude; one pass, and a second where something is not finite."""
    if array.size == 0:
        return 0.0
    largest = max(float(array.max()), -float(array.min()))
    return largest if np.isfinite(largest) else float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


def ulp(scale: float, dtype: str) -> float:
    """Give the spacing of the dtype's numbers at a magnitude, at least that of its smallest normal number."""
    return spacing(scale, dtype)


def ulps_apart(a: Array, b: Array, dtype: str, *, scale: float | None = None) -> Array:
    """Measure |a - b| entry by entry in ulp of the larger of the two tensors; not finite becomes inf.

    The difference is formed in float64, or in the wider precision of either side. It is exact where the two
    are near each other, so that no digit is lost in measuring it.
    """
    unit = ulp(scale_of(a, b) if scale is None else scale, dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.asarray(np.subtract(a, b, dtype=np.result_type(a, b, np.float64)))
        np.abs(apart, out=apart)
        apart /= unit
    apart[~np.isfinite(apart)] = np.inf
    return apart.astype(np.float64, copy=False)
