"""The logistic neuron against the derived figures of 001 (A16) and against its formula."""

import numpy as np
import pytest
import tensorflow as tf

from tf_reference.networks import neuron

POINT = ({"w": [[0.1]], "b": [0.3]}, ([[0.1]], [[0.0]]))  # 001-neuron-inputs
FORWARD = {"o": 0.01, "l": 0.31, "a1": 0.5768852611320463}  # 001-neuron
E = 0.8601118864387144
SLOPES = {"l": 0.5768852611320463, "o": 0.5768852611320463, "b": 0.5768852611320463}
SLOPES |= {"w": 0.05768852611320463, "x": 0.05768852611320463}
SLOPE_AT_A1 = 2.363425114132178


def test_the_worked_example(as_tensors, tape_gradients):
    """Every number of the chain, forwards and backwards, is the derived figure 001-neuron."""
    params, batch = as_tensors(POINT)
    tensors = neuron.forward(params, *batch)
    for name, value in (FORWARD | {"loss": E, "loss_through_a1": E}).items():
        np.testing.assert_allclose(np.squeeze(tensors[name]), value, rtol=1e-14, err_msg=name)
    slopes = tape_gradients(neuron.forward, params, batch, ["o", "l"])
    for name, value in SLOPES.items():
        np.testing.assert_allclose(np.squeeze(slopes[name]), value, rtol=1e-14, err_msg=name)


def test_the_slope_at_a1_comes_from_the_second_expression(as_tensors, tape_gradients):
    """dE/da1 is the derived 2.363, and behind it both expressions have the same slopes."""
    params, batch = as_tensors(POINT)
    slopes = tape_gradients(neuron.forward, params, batch, ["o", "l", "a1"], loss="loss_through_a1")
    for name, value in (SLOPES | {"a1": SLOPE_AT_A1}).items():
        np.testing.assert_allclose(np.squeeze(slopes[name]), value, rtol=1e-14, err_msg=name)


def test_the_loss_is_the_sum_over_examples_and_units(as_tensors):
    """E of a matrix is -sum{t ln a1 + (1 - t) ln(1 - a1)}, computed here by plain numpy."""
    rng = np.random.default_rng(1)
    w, b, a0, t = rng.normal(size=(3, 2)), rng.normal(size=2), rng.normal(size=(5, 3)), rng.random((5, 2))
    a1 = 1 / (1 + np.exp(-(a0 @ w + b)))
    expected = -np.sum(t * np.log(a1) + (1 - t) * np.log(1 - a1))
    tensors = neuron.forward(*as_tensors(({"w": w, "b": b}, a0, t)))
    np.testing.assert_allclose(tensors["loss"], expected, rtol=1e-14)
    np.testing.assert_allclose(tensors["loss_through_a1"], expected, rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_saturated_neuron_keeps_its_loss_and_its_slope(dtype, routes, as_tensors):
    """Logits of +-1000 cost 1000 where wrong and 0 where right; the slope at l is a1 - t."""
    params, batch = as_tensors(
        ({"w": [[1000.0]], "b": [0.0]}, ([[1], [1], [-1], [-1]], [[0], [1], [0], [1]])), dtype
    )
    assert float(neuron.forward(params, *batch)["loss"]) == 2000
    for route in routes.values():
        slopes = route(neuron.forward, params, batch, ["l"])
        np.testing.assert_array_equal(np.ravel(slopes["l"]), [1, 0, 0, -1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_second_expression_is_finite_where_a_saturated_unit_is_right(dtype, tape_gradients, as_tensors):
    """a1 rounded to 1 with t = 1 (and 0 with 0): value 0, slopes -1 and 1, no 0 times infinity."""
    params, batch = as_tensors(({"w": [[1000.0]], "b": [0.0]}, ([[1], [-1]], [[1], [0]])), dtype)
    assert float(neuron.forward(params, *batch)["loss_through_a1"]) == 0
    slopes = tape_gradients(neuron.forward, params, batch, ["a1"], loss="loss_through_a1")
    np.testing.assert_array_equal(np.ravel(slopes["a1"]), [-1, 1])


def test_the_second_expression_is_infinite_where_a_saturated_unit_is_wrong(as_tensors):
    """a1 rounded to 1 with t = 0: -ln 0. Only the logits know that the loss is 1000."""
    params, batch = as_tensors(({"w": [[1000.0]], "b": [0.0]}, ([[1]], [[0]])))
    tensors = neuron.forward(params, *batch)
    assert tf.math.is_inf(tensors["loss_through_a1"])
    assert float(tensors["loss"]) == 1000
