"""Arrays in pieces that stay in the processor's cache, however large the arrays are."""

from collections.abc import Iterator

import numpy as np

from manual_grads import Array

ENTRIES = 32_768
"""Entries of a piece: a few of them in float64 fit into a core's own cache."""


def blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Go through arrays of one shape together, in C order, whatever their strides.

    Args:
        *arrays: of one shape, any dtypes.

    Yields:
        One piece of each, [at most `ENTRIES`]; pieces of contiguous arrays are views. They are not for keeping: the
        next piece may lie in the same memory.
    """
    if arrays[0].size <= ENTRIES:
        yield tuple(np.ravel(a) for a in arrays)
    elif all(a.flags.c_contiguous for a in arrays):
        flat = [a.reshape(-1) for a in arrays]
        for begin in range(0, flat[0].size, ENTRIES):
            yield tuple(a[begin : begin + ENTRIES] for a in flat)
    else:
        # A buffer of numpy's for the arrays that lie otherwise.
        pieces = np.nditer(arrays, ["external_loop", "buffered"], order="C", buffersize=ENTRIES)
        for piece in pieces:
            yield piece if isinstance(piece, tuple) else (piece,)


def any_nonzero(array: Array) -> bool:
    """Whether an array has an entry that is not zero; nearly always the first piece tells."""
    return any(piece.any() for (piece,) in blocks(np.asarray(array)))


def all_finite(array: Array) -> bool:
    """Whether no entry is NaN or infinite: then, and only then, the least and the largest are neither."""
    if array.dtype.kind not in "f" or not array.size:
        return bool(np.isfinite(array).all())
    return all(bool(np.isfinite(piece.max()) and np.isfinite(piece.min())) for (piece,) in blocks(array))
