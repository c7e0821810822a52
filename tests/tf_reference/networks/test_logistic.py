"""Logistic regression: XOR's ln 2, the formula, and saturation."""

import numpy as np
import pytest

from tf_reference.networks import logistic

X, T = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
START = {"W": [[0.802695692], [0.678612888]], "b": [0.458479136]}  # init-A2-W, init-A2-b


def test_all_zero_weights_cost_ln_2_on_xor_and_are_stationary(as_tensors, tape_gradients):
    """The best that A2 can do: h = 0.5 four times, cost ln 2, no slope left in W or b."""
    params, batch = as_tensors(({"W": [[0], [0]], "b": [0]}, (X, T)))
    tensors = logistic.forward(params, *batch)
    np.testing.assert_array_equal(tensors["p"], [[0.5]] * 4)
    np.testing.assert_allclose(tensors["loss"], np.log(2), rtol=1e-15)
    slopes = tape_gradients(logistic.forward, params, batch, ["z"])
    np.testing.assert_array_equal(slopes["z"], [[0.125], [-0.125], [-0.125], [0.125]])
    np.testing.assert_array_equal(slopes["W"], [[0], [0]])
    np.testing.assert_array_equal(slopes["b"], [0])


def test_the_loss_is_the_mean_cross_entropy(as_tensors):
    """From the start of A2: -mean{t ln p + (1 - t) ln(1 - p)} by plain numpy."""
    p = 1 / (1 + np.exp(-(np.array(X) @ START["W"] + START["b"])))
    expected = -np.mean(np.log(np.where(np.array(T) == 1, p, 1 - p)))
    tensors = logistic.forward(*as_tensors((START, X, T)))
    np.testing.assert_allclose(tensors["p"], p, rtol=1e-15)
    np.testing.assert_allclose(tensors["loss"], expected, rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_of_1000_cost_1000_where_wrong_and_nothing_where_right(dtype, routes, as_tensors):
    """Mean of 1000, 0, 0, 1000; the slope at z is (p - t)/4 with nothing lost and nothing infinite."""
    params, batch = as_tensors(
        ({"W": [[1000]], "b": [0]}, ([[1], [1], [-1], [-1]], [[0], [1], [0], [1]])), dtype
    )
    assert float(logistic.forward(params, *batch)["loss"]) == 500
    for route in routes.values():
        slopes = route(logistic.forward, params, batch, ["z"])
        np.testing.assert_array_equal(np.ravel(slopes["z"]), [0.25, 0, 0, -0.25])
