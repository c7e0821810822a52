"""Seven sigmoids: the sum over all entries, by hand and by plain numpy, and saturation."""

import numpy as np
import pytest

from tf_reference.networks import zoo


def test_all_zero_weights_cost_ln_2_for_every_entry(as_tensors, tape_gradients):
    """N = 5 animals, 7 questions: the sum is 35 ln 2, and db = 5/2 less the animals of each class."""
    classes = [0, 0, 3, 0, 6]
    params, batch = as_tensors(
        ({"W": np.zeros((16, 7)), "b": np.zeros(7)}, (np.ones((5, 16)), np.eye(7)[classes]))
    )
    assert float(zoo.forward(params, *batch)["loss"]) == pytest.approx(35 * np.log(2), rel=1e-14)
    slopes = tape_gradients(zoo.forward, params, batch, ["z"])
    np.testing.assert_array_equal(slopes["b"], 2.5 - np.bincount(classes, minlength=7))


def test_the_loss_is_the_sum_of_all_cross_entropies(as_tensors):
    """-sum{t ln p + (1 - t) ln(1 - p)} by plain numpy at random weights."""
    rng = np.random.default_rng(2)
    W, b = rng.normal(size=(16, 7)) / 4, rng.normal(size=7)
    x, t = rng.integers(0, 2, (9, 16)), np.eye(7)[rng.integers(0, 7, 9)]
    p = 1 / (1 + np.exp(-(x @ W + b)))
    expected = -np.sum(t * np.log(p) + (1 - t) * np.log(1 - p))
    tensors = zoo.forward(*as_tensors(({"W": W, "b": b}, x, t)))
    np.testing.assert_allclose(tensors["p"], p, rtol=1e-14)
    np.testing.assert_allclose(tensors["loss"], expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_of_1000_keep_loss_and_gradient(dtype, routes, as_tensors):
    """Units at +1000 and -1000: 1000 for each wrong answer, and a slope of p - t that never dies."""
    logits, t = np.array([1000, -1000, 1000, -1000, 1000, -1000, 0]), np.array([1, 0, 0, 1, 0, 0, 0])
    params, batch = as_tensors(({"W": np.zeros((16, 7)), "b": logits}, (np.zeros((1, 16)), t[None])), dtype)
    assert float(zoo.forward(params, *batch)["loss"]) == pytest.approx(3000 + np.log(2), rel=1e-7)
    for route in routes.values():
        slopes = route(zoo.forward, params, batch, ["z"])
        np.testing.assert_array_equal(slopes["b"], [0, 0, 1, -1, 1, 0, 0.5])
