"""Values and derivatives side by side, the kink pinned, and nothing modified."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from manual_grads import activations, losses

LOGITS = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(-700, 700))


@given(LOGITS)
def test_sigmoid_is_the_mirror_of_itself(z):
    """σ(z) + σ(-z) = 1."""
    np.testing.assert_allclose(activations.sigmoid(z) + activations.sigmoid(-z), 1, rtol=0, atol=5e-16)


@given(LOGITS)
def test_softmax_rows_add_up_to_one(z):
    """Probabilities, whatever is added to a row."""
    p = activations.softmax(z)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(activations.softmax(z + 128), p, rtol=1e-10)


@given(LOGITS)
def test_softmax_derivative_gives_nothing_to_a_constant_cotangent(z):
    """Σ_k p_k is 1 whatever z is, so a cotangent of ones has no derivative."""
    p = activations.softmax(z)
    np.testing.assert_allclose(activations.softmax_derivative(p, np.ones_like(p)), 0, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu_derivative_is_zero_at_the_kink(dtype):
    """relu'(0) = relu'(-0) = 0, as in TensorFlow; F003-1 takes 1."""
    derivative = activations.relu_derivative(np.array([-1, -0.0, 0.0, 1e-30, 2], dtype))
    assert derivative.tolist() == [0, 0, 0, 1, 1] and derivative.dtype == dtype


@pytest.mark.parametrize(
    ("value", "derivative"),
    [
        (activations.sigmoid, activations.sigmoid_derivative),
        (activations.relu, activations.relu_derivative),
        (
            lambda z: losses.sigmoid_cross_entropy(z, 0.25 * np.ones_like(z.real)),
            lambda z: losses.sigmoid_cross_entropy_gradient(z, 0.25 * np.ones_like(z)),
        ),
        (
            lambda z: losses.squared_error(z, np.ones_like(z.real)),
            lambda z: losses.squared_error_gradient(z, np.ones_like(z)),
        ),
    ],
    ids=["sigmoid", "relu", "sigmoid_cross_entropy", "squared_error"],
)
def test_each_derivative_is_that_of_the_value_beside_it(value, derivative):
    """Im f(z + i h) / h with h = 1e-20 differentiates what is computed."""
    z = np.array([-30.0, -2.5, -0.3, 0.4, 1.7, 25.0])
    np.testing.assert_allclose(value(z + 1e-20j).imag / 1e-20, derivative(z), rtol=1e-13)


def test_softmax_cross_entropy_gradient_is_that_of_its_value():
    """The same by the complex step, one logit at a time."""
    rng = np.random.default_rng(0)
    z, t = rng.standard_normal((4, 5)), rng.dirichlet(np.ones(5), size=4)
    gradient = losses.softmax_cross_entropy_gradient(z, t)
    for index in np.ndindex(z.shape):
        moved = z.astype(complex)
        moved[index] += 1e-20j
        assert losses.softmax_cross_entropy(moved, t).sum().imag / 1e-20 == pytest.approx(gradient[index], rel=1e-12)


@pytest.mark.parametrize("function", [activations.sigmoid, activations.relu, activations.softmax])
def test_inputs_are_never_modified(function):
    """Read-only arrays pass, so nothing is written to them."""
    z = np.random.default_rng(0).standard_normal((3, 4))
    z.flags.writeable = False
    assert function(z).shape == z.shape
