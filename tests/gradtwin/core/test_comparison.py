"""One pass over two tensors of any size: the true worst entry, an exact count, and no memory of their size."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from gradtwin.core.blocks import ENTRIES
from gradtwin.core.comparison import compare, largest_entries
from gradtwin.core.tolerance import AGREE_ULPS, scale_of, ulps_apart


def _in_full(a, b, dtype):
    """Compute what a comparison is from the distance of all entries, held in memory at once."""
    apart = ulps_apart(a, b, dtype)
    index = tuple(map(int, np.unravel_index(np.argmax(apart), apart.shape)))
    finite = bool(np.isfinite(a).all() and np.isfinite(b).all())
    return float(apart[index]), index, int((apart > AGREE_ULPS).sum()), finite, scale_of(a, b)


def _fields(found):
    return found.error_ulps, found.index, found.beyond, found.finite, found.scale


FINITE_OR_NOT = st.one_of(st.floats(-10, 10), st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1e-300]))


MATRICES = st_numpy.arrays(np.float64, (3, 4), elements=FINITE_OR_NOT)


@given(MATRICES, MATRICES)
def test_pieces_say_what_the_whole_says(a, b):
    """Any numbers, not finite ones among them."""
    assert _fields(compare(a, b, "float64")) == _in_full(a, b, "float64")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("place", [0, ENTRIES - 1, ENTRIES, 3 * ENTRIES + 16])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_wrong_entry_is_found_wherever_it_lies(dtype, place, order):
    """First, last of a piece, first of the next, last of all; the other entries are a rounding off."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3 * ENTRIES + 17)).astype(dtype)
    b = np.nextafter(a, np.inf)
    b[place] += 1e-3
    a, b = a.reshape(5, -1) if a.size % 5 == 0 else a, b.reshape(5, -1) if a.size % 5 == 0 else b
    a, b = np.asarray(a, order=order), np.asarray(b)
    found = compare(a, b, dtype)
    assert np.ravel_multi_index(found.index, a.shape) == place and found.beyond == 1
    assert _fields(found) == _in_full(a, b, dtype)


def test_every_entry_beyond_the_bound_is_counted():
    """One in a thousand of 200,000, and a NaN."""
    a = np.ones(200_000)
    b = a.copy()
    b[::1000] += 1e-6
    b[7] = np.nan
    found = compare(a, b, "float64")
    assert (found.beyond, found.index, found.finite, found.error_ulps) == (201, (7,), False, np.inf)


def test_nothing_of_the_tensors_size_is_made():
    """Two tensors of 32 MB, wrong in every entry, compared within 3 MB."""
    a = np.ones((2000, 2000))
    b = a * 1.5
    tracemalloc.start()
    found = compare(a, b, "float64")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.beyond == a.size and peak < 3_000_000


def test_the_largest_entries_come_largest_first():
    """As a full sort gives them."""
    array = np.random.default_rng(0).permutation(1000).reshape(20, 50)
    assert array.ravel()[largest_entries(array, 4)].tolist() == [999, 998, 997, 996]
    assert largest_entries(np.array([2.0, 5.0]), 6).tolist() == [1, 0]
