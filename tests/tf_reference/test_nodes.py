"""Each node against plain numpy, its gradient against a rule worked by hand, and its kinks and limits."""

import numpy as np
import pytest
import tensorflow as tf

from tf_reference import nodes

RNG = np.random.default_rng(6)
X, G = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
W, B, G_OF_LINEAR = RNG.normal(size=(3, 2)), RNG.normal(size=2), RNG.normal(size=(4, 2))
P, T = RNG.dirichlet(np.ones(3), 4), RNG.dirichlet(np.ones(3), 4)
G_OF_ROWS, G_OF_MEAN = RNG.normal(size=4), RNG.normal()
MASK = (RNG.random((4, 3)) < 0.7) / 0.7

SIGMOID = 1 / (1 + np.exp(-X))
SOFTMAX = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
# node: params, batch, y, slopes; the slopes are the rules of A19, each times the upstream g
NODES = {
    "linear": (
        {"x": X, "W": W, "b": B},
        (G_OF_LINEAR,),
        X @ W + B,
        {"x": G_OF_LINEAR @ W.T, "W": X.T @ G_OF_LINEAR, "b": G_OF_LINEAR.sum(axis=0)},
    ),
    "sigmoid": ({"x": X}, (G,), SIGMOID, {"x": G * SIGMOID * (1 - SIGMOID)}),
    "relu": ({"x": X}, (G,), np.where(X > 0, X, 0), {"x": np.where(X > 0, G, 0)}),
    "softmax": (
        {"x": X},
        (G,),
        SOFTMAX,
        {"x": SOFTMAX * (G - np.sum(G * SOFTMAX, axis=1, keepdims=True))},
    ),
    "cross_entropy": (
        {"x": P},
        (T, G_OF_ROWS),
        -np.sum(T * np.log(P), axis=1),
        {"x": -G_OF_ROWS[:, None] * T / P},
    ),
    "mean": ({"x": X}, (G_OF_MEAN,), np.sum(X) / 12, {"x": np.full((4, 3), G_OF_MEAN / 12)}),
    "dropout": ({"x": X}, (MASK, G), X * MASK, {"x": G * MASK}),
    "softmax_cross_entropy": (
        {"x": X},
        (T, G_OF_ROWS),
        np.log(np.sum(np.exp(X), axis=1)) - np.sum(T * X, axis=1),
        {"x": G_OF_ROWS[:, None] * (SOFTMAX - T)},
    ),
}


@pytest.fixture(params=NODES.items(), ids=NODES.keys())
def node(request):
    """Run a test once per node."""
    name, (params, batch, y, slopes) = request.param
    return getattr(nodes, name), params, batch, y, slopes


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-6), ("float64", 1e-14)])
def test_y_is_the_formula_and_the_loss_its_product_with_the_cotangent(node, dtype, bound, as_tensors):
    """Returned are y, as plain numpy has it, and loss = sum(g y), in the dtype that came in."""
    forward, params, batch, y, _ = node
    tensors = forward(*as_tensors((params, *batch), dtype))
    assert tensors.keys() == {"y", "loss"}
    assert {tensor.dtype.name for tensor in tensors.values()} == {dtype}
    assert tensors["loss"].shape == ()
    assert tuple(tensors["y"].shape) == np.shape(y)
    np.testing.assert_allclose(tensors["y"], y, rtol=10 * bound, atol=bound)
    np.testing.assert_allclose(tensors["loss"], np.sum(batch[-1] * y), rtol=10 * bound, atol=bound)


def test_every_route_gives_the_slopes_of_the_rules(node, as_tensors):
    """Eager tape, tf.gradients and XLA against the hand-worked rule; at y the slope is g."""
    forward, params, batch, _, slopes = node
    params, batch = as_tensors((params, batch))
    for take in (eagerly, in_a_graph, tf.function(eagerly, jit_compile=True)):
        got = take(forward, params, batch)
        for name, value in (slopes | {"y": batch[-1]}).items():
            np.testing.assert_allclose(got[name], value, rtol=1e-13, atol=1e-15, err_msg=name)


def eagerly(forward, params, batch):
    """Differentiate by a tape with respect to params and y."""
    with tf.GradientTape() as tape:
        tape.watch(params)
        tensors = forward(params, *batch)
    return tape.gradient(tensors["loss"], params | {"y": tensors["y"]})


@tf.function
def in_a_graph(forward, params, batch):
    """Differentiate by tf.gradients with respect to params and y."""
    tensors = forward(params, *batch)
    sources = params | {"y": tensors["y"]}
    return dict(zip(sources, tf.gradients(tensors["loss"], list(sources.values())), strict=True))


def test_the_graph_shows_y_in_its_layers_scope(node, as_tensors):
    """The operation is found as layer1/y, the contraction under loss."""
    forward, params, batch, _, _ = node
    graph = tf.function(forward).get_concrete_function(*as_tensors((params, *batch))).graph
    names = {operation.name for operation in graph.get_operations() if operation.type != "Placeholder"}
    assert "loss/loss" in names
    assert any(name.startswith("layer1/y") for name in names)
    assert {name.split("/")[0] for name in names if "/" in name} == {"layer1", "loss"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_relu_takes_the_slope_0_at_0_and_at_minus_0(dtype, as_tensors):
    """The kink's convention, next to the two clear cases."""
    params, batch = as_tensors(({"x": [0.0, -0.0, 1e-30, -1e-30]}, ([3, 3, 3, 3],)), dtype)
    for take in (eagerly, in_a_graph, tf.function(eagerly, jit_compile=True)):
        np.testing.assert_array_equal(take(nodes.relu, params, batch)["x"], [0, 0, 3, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sigmoid", "softmax"])
def test_saturated_activations_are_finite_and_right(name, dtype, as_tensors):
    """At x = 1000 against -1000: y is 1 and 0, and nothing moves it."""
    params, batch = as_tensors(({"x": [[1000, -1000]]}, ([[2, 5]],)), dtype)
    np.testing.assert_array_equal(getattr(nodes, name)(params, *batch)["y"], [[1, 0]])
    np.testing.assert_array_equal(eagerly(getattr(nodes, name), params, batch)["x"], [[0, 0]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_cross_entropy_is_finite_and_right_at_1000(dtype, as_tensors):
    """Logits (1000, -1000): a label costs 0 or 2000, the slope is g times 0 or (1, -1)."""
    params, batch = as_tensors(({"x": [[1000, -1000]] * 2}, ([[1, 0], [0, 1]], [3, 3])), dtype)
    np.testing.assert_array_equal(nodes.softmax_cross_entropy(params, *batch)["y"], [0, 2000])
    for take in (eagerly, in_a_graph, tf.function(eagerly, jit_compile=True)):
        slope = take(nodes.softmax_cross_entropy, params, batch)["x"]
        np.testing.assert_array_equal(slope, [[0, 0], [3, -3]])


def test_softmax_cross_entropy_does_not_stop_at_a_clamp(as_tensors):
    """Logits (0, 40), label 0: loss 40, slope (-1, 1); a clamp would say 34.54 (F002-2)."""
    params, batch = as_tensors(({"x": [[0, 40]]}, ([[1, 0]], [1])))
    np.testing.assert_allclose(nodes.softmax_cross_entropy(params, *batch)["y"], [40], rtol=1e-15)
    np.testing.assert_allclose(
        eagerly(nodes.softmax_cross_entropy, params, batch)["x"], [[-1, 1]], rtol=1e-15
    )


def test_cross_entropy_has_no_clamp(as_tensors):
    """At x = 1e-20 a target of 1 costs 20 ln 10 with slope -1e20, a target of 0 nothing (F002-2)."""
    params, batch = as_tensors(({"x": [[1e-20, 0.5]]}, ([[1, 0]], [1])))
    np.testing.assert_allclose(nodes.cross_entropy(params, *batch)["y"], [20 * np.log(10)], rtol=1e-15)
    np.testing.assert_allclose(eagerly(nodes.cross_entropy, params, batch)["x"], [[-1e20, 0]], rtol=1e-15)


def test_cross_entropy_charges_nothing_for_an_impossible_class_that_does_not_come(as_tensors):
    """A target of 0 at x = 0 costs 0 with slope 0, not 0 times infinity."""
    params, batch = as_tensors(({"x": [[1, 0]]}, ([[1, 0]], [3])))
    np.testing.assert_array_equal(nodes.cross_entropy(params, *batch)["y"], [0])
    np.testing.assert_array_equal(eagerly(nodes.cross_entropy, params, batch)["x"], [[-3, 0]])
