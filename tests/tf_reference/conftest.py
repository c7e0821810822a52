"""What the tests of the reference side share: the three ways TensorFlow can be asked for a derivative."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import tensorflow as tf

Gradients = Callable[[Callable, dict, Sequence, Sequence[str]], dict]


def by_tape(forward, params, batch, names, loss="loss"):
    """Differentiate eagerly by a tape; the batch's first member goes by the name x."""
    with tf.GradientTape() as tape:
        tape.watch(params)
        tape.watch(batch)
        tensors = forward(params, *batch)
    return tape.gradient(tensors[loss], _sources(params, batch, tensors, names))


def by_graph(forward, params, batch, names, loss="loss"):
    """Differentiate by tf.gradients inside a traced function."""

    @tf.function
    def gradients(params, *batch):
        tensors = forward(params, *batch)
        wanted = _sources(params, batch, tensors, names)
        return dict(zip(wanted, tf.gradients(tensors[loss], list(wanted.values())), strict=True))

    return gradients(params, *batch)


def by_xla(forward, params, batch, names, loss="loss"):
    """Differentiate by a tape inside a function compiled by XLA."""

    @tf.function(jit_compile=True)
    def gradients(params, *batch):
        return by_tape(forward, params, batch, names, loss)

    return gradients(params, *batch)


def _sources(params, batch, tensors, names):
    return params | {"x": batch[0]} | {name: tensors[name] for name in names}


@pytest.fixture
def routes() -> dict[str, Gradients]:
    """Return the routes to a gradient: an eager tape, tf.gradients in a graph, a compiled tape."""
    return {"tape": by_tape, "gradients": by_graph, "xla": by_xla}


@pytest.fixture
def tape_gradients() -> Gradients:
    """Return the route of the eager tape alone."""
    return by_tape


@pytest.fixture
def as_tensors():
    """Return a function that makes constants of the arrays, or lists of numbers, in dicts and tuples."""

    def convert(values, dtype="float64"):
        if isinstance(values, dict):
            return {name: convert(value, dtype) for name, value in values.items()}
        if isinstance(values, tuple):
            return tuple(convert(value, dtype) for value in values)
        return tf.constant(np.asarray(values), dtype)

    return convert
