"""Least squares against a sum done by hand and against plain numpy."""

import numpy as np
import pytest

from tf_reference.networks import linear_regression


def test_three_points_by_hand(as_tensors, tape_gradients):
    """From x = 1, 2, 3, y = 2, 2, 5, W = 2, b = -1: r = -1, 1, 0; loss 2/(2*3); dW = 1/3, db = 0 (A14)."""
    params, batch = as_tensors(({"W": [[2]], "b": [-1]}, ([[1], [2], [3]], [[2], [2], [5]])))
    tensors = linear_regression.forward(params, *batch)
    np.testing.assert_array_equal(tensors["z"], [[1], [3], [5]])
    np.testing.assert_array_equal(tensors["r"], [[-1], [1], [0]])
    assert float(tensors["loss"]) == pytest.approx(1 / 3, rel=1e-15)
    slopes = tape_gradients(linear_regression.forward, params, batch, ["z", "r"])
    np.testing.assert_allclose(slopes["W"], [[1 / 3]], rtol=1e-15)
    np.testing.assert_array_equal(slopes["b"], [0])
    np.testing.assert_allclose(slopes["r"], [[-1 / 3], [1 / 3], [0]], rtol=1e-15)


@pytest.mark.parametrize("inputs", [1, 4])
def test_the_loss_is_half_the_mean_square(inputs, as_tensors):
    """Any number of inputs: (1/2m) sum (x W + b - y)^2 by plain numpy."""
    rng = np.random.default_rng(inputs)
    W, b, x, y = (
        rng.normal(size=(inputs, 1)),
        rng.normal(size=1),
        rng.normal(size=(6, inputs)),
        rng.normal(size=(6, 1)),
    )
    expected = sum(float(row @ W[:, 0] + b[0] - value[0]) ** 2 for row, value in zip(x, y, strict=True)) / 12
    loss = linear_regression.forward(*as_tensors(({"W": W, "b": b}, x, y)))["loss"]
    np.testing.assert_allclose(loss, expected, rtol=1e-14)
