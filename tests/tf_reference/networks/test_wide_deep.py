"""Sigmoid nets of any depth: the printed wide net, the formula at other depths, and saturation."""

import numpy as np
import pytest
import tensorflow as tf

from tf_reference import optimizers
from tf_reference.networks import wide_deep, xor

X, T = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
# fmt: off
START = {
    "W1": np.array(  # init-A5-W1
        [[0.802695692, 0.678612888, -1.21728337, -0.305168033, -0.303211302, 1.50825703, 0.757223427,
        -0.700891078, -2.10820341, 0.665515721], [0.394838959, 2.08362913, -0.598574877, 0.715091288,
        1.11294806, 0.597578168, -0.906203032, -0.718698919, -0.0170072187, -0.705392063]]
    ),
    "b1": np.array(  # init-A5-b1
        [0.458479136, -0.944014728, -2.11799574, -0.75924629, -0.53626281, 0.20454593, -0.147840485,
        -0.85583812, -1.99628448, 0.818598926]
    ),
    "W2": np.array(  # init-A5-W2
        [[1.38516176], [-0.782976627], [-0.658295393], [-1.14181697], [-0.128120095], [1.66734624],
        [-0.43882069], [-0.569721878], [2.88640022], [-1.74528503]]
    ),
    "b2": np.array(  # init-A5-b2
        [0.157988921]
    ),
}
# fmt: on
WIDE_H = [0.00358802, 0.99366933, 0.99204296, 0.0095663]  # 001-wide-h


def drawn(widths, rng):
    """Draw the parameters of a net of these widths."""
    params = {
        f"W{k}": rng.normal(size=pair) for k, pair in enumerate(zip(widths, widths[1:], strict=False), 1)
    }
    return params | {f"b{k}": rng.normal(size=width) for k, width in enumerate(widths[1:], 1)}


@pytest.mark.parametrize("widths", [(2, 1), (2, 10, 1), (2, 10, 10, 10, 1), (3, 4, 5, 2)])
def test_the_loss_is_the_mean_cross_entropy_of_the_last_layer(widths, as_tensors):
    """Any depth, any width, by plain numpy, layer after layer, and averaged over all N DL entries."""
    rng = np.random.default_rng(len(widths))
    params = drawn(widths, rng)
    x, t = rng.normal(size=(6, widths[0])), rng.integers(0, 2, (6, widths[-1]))
    a = x
    for k in range(1, len(widths)):
        a = 1 / (1 + np.exp(-(a @ params[f"W{k}"] + params[f"b{k}"])))
    expected = np.mean(-np.log(np.where(t == 1, a, 1 - a)))
    tensors = wide_deep.forward(*as_tensors((params, x, t)))
    np.testing.assert_allclose(tensors["p"], a, rtol=1e-13)
    np.testing.assert_allclose(tensors["loss"], expected, rtol=1e-13)


def test_two_layers_are_the_xor_net(as_tensors):
    """With the widths 2-2-1 the page computes what the XOR page spells out."""
    params, x, t = as_tensors((drawn((2, 2, 1), np.random.default_rng(0)), X, T))
    expected = xor.forward(params, x, t)
    tensors = wide_deep.forward(params, x, t)
    assert tensors.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(tensors[name], value, err_msg=name)


def test_the_wide_net_ends_at_the_printed_hypothesis(as_tensors):
    """001-wide-h: the seed-777 start at learning rate 0.1 after 10,001 updates (A5)."""
    variables = {name: tf.Variable(value) for name, value in START.items()}
    batch = as_tensors((X, T))

    @tf.function(jit_compile=True)
    def train():
        for _ in tf.range(10001):
            with tf.GradientTape() as tape:
                loss = wide_deep.forward(variables, *batch)["loss"]
            optimizers.gradient_descent(variables, tape.gradient(loss, variables), 0.1)

    train()
    np.testing.assert_allclose(np.ravel(wide_deep.forward(variables, *batch)["p"]), WIDE_H, atol=2e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_of_1000_keep_loss_and_gradient_finite_at_every_depth(dtype, routes, as_tensors):
    """Every unit saturated: loss mean(1000, 0), slope (p - t)/N at the logits, zeros and no NaN below."""
    params = {"W1": [[1000.0]], "b1": [0.0], "W2": [[1000.0]], "b2": [0.0], "W3": [[1000.0]], "b3": [0.0]}
    params, batch = as_tensors((params, ([[1], [1]], [[0], [1]])), dtype)
    assert float(wide_deep.forward(params, *batch)["loss"]) == 500
    for route in routes.values():
        slopes = route(wide_deep.forward, params, batch, ["z1", "a1", "z2", "a2", "z3"])
        np.testing.assert_array_equal(np.ravel(slopes["z3"]), [0.5, 0])
        assert all(np.isfinite(slope).all() for slope in slopes.values())
