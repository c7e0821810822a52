"""The 2-2-1 net against the figures that 001 prints: one forward pass and two trainings."""

import numpy as np
import pytest
import tensorflow as tf

from tf_reference import optimizers
from tf_reference.networks import xor

X, T = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
START = {  # init-A4-W1 .. init-A4-b2
    "W1": [[0.802695692, 0.678612888], [-1.21728337, -0.305168033]],
    "b1": [0.458479136, -0.944014728],
    "W2": [[1.38516176], [-0.782976627]],
    "b2": [0.157988921],
}
HAND_SET = {
    "W1": [[5, -7], [5, -7]],
    "b1": [-8, 3],
    "W2": [[-11], [-11]],
    "b2": [6],
}  # A3 with its completion
AT_2000 = {  # 001-log2-2000
    "W1": [[0.71915275, -0.48754135], [-0.56914777, -0.55209494]],
    "b1": [0.03925836, 0.02369077],
    "W2": [[-0.44138899], [0.23536676]],
    "b2": [0.14039496],
}
AT_4000 = {  # 001-log2-4000
    "W1": [[0.74125487, -0.45954311], [-0.55370271, -0.53450096]],
    "b1": [0.08946501, 0.03708982],
    "W2": [[-0.42565805], [0.19686614]],
    "b2": [0.15204136],
}


def trained(start, learning_rate, updates):
    """Return the parameters after so many full-batch updates, all of them inside one graph."""
    variables = {name: tf.Variable(np.array(value, float)) for name, value in start.items()}
    x, t = tf.constant(X, tf.float64), tf.constant(T, tf.float64)

    @tf.function(jit_compile=True)
    def train():
        for _ in tf.range(updates):
            with tf.GradientTape() as tape:
                loss = xor.forward(variables, x, t)["loss"]
            optimizers.gradient_descent(variables, tape.gradient(loss, variables), learning_rate)

    train()
    return {name: variable.value() for name, variable in variables.items()}


def test_the_cost_before_the_first_update(as_tensors):
    """From the seed-777 start the cost is 0.7584403 (A4)."""
    assert float(xor.forward(*as_tensors((START, X, T)))["loss"]) == pytest.approx(0.7584403, abs=5e-8)


def test_the_hand_set_weights_solve_xor(as_tensors):
    """A3 with its completion: h = 0.0112, 0.9949, 0.9949, 0.0244 (001-handset-h)."""
    p = xor.forward(*as_tensors((HAND_SET, X, T)))["p"]
    np.testing.assert_allclose(np.ravel(p), [0.0112, 0.9949, 0.9949, 0.0244], atol=5e-5)


def test_the_printed_state_gives_the_printed_layers(as_tensors):
    """001-log2-2000: layer1, hypothesis and cost follow from the printed parameters alone (A11)."""
    tensors = xor.forward(*as_tensors((AT_2000, X, T)))
    layer1 = [
        [0.50981331, 0.50592244],
        [0.37054271, 0.37088916],
        [0.6810087, 0.38607275],
        [0.54717511, 0.26581794],
    ]
    np.testing.assert_allclose(tensors["a1"], layer1, atol=5e-8)
    np.testing.assert_allclose(
        np.ravel(tensors["p"]), [0.50861073, 0.51602864, 0.4826754, 0.49036184], atol=5e-8
    )
    assert float(tensors["loss"]) == pytest.approx(0.69364417, abs=5e-8)


def test_two_thousand_updates_carry_one_printed_state_to_the_next(as_tensors):
    """001-log2-2000 to 001-log2-4000 at learning rate 0.01, gradients by TensorFlow (A11)."""
    params = trained(AT_2000, 0.01, 2000)
    for name, value in AT_4000.items():
        np.testing.assert_allclose(params[name], value, atol=3e-7, err_msg=name)
    assert float(xor.forward(params, *as_tensors((X, T)))["loss"]) == pytest.approx(0.69332385, abs=3e-7)


def test_ten_thousand_updates_give_the_printed_hypothesis(as_tensors):
    """001-nn-h: the seed-777 start at learning rate 0.1 after 10,001 updates (A4)."""
    p = xor.forward(trained(START, 0.1, 10001), *as_tensors((X, T)))["p"]
    np.testing.assert_allclose(np.ravel(p), [0.01338218, 0.98166394, 0.98809403, 0.01135799], atol=2e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_saturated_output_keeps_loss_and_gradient(dtype, routes, as_tensors):
    """b2 = 1000 over zero weights: the two zeros of XOR cost 1000 each, mean 500; db2 = (1 + 0 + 0 + 1)/4."""
    params, batch = as_tensors(
        ({"W1": [[1, -1], [1, 1]], "b1": [1000, -1000], "W2": [[0], [0]], "b2": [1000]}, (X, T)), dtype
    )
    assert float(xor.forward(params, *batch)["loss"]) == 500
    for route in routes.values():
        slopes = route(xor.forward, params, batch, ["z1", "a1", "z2"])
        assert all(np.isfinite(slope).all() for slope in slopes.values())
        assert float(slopes["b2"][0]) == 0.5
