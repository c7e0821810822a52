"""Whether a loss is a mean or a sum over the examples is found from the losses."""

import numpy as np
import pytest
import tensorflow as tf

from gradtwin.backend.replicas.cut import NotByExample, cut_of
from gradtwin.backend.replicas.sharded import sharded

X = np.random.default_rng(0).normal(size=(5, 2))
PARAMS = {"w": np.array([[0.3], [-1.2]])}


def found(forward, batch=None, declared=""):
    """Cut the batch into 3 and 2, and ask how the loss is put together."""
    batch = {"x": X} if batch is None else batch
    return sharded(forward, PARAMS, batch, cut_of(batch), declared)


def test_a_mean_and_a_sum_are_told_apart():
    """The weights are the shares n_r/N for a mean, 1 for a sum."""
    assert found(lambda p, x: tf.reduce_mean((x @ p["w"]) ** 2)).weights == (3 / 5, 2 / 5)
    assert found(lambda p, x: tf.reduce_sum((x @ p["w"]) ** 2)).weights == (1.0, 1.0)


def test_a_loss_of_zero_is_asked_again_elsewhere():
    """At w = 1 the loss is zero, which is the mean of zeros and their sum; at half of it it is not."""
    params = {"w": np.ones((2, 1))}
    batch = {"x": X}
    for how, reduction in ((tf.reduce_mean, "mean"), (tf.reduce_sum, "sum")):
        reference = sharded(lambda p, x, how=how: how((x @ (p["w"] - 1.0)) ** 2), params, batch, cut_of(batch))
        assert reference.reduction == reduction


def test_what_cannot_be_told_is_what_was_declared():
    """A loss that is zero everywhere is both."""
    assert found(lambda p, x: 0.0 * tf.reduce_sum(x @ p["w"]), declared="sum").reduction == "sum"
    assert found(lambda p, x: 0.0 * tf.reduce_sum(x @ p["w"])).reduction == "mean"


@pytest.mark.parametrize(
    "forward",
    [
        lambda p, x: tf.reduce_mean(((z := x @ p["w"]) - tf.reduce_mean(z)) ** 2),
        lambda p, x: tf.reduce_sum((x @ p["w"]) ** 2) / tf.reduce_sum(tf.abs(x)),
        lambda p, x: tf.sqrt(tf.reduce_mean((x @ p["w"]) ** 2)),
        lambda p, x: tf.reduce_mean((x @ p["w"]) ** 2) + 0.1 * tf.reduce_sum(x) * tf.reduce_sum(p["w"]),
    ],
    ids=["batch norm", "normalised weights", "root of a mean", "a mean and a sum"],
)
def test_a_loss_that_does_not_decompose_over_examples_is_refused(forward):
    """Neither the sum nor the weighted mean of the shards' losses is the whole batch's."""
    with pytest.raises(NotByExample, match="does not decompose over examples: it is .* on shards of 3 and 2 rows of x"):
        found(forward)


def test_a_reference_that_takes_only_its_whole_batch_is_refused():
    """The nodes have examples among their parameters; TensorFlow's own words are kept, its wrapping is not."""
    with pytest.raises(NotByExample, match="does not take a shard of x with fewer than its 5 examples") as caught:
        found(lambda p, x: tf.reduce_sum(x * np.ones((5, 2))))
    assert "function_node" not in str(caught.value) and "[3,2] vs. [5,2]" in str(caught.value)


def test_intermediates_are_told_by_their_rows():
    """Rows are stacked, what depends on parameters alone is shared, and what mixes examples is not compared."""

    def forward(p, x):
        z = x @ p["w"]
        return {"z": z, "w2": p["w"] ** 2, "mean": tf.reduce_mean(z), "loss": tf.reduce_mean(z**2)}

    reference = found(forward)
    assert (reference.by_row, reference.same, reference.mixed) == ({"z"}, {"w2"}, {"mean"})
