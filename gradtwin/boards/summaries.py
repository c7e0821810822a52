"""Numbers, distributions, images and graphs in the form TensorBoard reads.

`scalar`, `histogram` and `images` give one value each for `EventFile.add`, `graph` what
`EventFile.add_graph` takes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradtwin.boards.layers import parameter_scope
from gradtwin.tensorflow_side import load_tensorflow
from manual_grads import Array

BUCKETS = 30


def scalar(tag: str, number: float) -> Any:
    """Make a point of a curve, in float32, the only kind TensorBoard draws; NaN and infinities included."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    with np.errstate(over="ignore"):
        return Summary.Value(tag=tag, simple_value=np.float32(number))


def histogram(tag: str, array: Array) -> Any:
    """Make a distribution: 30 rows of [left edge, right edge, count] over the finite entries."""
    from tensorboard.plugins.histogram import metadata

    return _value(tag, buckets(array), metadata.create_summary_metadata("", ""))


def buckets(array: Array) -> Array:
    """Count the finite entries of an array in 30 equal steps from its least to its largest value.

    Returns:
        [30, 3] float64: left edge, right edge, count. Entries that are all equal are counted in the last
        row, whose edges are that value; without any entry there are no rows.
    """
    entries = np.asarray(array, dtype=np.float64).ravel()
    entries = entries[np.isfinite(entries)]
    if not entries.size:
        return np.zeros((0, 3))
    low, high = entries.min(), entries.max()
    edges = np.linspace(low, high, BUCKETS + 1)
    if not np.all(np.diff(edges) > 0):
        # All equal, or too near to one another for thirty steps between.
        counts = np.eye(BUCKETS)[-1] * entries.size
        return np.column_stack([np.full(BUCKETS, low), np.full(BUCKETS, high), counts])
    counts = np.histogram(entries, bins=BUCKETS, range=(low, high))[0]
    return np.column_stack([edges[:-1], edges[1:], counts])


def images(tag: str, pixels: Array) -> Any:
    """Make pictures of [N, rows, columns, 1 or 3] numbers from 0 (black) to 1 (white)."""
    from tensorboard.plugins.image import metadata

    tf = load_tensorflow()
    grey = np.round(np.clip(pixels, 0.0, 1.0) * 255).astype(np.uint8)
    _, rows, columns, _ = grey.shape
    encoded = [tf.io.encode_png(picture).numpy() for picture in grey]
    strings = np.array([str(columns).encode(), str(rows).encode(), *encoded], dtype=object)
    return _value(tag, strings, metadata.create_summary_metadata("", ""))


def graph(forward: Callable[..., Any], params: Mapping[str, Array], batch: Mapping[str, Array]) -> bytes:
    """Trace the reference's forward and serialize its graph, with the reference's own scopes.

    Args:
        forward: `forward(params, *batch)` of the reference.
        params: arrays whose dtypes and shapes the graph's inputs get; each lies in its layer's scope.
        batch: likewise, in the order of the call; their first axis is left open.
    """
    tf = load_tensorflow()

    def open_rows(name: str, array: Array) -> Any:
        shape = (None, *array.shape[1:]) if array.ndim else ()
        return tf.TensorSpec(shape, array.dtype, name=name)

    def without_outputs(params: Any, batch: Any) -> None:
        forward(params, *batch)

    concrete = tf.function(without_outputs, autograph=False).get_concrete_function(
        {name: tf.TensorSpec(p.shape, p.dtype, name=parameter_scope(name)) for name, p in params.items()},
        [open_rows(name, array) for name, array in batch.items()],
    )
    return bytes(concrete.graph.as_graph_def(add_shapes=True).SerializeToString())


def _value(tag: str, array: Any, metadata: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.util import tensor_util

    return Summary.Value(tag=tag, tensor=tensor_util.make_tensor_proto(array), metadata=metadata)
