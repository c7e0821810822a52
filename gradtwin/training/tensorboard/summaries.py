"""Numbers, distributions, images, texts and graphs in the form TensorBoard reads.

Every function but `graph` gives one value for `EventFile.add`; `graph` gives what `EventFile.add_graph` takes.
They are called thousands of times in a training, so the messages are made here: TensorBoard's writers take ten times
as long. The tests hold the two equal. What is written once in a run comes from those writers, by `values_of`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradtwin.backend.tensorflow_side import load_tensorflow
from gradtwin.training.tensorboard.layers import parameter_scope
from manual_grads import Array

BUCKETS = 30
_STEPS = np.arange(BUCKETS + 1)
# Up to here sorting is quicker than numpy's histogram, which has a fixed cost.
_FEW = 5_000
THRESHOLDS = 101


def scalar(tag: str, number: float) -> Any:
    """Make a point of a curve, in float32, the only kind TensorBoard draws; NaN and infinities included."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary.Value(tag=tag, simple_value=number)


# ---- distributions ---------------------------------------------------------------------------------


def histogram(tag: str, array: Array) -> Any:
    """Make a distribution: 30 rows of [left edge, right edge, count] over the finite entries."""
    return _value(tag, _numbers(buckets(array)), "histograms")


def buckets(array: Array) -> Array:
    """Count the finite entries of an array in 30 equal steps from its least to its largest value.

    Returns:
        [30, 3] float64: left edge, right edge, count. Entries that are all equal are counted in the last
        row, whose edges are that value; without any entry there are no rows.
    """
    entries = np.asarray(array, dtype=np.float64).ravel()
    if not np.isfinite(entries).all():
        entries = entries[np.isfinite(entries)]
    if not entries.size:
        return np.zeros((0, 3))
    low, high = entries.min(), entries.max()
    edges = low + _STEPS * ((high - low) / BUCKETS)
    edges[-1] = high
    rows = np.empty((BUCKETS, 3))
    rows[:, 0], rows[:, 1] = edges[:-1], edges[1:]
    if not (rows[:, 0] < rows[:, 1]).all():
        # All equal, or too near to one another for thirty steps between.
        rows[:] = low, high, 0
        rows[-1, 2] = entries.size
        return rows
    rows[:, 2] = _counts(entries, edges)
    return rows


def _counts(entries: Array, edges: Array) -> Array:
    """Count the entries from each edge up to the next, the last edge included."""
    if entries.size > _FEW:
        return np.histogram(entries, bins=BUCKETS, range=(edges[0], edges[-1]))[0]
    below = np.sort(entries).searchsorted(edges)
    below[-1] = entries.size
    return below[1:] - below[:-1]


# ---- precision and recall --------------------------------------------------------------------------


def precision_recall(tag: str, scores: Array, truths: Array) -> Any:
    """Make a precision-recall curve.

    Args:
        tag: its name.
        scores: [N], from 0 to 1; what is not finite counts as 0.
        truths: [N], whether each is a positive.
    """
    return _value(tag, _numbers(precision_recall_table(scores, truths)), "pr_curves", _pr_content())


def precision_recall_table(scores: Array, truths: Array) -> Array:
    """Count what is found at 101 thresholds from 0 to 1.

    precision = TP / (TP + FP),  recall = TP / (TP + FN)

    Returns:
        [6, 101] float32: true positives, false positives, true negatives, false negatives, precision and
        recall of "positive from this threshold on".
    """
    places = np.floor(np.clip(np.nan_to_num(scores), 0, 1) * (THRESHOLDS - 1)).astype(int)
    positive = np.bincount(places[truths], minlength=THRESHOLDS)
    negative = np.bincount(places[~truths], minlength=THRESHOLDS)
    tp, fp = positive[::-1].cumsum()[::-1], negative[::-1].cumsum()[::-1]
    tn, fn = fp[0] - fp, tp[0] - tp
    # TensorBoard's own curves end at precision 0 where nothing is found.
    precision, recall = tp / np.maximum(tp + fp, 1), tp / max(tp[0], 1)
    return np.stack([tp, fp, tn, fn, precision, recall]).astype(np.float32)


def _pr_content() -> bytes:
    from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData

    return bytes(PrCurvePluginData(num_thresholds=THRESHOLDS).SerializeToString())


# ---- pictures and words ----------------------------------------------------------------------------


def images(tag: str, pixels: Array) -> Any:
    """Make pictures of [N, rows, columns, 1 or 3] numbers from 0 (black) to 1 (white)."""
    tf = load_tensorflow()
    grey = np.round(np.clip(pixels, 0.0, 1.0) * 255).astype(np.uint8)
    _, rows, columns, _ = grey.shape
    return picture(tag, [tf.io.encode_png(one).numpy() for one in grey], (columns, rows))


def picture(tag: str, encoded: Sequence[bytes], size: tuple[int, int], description: str = "") -> Any:
    """Make pictures of PNG files.

    Args:
        tag: their name.
        encoded: one PNG file each.
        size: (width, height) of all of them.
        description: what is to be seen, in Markdown; TensorBoard shows it on request.
    """
    strings = [str(number).encode() for number in size]
    return _value(tag, _words([*strings, *encoded]), "images", description=description)


def text(tag: str, markdown: str) -> Any:
    """Make a text, which TensorBoard reads as Markdown; HTML in it is shown as it is written."""
    return _value(tag, _words([markdown.encode(errors="replace")]), "text")


def verbatim(text: str) -> str:
    """Make Markdown that shows a text as it stands: as a block of code, which nothing in the text can end."""
    return "\n".join(f"    {line}" for line in text.splitlines())


# ---- the graph -------------------------------------------------------------------------------------


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


# ---- messages --------------------------------------------------------------------------------------


def values_of(summary: Any) -> list[Any]:
    """Convert what TensorBoard's writers made: they use TensorFlow's class of the same message."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    return list(Summary.FromString(summary.SerializeToString()).value)


def _value(tag: str, tensor: Any, plugin: str, content: bytes = b"", description: str = "") -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata

    data = SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    metadata = SummaryMetadata(summary_description=description, plugin_data=data)
    return Summary.Value(tag=tag, tensor=tensor, metadata=metadata)


def _numbers(array: Array) -> Any:
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_DOUBLE, DT_FLOAT

    kind = DT_FLOAT if array.dtype == np.float32 else DT_DOUBLE
    return TensorProto(dtype=kind, tensor_shape=_shape(array.shape), tensor_content=array.tobytes())


def _words(strings: Sequence[bytes]) -> Any:
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    return TensorProto(dtype=DT_STRING, tensor_shape=_shape((len(strings),)), string_val=strings)


def _shape(shape: tuple[int, ...]) -> Any:
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
