"""Values for TensorBoard: what they hold, by TensorBoard's own readers."""

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.plugins.histogram import summary_v2 as tensorboard_histogram
from tensorboard.util import tensor_util

from gradtwin.backend.tensorflow_side import resolve
from gradtwin.training.tensorboard import summaries
from gradtwin.twins import catalog


@pytest.mark.parametrize("number", [0.0, 0.1, -3e-17, 1e30, np.inf, -np.inf, 1e300])
def test_a_scalar_keeps_its_value_in_float32(number):
    """What is too large for float32 is infinite there."""
    with np.errstate(over="ignore"):
        assert summaries.scalar("loss", number).simple_value == np.float32(number)


def test_a_scalar_keeps_nan():
    """A curve that left the numbers shows it."""
    assert np.isnan(summaries.scalar("loss", np.nan).simple_value)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_buckets_are_tensorboards_own(dtype):
    """The same edges and counts as TensorBoard's writer makes of these numbers."""
    array = np.random.default_rng(0).normal(size=(40, 25)).astype(dtype)
    theirs = tensorboard_histogram.histogram_pb("tag", array).value[0]
    ours = summaries.histogram("tag", array)
    np.testing.assert_allclose(
        tensor_util.make_ndarray(ours.tensor), tensor_util.make_ndarray(theirs.tensor), rtol=1e-12, atol=1e-12
    )
    assert ours.metadata.plugin_data == theirs.metadata.plugin_data


@pytest.mark.parametrize(
    "array", [np.full(7, 0.3), np.array(2.0), np.array([1.0, np.nextafter(1.0, 2.0)]), np.zeros((2, 3))]
)
def test_equal_entries_are_counted_in_the_last_bucket(array):
    """There is no width to divide, as in TensorBoard's own."""
    found = summaries.buckets(array)
    assert found.shape == (30, 3)
    assert found[-1].tolist() == [array.min(), array.max(), array.size]
    assert found[:-1, 2].sum() == 0


def test_entries_that_are_not_finite_are_left_out():
    """NaN has no place on the axis; without any number there are no buckets."""
    assert summaries.buckets(np.array([1.0, np.nan, 2.0, np.inf]))[:, 2].sum() == 2
    assert summaries.buckets(np.array([np.nan, -np.inf])).shape == (0, 3)


def test_pictures_are_png_from_black_to_white():
    """Decoded they are the pixels again: 0 is black, 1 is white, beyond is cut off."""
    pixels = np.array([[0.0, 0.5, 1.0], [-1.0, 2.0, 0.25]]).reshape(1, 2, 3, 1)
    value = summaries.images("input", pixels)
    width, height, picture = tensor_util.make_ndarray(value.tensor)
    assert (width, height) == (b"3", b"2")
    assert value.metadata.plugin_data.plugin_name == "images"
    decoded = tf.io.decode_png(picture).numpy()[..., 0]
    np.testing.assert_array_equal(decoded, [[0, 128, 255], [0, 255, 64]])


@pytest.mark.parametrize("name", ["xor", "deep", "mnist", "gates"])
def test_the_graph_has_the_references_scopes(name):
    """Every layer is a scope that holds its parameters; no scope is made twice, nothing is computed twice."""
    twin = catalog.get(name)
    params, batch = twin.point()
    batch = batch[:2]
    names = twin.batch_names(batch)
    serialized = summaries.graph(resolve(twin.reference), params, dict(zip(names, batch, strict=True)))
    nodes = [node.name for node in tf.compat.v1.GraphDef.FromString(serialized).node]
    scopes = {node.partition("/")[0] for node in nodes if "/" in node}
    layers = {f"layer{int(''.join(filter(str.isdigit, p)) or 1)}" for p in params}
    assert scopes == {*layers, "loss"}
    assert {node.rpartition("/")[2] for node in nodes} >= {*params, *names}


# ---- held to TensorBoard's own writers --------------------------------------------------------------


def test_a_large_array_is_counted_as_a_small_one():
    """Above 5,000 entries numpy counts, below a sort does: the same rows for the same numbers."""
    array = np.random.default_rng(1).normal(size=6_000)
    rows = summaries.buckets(array)
    theirs = tensorboard_histogram.histogram_pb("tag", array).value[0]
    np.testing.assert_allclose(rows, tensor_util.make_ndarray(theirs.tensor), rtol=1e-12, atol=1e-12)
    few = summaries.buckets(array[:500])
    assert few[:, 2].sum() == 500
    counts = [((array[:500] >= low) & (array[:500] < high)).sum() for low, high, _ in few[:-1]]
    assert counts == few[:-1, 2].tolist()


@pytest.mark.parametrize("seed", range(3))
def test_precision_and_recall_are_tensorboards_own(seed):
    """The same six rows as its writer makes at 101 thresholds."""
    from tensorboard.plugins.pr_curve import summary as tensorboards_own

    rng = np.random.default_rng(seed)
    truths = rng.random(60) < 0.3
    scores = np.clip(0.3 * truths + rng.random(60) * 0.8, 0, 1)
    ours = summaries.precision_recall("class 0", scores, truths)
    theirs = tensorboards_own.pb("class 0", truths, scores, num_thresholds=101).value[0]
    np.testing.assert_array_equal(tensor_util.make_ndarray(ours.tensor), tf.make_ndarray(theirs.tensor))
    assert ours.metadata.plugin_data.plugin_name == theirs.metadata.plugin_data.plugin_name
    assert ours.metadata.plugin_data.content == theirs.metadata.plugin_data.content


def test_a_perfect_score_has_precision_and_recall_one():
    """Positives at 0.9, negatives at 0.2: between them nothing is mistaken; above, nothing is found."""
    table = summaries.precision_recall_table(np.array([0.9, 0.9, 0.2]), np.array([True, True, False]))
    assert table[4:, 50].tolist() == [1.0, 1.0]
    assert table[:, 0].tolist() == [2, 1, 0, 0, np.float32(2 / 3), 1]
    assert table[4:, 95].tolist() == [0.0, 0.0]


def test_scores_that_are_no_numbers_find_nothing():
    """NaN counts as 0, infinity as 1; no positives at all are no division by zero."""
    table = summaries.precision_recall_table(np.array([np.nan, np.inf]), np.array([False, False]))
    assert table[1, 0] == 2 and table[1, 100] == 1
    assert np.isfinite(table).all()


def test_texts_and_pictures_are_what_tensorboards_plugins_read():
    """Plugin names and contents are those of its own writers."""
    from tensorboard.plugins.image import metadata as image_metadata
    from tensorboard.plugins.text import metadata as text_metadata

    text = summaries.text("check", "all **well** β")
    assert tensor_util.make_ndarray(text.tensor).tolist() == ["all **well** β".encode()]
    assert text.metadata == text_metadata.create_summary_metadata("", "")
    picture = summaries.picture("boundary", [b"\x89PNG"], (30, 20), "what it is")
    assert tensor_util.make_ndarray(picture.tensor).tolist() == [b"30", b"20", b"\x89PNG"]
    assert picture.metadata == image_metadata.create_summary_metadata("", "what it is")


@pytest.mark.parametrize(
    "words", ["```\n</code></pre><script>alert(1)</script>", "a\n\n    b", "# no heading", "\ud800"]
)
def test_a_text_shown_as_it_stands_cannot_end_its_block(words):
    """TensorBoard's own Markdown makes one block of code of it, and no element of the text's."""
    from tensorboard.plugin_util import markdowns_to_safe_html

    markdown = tensor_util.make_ndarray(summaries.text("check", summaries.verbatim(words)).tensor).item()
    html = markdowns_to_safe_html([markdown], lambda parts: "".join(parts))
    assert html.count("<code>") == html.count("<pre>") == 1
    assert "<script" not in html and "<h1" not in html
