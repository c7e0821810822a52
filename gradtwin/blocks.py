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
