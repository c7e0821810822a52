"""The numpy-only second opinion agrees with the hand, and refuses a planted fault."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gradtwin.core.errors import InputError
from gradtwin.referee.finite_differences import central_differences, second_opinion, step_sizes
from gradtwin.twins import catalog

SMALL = {"mnist": (6, 5, 4, 3), "softmax_regression": (6, 4), "zoo": (16, 7)}


def small(name):
    """Give a twin whose entries are few enough to be moved one by one."""
    twin = catalog.get(name)
    return twin.resize(SMALL[name]) if name in SMALL else twin


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", catalog.names())
def test_the_hand_gradient_lies_within_the_methods_error(name, dtype):
    """Every parameter and input of every twin and node."""
    rows = second_opinion(small(name), dtype=dtype)
    assert rows and all(row.agrees for row in rows), [row for row in rows if not row.agrees]


@pytest.mark.parametrize("name", ["xor", "node_cross_entropy", "node_softmax"])
def test_a_gradient_one_percent_off_is_refused(name):
    """The planted fault is larger than what a tolerance of 1e-1 for the cross-entropy let pass (F002-8)."""
    twin = small(name)
    page = twin.manual
    side = SimpleNamespace(
        forward=page.forward,
        backward=lambda params, cache: {k: 1.01 * g for k, g in page.backward(params, cache).items()},
        batch_names=getattr(page, "batch_names", None),
        init_params=page.init_params,
    )
    assert not any(row.agrees for row in second_opinion(replace(twin, manual=side)))


def test_an_array_that_is_no_contiguous_view_is_moved_all_the_same():
    """A flattened copy of a transposed array would be moved instead of it, giving 0 (F002-9)."""
    x = np.arange(6.0).reshape(2, 3).T
    gradient = central_differences(lambda arrays: (arrays["x"] ** 2).sum(), {"x": x}, "x")
    np.testing.assert_allclose(gradient, 2 * x, rtol=1e-9)


def test_the_step_follows_dtype_and_size():
    """h = ε^(1/3) max(1, |x|)."""
    np.testing.assert_allclose(step_sizes(np.array([0.5, -300.0])), 6.055e-6 * np.array([1, 300]), rtol=1e-3)
    np.testing.assert_allclose(step_sizes(np.array([0.5], np.float32)), 4.92e-3, rtol=1e-2)


def test_labels_cannot_be_differentiated_by():
    """A whole-number array has no central difference."""
    with pytest.raises(InputError, match="expected a float array"):
        central_differences(lambda arrays: arrays["n"].sum(), {"n": np.arange(3)}, "n")
