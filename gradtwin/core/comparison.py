"""Two tensors compared by the quick rule, in one pass over memory however large they are.

The pieces stay in the cache and nothing of the tensors' size is made beside them, so a gradient of a hundred million
entries is compared in the memory it lies in. The worst entry is the true one, and the entries beyond the bound are all
counted: where there is any, in a second pass, when the unit is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradtwin.core.blocks import blocks
from gradtwin.core.tolerance import AGREE_ULPS, scale_of, ulp
from manual_grads import Array


@dataclass(frozen=True)
class Comparison:
    """How far two tensors are apart.

    Attributes:
        error_ulps: the largest |a - b|, in ulp of `scale`; infinite where either is not finite.
        index: where that is, the first such place in C order.
        beyond: how many entries are more than 64 ulp apart.
        finite: whether all entries of both are finite.
        scale: the largest finite magnitude of the two, or the one that was given.
    """

    error_ulps: float
    index: tuple[int, ...]
    beyond: int
    finite: bool
    scale: float


def compare(a: Array, b: Array, dtype: str, *, scale: float | None = None) -> Comparison:
    """Compare two tensors of one shape entry by entry, in units of the last place of `dtype`.

    The difference is formed in float64, or in the wider precision of either side. It is exact where the two are near
    each other, so that no digit is lost in measuring it.

    Args:
        a: a tensor.
        b: another one of the same shape.
        dtype: the precision in whose units the distance is given.
        scale: the magnitude at which the unit is taken; the tensors' own if None.

    Returns:
        The comparison.
    """
    largest, place, begin, own_scale, finite = -1.0, 0, 0, 0.0, True
    for one, two, apart in _distances(a, b):
        own_scale = max(own_scale, scale_of(one, two))
        here = float(apart.max())
        if not np.isfinite(here):
            finite = finite and bool(np.isfinite(one).all() and np.isfinite(two).all())
            apart[~np.isfinite(apart)] = np.inf
            here = np.inf
        if here > largest:
            largest, place = here, begin + int(apart.argmax())
        begin += apart.size
    scale = own_scale if scale is None else scale
    unit = ulp(scale, dtype)
    error = largest / unit
    beyond = 0 if error <= AGREE_ULPS else _count_beyond(a, b, AGREE_ULPS * unit)
    return Comparison(error, tuple(map(int, np.unravel_index(place, np.shape(a)))), beyond, finite, scale)


def _distances(a: Array, b: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Give the pieces of two tensors, and their distance entry by entry."""
    kind = np.result_type(a, b, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        for one, two in blocks(a, b):
            apart = np.subtract(one, two, dtype=kind)
            yield one, two, np.abs(apart, out=apart)


def _count_beyond(a: Array, b: Array, bound: float) -> int:
    """Count what is not within the bound, NaN included."""
    return sum(apart.size - int(np.count_nonzero(apart <= bound)) for _, _, apart in _distances(a, b))


def entries_beyond(a: Array, b: Array, bound: float) -> Array:
    """Give the flat indices of the entries that are more than `bound` apart, NaN included, in C order."""
    begin, found = 0, []
    for _, _, apart in _distances(a, b):
        found.append(begin + np.flatnonzero(~(apart <= bound)))
        begin += apart.size
    return np.concatenate(found)


def largest_entries(array: Array, count: int) -> Array:
    """Give the flat indices of the largest entries, the largest first, without sorting all of them."""
    flat = np.ravel(array)
    largest = np.argpartition(flat, -count)[-count:] if flat.size > count else np.arange(flat.size)
    return largest[np.argsort(flat[largest], kind="stable")[::-1]]
