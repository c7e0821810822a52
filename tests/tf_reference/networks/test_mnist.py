"""The net for digits: plain numpy at several depths, dropout by given masks, the kink, and saturation."""

import numpy as np
import pytest

from tf_reference.networks import mnist

KEEP = 0.7


def drawn(widths, seed=0):
    """Draw parameters, a batch of four, and one scaled mask per hidden layer."""
    rng = np.random.default_rng(seed)
    params = {
        f"W{k}": rng.normal(size=pair) for k, pair in enumerate(zip(widths, widths[1:], strict=False), 1)
    }
    params |= {f"b{k}": rng.normal(size=width) for k, width in enumerate(widths[1:], 1)}
    x, t = rng.random((4, widths[0])), np.eye(widths[-1])[rng.integers(0, widths[-1], 4)]
    masks = [(rng.random((4, width)) < KEEP) / KEEP for width in widths[1:-1]]
    return params, x, t, masks


def by_numpy(params, x, t, masks):
    """Return the loss by plain numpy, unshifted exponentials and all."""
    depth, h = len(params) // 2, x
    for k in range(1, depth):
        a = np.maximum(h @ params[f"W{k}"] + params[f"b{k}"], 0)
        h = a * masks[k - 1] if masks else a
    z = h @ params[f"W{depth}"] + params[f"b{depth}"]
    return np.mean(np.log(np.sum(np.exp(z), axis=1)) - z[t == 1])


@pytest.mark.parametrize("widths", [(6, 3), (6, 5, 3), (6, 5, 4, 5, 3)])
def test_the_loss_is_the_mean_cross_entropy_with_and_without_masks(widths, as_tensors):
    """Relu layers, each times its mask, then ln sum e^z - z_label, averaged over the batch."""
    params, x, t, masks = drawn(widths)
    without = mnist.forward(*as_tensors((params, x, t)))["loss"]
    np.testing.assert_allclose(without, by_numpy(params, x, t, []), rtol=1e-13)
    with_masks = mnist.forward(*as_tensors((params, x, t, *masks)))["loss"]
    np.testing.assert_allclose(with_masks, by_numpy(params, x, t, masks), rtol=1e-13)
    assert len(widths) == 2 or abs(float(with_masks - without)) > 1e-3


def test_a_dropped_unit_gets_no_gradient_and_a_kept_one_gets_it_scaled(as_tensors, tape_gradients):
    """da1 = dh1 mask: the forward pass's own mask, 1/keep included; none in evaluation."""
    params, x, t, masks = drawn((6, 5, 3))
    params, batch = as_tensors((params, (x, t, *masks)))
    slopes = tape_gradients(mnist.forward, params, batch, ["a1", "h1"])
    np.testing.assert_allclose(slopes["a1"], slopes["h1"] * masks[0], rtol=1e-15)
    assert 0 < np.sum(masks[0] == 0) < masks[0].size
    slopes = tape_gradients(mnist.forward, params, batch[:2], ["a1", "h1"])
    np.testing.assert_array_equal(slopes["a1"], slopes["h1"])


def test_evaluation_passes_the_activations_on_untouched(as_tensors):
    """Without masks h1 is a1."""
    params, x, t, _ = drawn((6, 5, 3))
    tensors = mnist.forward(*as_tensors((params, x, t)))
    np.testing.assert_array_equal(tensors["h1"], tensors["a1"])


def test_the_kink_passes_no_gradient(as_tensors, routes):
    """Black pixels over zero biases: z1 = 0 everywhere, and the slope taken there is 0."""
    params, x, t, masks = drawn((6, 5, 3))
    params, batch = as_tensors((params | {"b1": np.zeros(5)}, (0 * x, t)))
    for route in routes.values():
        slopes = route(mnist.forward, params, batch, ["z1", "a1"])
        assert np.abs(slopes["a1"]).min() > 0
        np.testing.assert_array_equal(slopes["z1"], np.zeros((4, 5)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_of_1000_keep_loss_and_gradient(dtype, routes, as_tensors):
    """Logits (1000, -1000, 0) in every row, labels 1, 1, 1, 0: mean(2000, 2000, 2000, 0); dz = (p - t)/4."""
    params, x, _, _ = drawn((6, 5, 3))
    params |= {"W2": np.zeros((5, 3)), "b2": [1000, -1000, 0]}
    params, batch = as_tensors((params, (x, np.eye(3)[[1, 1, 1, 0]])), dtype)
    assert float(mnist.forward(params, *batch)["loss"]) == 1500
    for route in routes.values():
        slopes = route(mnist.forward, params, batch, ["z1", "z2"])
        np.testing.assert_array_equal(slopes["z2"], np.array([[1, -1, 0]] * 3 + [[0, 0, 0]]) / 4)
        assert np.isfinite(slopes["z1"]).all()


@pytest.mark.parametrize("count", [1, 3])
def test_a_wrong_number_of_masks_is_refused(count, as_tensors):
    """A mask for every hidden layer or none at all."""
    params, x, t, masks = drawn((6, 5, 4, 3))
    arguments = as_tensors((params, x, t, *(masks + masks)[:count]))
    with pytest.raises(ValueError, match=f"^Expected 2 masks, one per hidden layer, or none; got {count}.$"):
        mnist.forward(*arguments)
