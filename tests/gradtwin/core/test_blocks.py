"""Pieces of arrays: all entries once, in C order, together."""

import numpy as np
import pytest

from gradtwin.core.blocks import ENTRIES, blocks

LONG = np.arange(2.0 * ENTRIES + 10)


@pytest.mark.parametrize(
    "arrays",
    [
        (LONG,),
        (LONG, LONG.astype(np.float32)),
        (LONG.reshape(2, -1), LONG.reshape(2, -1).copy(order="F")),
        (LONG.reshape(-1, 2).T, -LONG.reshape(2, -1)),
        (LONG[::-1], LONG),
        (np.array(3.0), np.array(4.0)),
        (np.zeros((0, 3)), np.zeros((0, 3))),
    ],
    ids=["one", "two dtypes", "two orders", "transposed", "reversed", "scalars", "empty"],
)
def test_every_entry_comes_once_beside_its_own(arrays):
    """Put together again, the pieces are the arrays in C order."""
    pieces = [tuple(np.array(part) for part in piece) for piece in blocks(*arrays)]
    for i, array in enumerate(arrays):
        assert np.array_equal(np.concatenate([piece[i] for piece in pieces]), np.ravel(array))
        assert all(piece[i].dtype == array.dtype and piece[i].size <= ENTRIES for piece in pieces)


def test_pieces_of_contiguous_arrays_are_views():
    """Nothing is copied where nothing has to be."""
    assert all(np.shares_memory(piece, LONG) for (piece,) in blocks(LONG))
