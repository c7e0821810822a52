"""Losses and gradients from logits stay finite and accurate when units saturate."""

import math

import numpy as np
import pytest

from manual_grads import activations, losses
from manual_grads.networks import logistic, mnist, neuron, relu_mlp, softmax_regression, wide_deep, xor, zoo

DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_keeps_its_tail(dtype):
    """1 - σ(z) is σ(-z): e^-50 for z = 50, not 0; and σ(±1000) is 1 or 0 without a warning."""
    z = np.array([50.0, -50.0, 1000.0, -1000.0], dtype)
    values = activations.sigmoid(z)
    assert values.dtype == dtype
    np.testing.assert_allclose(values, [1, math.exp(-50), 1, 0], rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_derivative_keeps_its_tail(dtype):
    """σ'(±50) = e^-50 (1 + O(e^-50)); formed from a rounded σ it would be 0."""
    derivative = activations.sigmoid_derivative(np.array([50.0, -50.0], dtype))
    np.testing.assert_allclose(derivative, math.exp(-50), rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_cross_entropy_at_a_thousand(dtype):
    """At z = ±1000 the loss is 1000 where the unit is wrong and 0 where it is right; the gradient ±1 or 0."""
    z = np.array([1000.0, 1000.0, -1000.0, -1000.0], dtype)
    t = np.array([0.0, 1.0, 0.0, 1.0], dtype)
    assert losses.sigmoid_cross_entropy(z, t).tolist() == [1000.0, 0.0, 0.0, 1000.0]
    assert losses.sigmoid_cross_entropy_gradient(z, t).tolist() == [1.0, 0.0, 0.0, -1.0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigma_minus_one_is_not_zero(dtype):
    """σ(z) - 1 at z = 40 is -e^-40, which 1 subtracted from a rounded σ(z) cannot say."""
    gradient = losses.sigmoid_cross_entropy_gradient(np.array([40.0], dtype), np.array([1.0], dtype))
    assert gradient[0] == pytest.approx(-math.exp(-40), rel=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_cross_entropy_at_a_thousand(dtype):
    """A row that is right has loss and gradient 0, one that is wrong has loss 2000 and gradient ±1."""
    z = np.array([[1000.0, -1000.0], [1000.0, -1000.0]], dtype)
    t = np.eye(2, dtype=dtype)
    assert losses.softmax_cross_entropy(z, t).tolist() == [0.0, 2000.0]
    assert losses.softmax_cross_entropy_gradient(z, t).tolist() == [[0.0, 0.0], [1.0, -1.0]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_minus_one_is_not_zero(dtype):
    """p - 1 of the label at logits (40, 0, 0) is -2 e^-40, and so is, with the other sign, the loss."""
    z, t = np.array([[40.0, 0.0, 0.0]], dtype), np.array([[1.0, 0.0, 0.0]], dtype)
    tail = 2 * math.exp(-40)
    assert losses.softmax_cross_entropy(z, t)[0] == pytest.approx(tail, rel=1e-5)
    np.testing.assert_allclose(losses.softmax_cross_entropy_gradient(z, t), [[-tail, tail / 2, tail / 2]], rtol=1e-5)


def softmax_pages():
    """Networks that end in a softmax, with widths that make a bias the logits."""
    return [(softmax_regression, {"W": (2, 3), "b": (3,)}), (mnist, {"W1": (2, 3), "b1": (3,)})]


def sigmoid_pages():
    """Networks that end in sigmoid units, with weights of zero, so that the last bias is the logit."""
    return [
        (logistic, {"W": (2, 1), "b": (1,)}),
        (xor, {"W1": (2, 2), "b1": (2,), "W2": (2, 1), "b2": (1,)}),
        (wide_deep, {"W1": (2, 3), "b1": (3,), "W2": (3, 1), "b2": (1,)}),
        (zoo, {"W": (2, 7), "b": (7,)}),
        (relu_mlp, {"W1": (2, 3), "b1": (3,), "W2": (3, 1), "b2": (1,)}),
        (neuron, {"w": (2, 1), "b": (1,)}),
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("logit", [1000.0, -1000.0])
@pytest.mark.parametrize(("page", "shapes"), sigmoid_pages(), ids=lambda x: getattr(x, "__name__", ""))
def test_every_sigmoid_network_survives_a_thousand(page, shapes, logit, dtype):
    """Loss and gradients of logits ±1000: finite, and those of units that are all wrong."""
    params = {name: np.zeros(shape, dtype) for name, shape in shapes.items()}
    last_bias = list(params)[-1]
    params[last_bias] += dtype(logit)
    outputs = params[last_bias].size
    x, t = np.ones((2, 2), dtype), np.full((2, outputs), float(logit < 0), dtype)
    loss, cache = page.forward(params, x, t)
    summed = page in (zoo, relu_mlp, neuron)
    assert float(loss) == (1000.0 * 2 * outputs if summed else 1000.0)
    gradients = page.backward(params, cache)
    np.testing.assert_allclose(
        gradients[last_bias], np.sign(logit) * (2.0 if summed else 2.0 / t.size), rtol=1e-6
    )
    # neuron's da1 is e^1000, which no float holds; everything that is computed from is finite
    assert all(np.isfinite(g).all() for name, g in gradients.items() if (page, name) != (neuron, "a1"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("page", "shapes"), softmax_pages(), ids=lambda x: getattr(x, "__name__", ""))
def test_every_softmax_network_survives_a_thousand(page, shapes, dtype):
    """Logits (1000, -1000, 0): label 1 costs 2000, with gradient (1, -1, 0) / B."""
    params = {name: np.zeros(shape, dtype) for name, shape in shapes.items()}
    bias = list(params)[-1]
    params[bias] = np.array([1000.0, -1000.0, 0.0], dtype)
    loss, cache = page.forward(params, np.ones((2, 2), dtype), np.eye(3, dtype=dtype)[[1, 1]])
    assert float(loss) == 2000.0
    assert page.backward(params, cache)[bias].tolist() == [1.0, -1.0, 0.0]


def test_neuron_at_a_unit_that_is_right():
    """da1 at l = 1000, t = 1 is -1 and not 0/0; the weightless term does not overflow."""
    params = {"w": np.zeros((1, 1)), "b": np.array([1000.0])}
    _, cache = neuron.forward(params, np.ones((1, 1)), np.ones((1, 1)))
    assert neuron.backward(params, cache)["a1"].tolist() == [[-1.0]]
