"""Softmax regression: logarithms known by hand, plain numpy, and saturation."""

import numpy as np
import pytest

from tf_reference.networks import softmax_regression


def test_zero_weights_cost_ln_of_the_number_of_classes(as_tensors):
    """A fresh net that knows nothing: p = 1/10 each, mean loss ln 10, whatever N is."""
    params, x, t = as_tensors(({"W": np.zeros((4, 10)), "b": np.zeros(10)}, np.ones((6, 4)), np.eye(10)[:6]))
    tensors = softmax_regression.forward(params, x, t)
    np.testing.assert_allclose(tensors["p"], np.full((6, 10), 0.1), rtol=1e-15)
    np.testing.assert_allclose(tensors["loss"], np.log(10), rtol=1e-15)


def test_two_rows_by_hand(as_tensors, tape_gradients):
    """Logits 0 and ln 3: p = 1/4, 3/4; labels 0 and 1 cost ln 4 and ln 4/3; dz = (p - t)/2."""
    params, batch = as_tensors(({"W": [[0, np.log(3)]], "b": [0, 0]}, ([[1], [1]], np.eye(2))))
    tensors = softmax_regression.forward(params, *batch)
    np.testing.assert_allclose(tensors["p"], [[0.25, 0.75], [0.25, 0.75]], rtol=1e-15)
    assert float(tensors["loss"]) == pytest.approx((np.log(4) + np.log(4 / 3)) / 2, rel=1e-15)
    slopes = tape_gradients(softmax_regression.forward, params, batch, ["z"])
    np.testing.assert_allclose(slopes["z"], [[-3 / 8, 3 / 8], [1 / 8, -1 / 8]], rtol=1e-15)
    np.testing.assert_allclose(slopes["b"], [-1 / 4, 1 / 4], rtol=1e-14)


def test_the_loss_scores_each_row_against_its_own_label(as_tensors):
    """Each ln sum_k e^z_nk - z_n,label(n) by a loop, averaged; shuffled labels cost otherwise (F004-2)."""
    rng = np.random.default_rng(4)
    W, b, x = rng.normal(size=(5, 3)), rng.normal(size=3), rng.normal(size=(8, 5))
    labels = rng.integers(0, 3, 8)
    logits = x @ W + b
    expected = np.mean(
        [np.log(np.sum(np.exp(z))) - z[label] for z, label in zip(logits, labels, strict=True)]
    )
    params = {"W": W, "b": b}
    loss = softmax_regression.forward(*as_tensors((params, x, np.eye(3)[labels])))["loss"]
    np.testing.assert_allclose(loss, expected, rtol=1e-14)
    shuffled = softmax_regression.forward(*as_tensors((params, x, np.eye(3)[labels[::-1]])))["loss"]
    assert abs(float(shuffled) - expected) > 0.1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_of_1000_keep_loss_and_gradient(dtype, routes, as_tensors):
    """Logits (1000, -1000, 0), one label each: 0, 2000 and 1000, mean 1000; dz = (p - t)/3."""
    params, batch = as_tensors(
        ({"W": np.zeros((2, 3)), "b": [1000, -1000, 0]}, (np.ones((3, 2)), np.eye(3))), dtype
    )
    assert float(softmax_regression.forward(params, *batch)["loss"]) == 1000
    for route in routes.values():
        slopes = route(softmax_regression.forward, params, batch, ["z"])
        expected = np.array([[0, 0, 0], [1, -1, 0], [1, 0, -1]]) / 3
        np.testing.assert_allclose(slopes["z"], expected, rtol=1e-7)
