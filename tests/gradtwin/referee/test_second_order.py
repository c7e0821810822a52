"""Second order, forward mode and single examples: every built-in twin holds, every planted fault is seen."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gradtwin.backend.tensorflow_side import directional_derivative, hessian_vector_products, resolve
from gradtwin.referee.second_order import second_order
from gradtwin.twins import catalog
from manual_grads.networks import relu_mlp, softmax_regression, xor

WITHOUT_EXAMPLES = {"gates", "node_mean"}  # a graph of scalars, and a node whose cotangent is one number


def failing(rows):
    """Give the pairs of property and tensor that do not hold."""
    return {(r.property, r.tensor) for r in rows if not r.ok}


def with_side(name, page, *, forward=None, backward=None):
    """Put another forward or backward into a built-in twin."""
    twin = catalog.get(name)
    side = SimpleNamespace(
        init_params=page.init_params, forward=forward or page.forward, backward=backward or page.backward
    )
    return replace(twin, manual=side)


@pytest.mark.parametrize("name", catalog.names())
def test_every_built_in_twin_holds(name):
    """The pages take complex numbers, so the complex step speaks for all of them."""
    twin = catalog.get(name)
    twin = twin.resize((20, 9, 8, 3)) if name == "mnist" else twin
    for seed in (0, 1):
        rows = second_order(twin, seed)
        assert failing(rows) == set()
        assert {r.witness for r in rows if r.property in ("hessian_vector", "symmetry")} == {"complex step"}
        properties = {r.property for r in rows}
        assert ("per_example" not in properties) == (name in WITHOUT_EXAMPLES)
        assert {"hessian_vector", "symmetry", "forward_mode"} <= properties


def test_the_whole_digits_network_holds():
    """Four layers of 512 units: 1,195,018 parameters and their second derivative along one direction."""
    assert failing(second_order("mnist")) == set()


def test_a_parameters_hessian_is_the_one_by_hand():
    """Of L = 1/(2B) sum (x W + b - y)^2 it is xᵀ x / B, whatever W is."""
    twin = catalog.get("linear_regression")
    params, (x, y) = twin.point(0)
    v = {"W": np.array([[1.0], [-2.0], [0.5]])}
    products = hessian_vector_products(resolve(twin.reference), params, {"x": x, "y": y}, v)
    np.testing.assert_allclose(products["W"], x.T @ x @ v["W"] / len(x), rtol=1e-14)


def test_forward_mode_is_the_slope_by_hand():
    """Of f = w x + b along (dw, db, dx): x dw + db + w dx."""
    twin = catalog.get("gates")
    params, (x,) = twin.point(0)
    v = {"w": np.array(0.5), "b": np.array(2.0), "x": np.array(-1.0)}
    assert directional_derivative(resolve(twin.reference), params, {"x": x}, v) == 5.0 * 0.5 + 2.0 + 2.0
    assert directional_derivative(lambda p, x: x * 2.0, {"w": x}, {"x": x}, {"w": x}) == 0.0


def test_a_gradient_of_nothing_is_not_symmetric():
    """A term that is no derivative of any loss has a Hessian that is not its own transpose."""

    def backward(params, cache):
        gradients = xor.backward(params, cache)
        return gradients | {"b1": gradients["b1"] + 1e-9 * params["W2"][:, 0]}

    rows = second_order(with_side("xor", xor, backward=backward))
    assert {("hessian_vector", "b1"), ("symmetry", "all")} <= failing(rows)


def test_a_small_wrong_factor_shows_in_every_property():
    """One part in a million on one tensor."""

    def backward(params, cache):
        gradients = xor.backward(params, cache)
        return gradients | {"W1": gradients["W1"] * (1 + 1e-6)}

    rows = second_order(with_side("xor", xor, backward=backward))
    assert failing(rows) >= {("hessian_vector", "W1"), ("symmetry", "all"), ("forward_mode", "all")}


def test_a_gradient_right_only_at_the_point_is_seen():
    """A constant has the right value and no derivative."""
    twin = catalog.get("xor")
    params, (x, t) = twin.point(0)
    frozen = xor.backward(params, xor.forward(params, x, t)[1])

    def backward(params, cache):
        return xor.backward(params, cache) | {"W2": frozen["W2"].copy()}

    rows = second_order(with_side("xor", xor, backward=backward))
    assert ("hessian_vector", "W2") in failing(rows)
    assert ("forward_mode", "all") not in failing(rows)


def test_a_mean_where_the_loss_is_a_sum_is_seen_by_single_examples():
    """One example's mean is its sum, so the examples add up to N times too much."""

    def backward(params, cache):
        gradients = relu_mlp.backward(params, cache)
        return {name: g / len(cache["x"]) for name, g in gradients.items()}

    rows = second_order(with_side("relu_mlp", relu_mlp, backward=backward))
    assert {("per_example", "W1"), ("per_example", "x")} <= failing(rows)
    assert ("per_example", "loss") not in failing(rows)


def test_a_reduction_that_is_not_the_declared_one_is_seen():
    """A loss that is a mean does not add up."""
    twin = replace(catalog.get("softmax_regression"), reduction="sum")
    assert ("per_example", "loss") in failing(second_order(twin))


def test_examples_that_leak_into_each_other_are_seen():
    """A gradient that subtracts the batch's mean is right for no example alone."""

    def backward(params, cache):
        gradients = softmax_regression.backward(params, cache)
        return gradients | {"x": gradients["x"] - gradients["x"].mean(axis=0)}

    rows = second_order(with_side("softmax_regression", softmax_regression, backward=backward))
    assert ("per_example", "x") in failing(rows)
    assert ("per_example", "W") not in failing(rows)


@pytest.mark.parametrize("cast", [np.abs, np.real, lambda a: np.asarray(a, dtype=float)])
def test_code_that_is_not_analytic_is_judged_by_differences(cast):
    """It drops the imaginary part, silently or with an exception; the row says who speaks instead."""

    def backward(params, cache):
        gradients = xor.backward(params, cache)
        sign = np.sign(np.real(gradients["W1"]))
        return gradients | {"W1": sign * cast(sign * gradients["W1"])}

    def wrong(params, cache):
        gradients = backward(params, cache)
        return gradients | {"b2": gradients["b2"] * 1.01}

    rows = second_order(with_side("xor", xor, backward=backward))
    assert failing(rows) == set()
    assert {r.witness for r in rows if r.property == "hessian_vector"} == {"central difference"}
    assert ("hessian_vector", "b2") in failing(second_order(with_side("xor", xor, backward=wrong)))


def test_what_is_not_finite_does_not_hold():
    """NaN is at most nothing."""

    def backward(params, cache):
        return xor.backward(params, cache) | {"W1": np.full((2, 2), np.nan)}

    rows = second_order(with_side("xor", xor, backward=backward))
    assert {("hessian_vector", "W1"), ("symmetry", "all"), ("forward_mode", "all")} <= failing(rows)
