"""The hand-derived side of the replay. `by_tensorflow` has the same functions."""

import numpy as np

from gradtwin.faults.source_variants import f004_2_from_probabilities, f004_2_loss, zoo_of_000
from gradtwin.twins import philox
from gradtwin.twins.twin import Twin
from manual_grads import Array, Params, optimizers

Batch = tuple[Array, ...]


def philox_words(key: int, stream: int, blocks: int) -> Array:
    """Give the Philox words [blocks, 4] of the first blocks of a stream."""
    return philox.philox4x32(key, np.arange(blocks, dtype=np.uint64), stream)


def normal(seed: int, seed2: int, shape: tuple[int, ...]) -> Array:
    """Draw TensorFlow 1's standard normals."""
    return philox.normal(seed, seed2, shape)


def values(twin: Twin, params: Params, batch: Batch) -> Params:
    """Give the loss and every named intermediate."""
    loss, cache = twin.manual.forward(params, *batch)
    return cache | {"loss": loss}


def gradients(twin: Twin, params: Params, batch: Batch) -> Params:
    """Give the gradient of every parameter, input and named intermediate."""
    return twin.manual.backward(params, twin.manual.forward(params, *batch)[1])


def descend(twin: Twin, params: Params, batch: Batch, learning_rate: float, updates: int) -> Params:
    """Give the parameters after a number of gradient descent updates on one batch."""
    for _ in range(updates):
        params = optimizers.gradient_descent(params, gradients(twin, params, batch), learning_rate)
    return params


def descend_as_000(params: Params, batch: Batch, learning_rate: float, updates: int) -> Params:
    """Descend with the gradients of 000: F000-1 and F000-2 kept."""
    for _ in range(updates):
        found = zoo_of_000.backward(params, zoo_of_000.forward(params, *batch)[1])
        params = optimizers.gradient_descent(params, found, learning_rate)
    return params


def descend_in_batches(
    twin: Twin, params: Params, x: Array, t: Array, rows: Array, learning_rate: float
) -> tuple[Array, Array]:
    """Train on one batch x[rows[i]] after the other; give loss and match ratio before each update."""
    losses, ratios = [], []
    for batch in ((x[some], t[some]) for some in rows):
        loss, cache = twin.manual.forward(params, *batch)
        losses.append(loss)
        ratios.append(np.mean(cache["p"].argmax(axis=1) == batch[1].argmax(axis=1)))
        params = optimizers.gradient_descent(params, twin.manual.backward(params, cache), learning_rate)
    return np.array(losses), np.array(ratios)


def slope_of_cross_entropy(p: Array, t: Array) -> Array:
    """Differentiate -Σ {t ln p + (1 - t) ln(1 - p)} with respect to p: (1 - t)/(1 - p) - t/p."""
    return (1 - t) / (1 - p) - t / p


def losses_as_004(z: Array, labels: Array) -> tuple[Array, Array]:
    """Give both cross-entropies of 004, F004-2 kept: from the probabilities, and from the logits z [B, C]."""
    return f004_2_from_probabilities(z, labels), f004_2_loss(z, labels)
