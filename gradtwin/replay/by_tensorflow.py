"""TensorFlow's side of the replay, each loop inside one graph. `by_hand` has the same functions."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradtwin.backend.tensorflow_side import load_tensorflow, resolve
from gradtwin.twins.twin import Twin
from manual_grads import Array, Params

Batch = tuple[Array, ...]
PHILOX = 1
SMALLEST_NORMAL, SMALLEST_SUBNORMAL = -1022 * math.log(2), -1074 * math.log(2)


def philox_words(key: int, stream: int, blocks: int) -> Array:
    """Give the Philox words [blocks, 4] of the first blocks of a stream."""
    tf = load_tensorflow()
    counter = tf.constant([0, stream], tf.uint64)
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[blocks, 4], key=tf.constant([key], tf.uint64), counter=counter, alg=PHILOX, dtype=tf.uint32
    )
    return words.numpy()


def normal(seed: int, seed2: int, shape: tuple[int, ...]) -> Array:
    """Draw standard normals by TensorFlow's own op, as a graph under `seed` draws them."""
    tf = load_tensorflow()
    # In eager mode a second call with the same pair would go on with the stream; a fresh graph starts it.
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        return session.run(tf.raw_ops.RandomStandardNormal(shape=shape, dtype=tf.float32, seed=seed, seed2=seed2))


def values(twin: Twin, params: Params, batch: Batch) -> Params:
    """Give the loss and every named intermediate."""
    forward = resolve(twin.reference)
    return {name: value.numpy() for name, value in forward(_tensors(params), *_tensors(batch)).items()}


def gradients(twin: Twin, params: Params, batch: Batch) -> Params:
    """Give the gradient of every parameter, of the first input and of every named intermediate."""
    tf = load_tensorflow()
    tensors, inputs = _tensors(params), _tensors(batch)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([tensors, inputs])
        found = resolve(twin.reference)(tensors, *inputs)
    sources = found | {"x": inputs[0], "a0": inputs[0]} | tensors
    through = {name: found.get(f"loss_through_{name}", found["loss"]) for name in sources}
    slopes = {name: tape.gradient(through[name], source) for name, source in sources.items()}
    return {name: slope.numpy() for name, slope in slopes.items() if slope is not None}


def descend(twin: Twin, params: Params, batch: Batch, learning_rate: float, updates: int) -> Params:
    """Give the parameters after a number of gradient descent updates on one batch."""
    slopes = _automatic(resolve(twin.reference))
    return _run(_descent(slopes), params, _tensors(batch), learning_rate, updates)


def descend_as_000(params: Params, batch: Batch, learning_rate: float, updates: int) -> Params:
    """Descend with the gradients of 000: F000-1 and F000-2 kept.

    Operation by operation: the graph optimizer rearranges the quotient of F000-2, and in float32 a
    saturated unit shows it in the fourth digit of the loss.
    """
    after, inputs = _tensors(params), _tensors(batch)
    for _ in range(updates):
        slopes = _slopes_of_000(after, *inputs)
        after = {name: p - learning_rate * slopes[name] for name, p in after.items()}
    return {name: p.numpy() for name, p in after.items()}


def descend_in_batches(
    twin: Twin, params: Params, x: Array, t: Array, rows: Array, learning_rate: float
) -> tuple[Array, Array]:
    """Train on one batch x[rows[i]] after the other; give loss and match ratio before each update."""
    tf = load_tensorflow()
    forward = resolve(twin.reference)

    @tf.function(autograph=False)
    def run(start: Any, x: Any, t: Any, rows: Any) -> Any:
        def step(state: Any, some: Any) -> Any:
            batch = tf.gather(x, some), tf.gather(t, some)
            with tf.GradientTape() as tape:
                tape.watch(state[0])
                found = forward(state[0], *batch)
            matches = tf.equal(tf.argmax(found["p"], axis=1), tf.argmax(batch[1], axis=1))
            slopes = tape.gradient(found["loss"], state[0])
            after = {name: p - learning_rate * slopes[name] for name, p in state[0].items()}
            return after, found["loss"], tf.reduce_mean(tf.cast(matches, found["loss"].dtype))

        zero = tf.zeros((), x.dtype)
        return tf.scan(step, rows, initializer=(start, zero, zero))[1:]

    losses, ratios = run(_tensors(params), *_tensors((x, t, rows)))
    return losses.numpy(), ratios.numpy()


def slope_of_cross_entropy(p: Array, t: Array) -> Array:
    """Differentiate -Σ {t ln p + (1 - t) ln(1 - p)} with respect to p."""
    tf = load_tensorflow()
    answer, target = _tensors((p, t))
    with tf.GradientTape() as tape:
        tape.watch(answer)
        loss = -tf.reduce_sum(target * tf.math.log(answer) + (1 - target) * tf.math.log(1 - answer))
    return tape.gradient(loss, answer).numpy()


def losses_as_004(z: Array, labels: Array) -> tuple[Array, Array]:
    """Give both cross-entropies of 004, F004-2 kept: from the probabilities, and from the logits z [B, C]."""
    tf = load_tensorflow()
    logits, columns = tf.constant(z), tf.constant(labels)
    every_label = functools.partial(tf.gather, indices=columns, axis=1)  # [B, C] -> [B, B]
    from_probabilities = -tf.reduce_mean(every_label(_log_of_softmax(logits)))
    from_logits = tf.reduce_mean(tf.math.log(tf.reduce_sum(tf.exp(logits), axis=1, keepdims=True)))
    return from_probabilities.numpy(), (from_logits - tf.reduce_mean(every_label(logits))).numpy()


def _log_of_softmax(z: Any) -> Any:
    """Give ln softmax(z), the probabilities rounded to doubles first.

    TensorFlow flushes numbers below 2^-1022 to zero. Doubles go on below that in multiples of 2^-1074; the
    one such probability in 004 makes the printed difference, so it is counted here in these multiples.
    """
    tf = load_tensorflow()
    shifted = z - tf.reduce_max(z, axis=1, keepdims=True)
    total = tf.reduce_sum(tf.exp(shifted), axis=1, keepdims=True)
    log_p = shifted - tf.math.log(total)
    multiples = tf.round(tf.round(tf.exp(shifted - SMALLEST_SUBNORMAL)) / total)
    subnormal = tf.math.log(multiples) + SMALLEST_SUBNORMAL
    return tf.where(log_p < SMALLEST_NORMAL, subnormal, tf.math.log(tf.exp(shifted) / total))


def _slopes_of_000(params: Any, x: Any, t: Any) -> Any:
    """Differentiate the zoo as 000 does: D with an epsilon (F000-2), one sum for all biases (F000-1)."""
    tf = load_tensorflow()

    @tf.custom_gradient
    def cross_entropy(z: Any) -> Any:
        p = 1 / (1 + tf.exp(-z))  # not tf.sigmoid: its last bit differs, and F000-2 divides by it
        D = (p - t) / (p * (1 - p) + 1e-7) * (p * (1 - p))
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=t, logits=z), lambda upstream: upstream * D

    with tf.GradientTape() as tape:
        tape.watch(params)
        loss = tf.reduce_sum(cross_entropy(tf.linalg.matmul(x, params["W"]) + params["b"]))
    slopes = tape.gradient(loss, params)
    return slopes | {"b": tf.fill(tf.shape(params["b"]), tf.reduce_sum(slopes["b"]))}


@functools.cache
def _automatic(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function that gives the gradient of each parameter of a reference."""

    def slopes(params: Any, *batch: Any) -> Any:
        tf = load_tensorflow()
        with tf.GradientTape() as tape:
            tape.watch(params)
            loss = forward(params, *batch)["loss"]
        return tape.gradient(loss, params)

    return slopes


@functools.cache
def _descent(slopes: Callable[..., Any]) -> Callable[..., Any]:
    """Make gradient descent, all updates in one graph; the graph is kept for the next call."""
    tf = load_tensorflow()

    @tf.function(autograph=False)
    def run(params: Any, batch: Any, learning_rate: Any, updates: Any) -> Any:
        def step(done: Any, params: Any) -> Any:
            found = slopes(params, *batch)
            return done + 1, {name: p - learning_rate * found[name] for name, p in params.items()}

        return tf.while_loop(lambda done, _: done < updates, step, (0, params))[1]

    return run


def _run(descent: Callable[..., Any], params: Params, batch: Any, learning_rate: float, updates: int) -> Params:
    tf = load_tensorflow()
    start = _tensors(params)
    dtype = next(iter(start.values())).dtype
    after = descent(start, batch, tf.constant(learning_rate, dtype), tf.constant(updates))
    return {name: p.numpy() for name, p in after.items()}


def _tensors(arrays: Any) -> Any:
    """Turn a dictionary or a tuple of arrays into one of tensors."""
    tf = load_tensorflow()
    if isinstance(arrays, dict):
        return {name: tf.constant(np.asarray(array)) for name, array in arrays.items()}
    return tuple(tf.constant(array) for array in arrays)
