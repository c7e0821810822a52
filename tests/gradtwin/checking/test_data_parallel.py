"""A stranger's own replica step against the hand gradient of the whole batch."""

import numpy as np
import pytest
import tensorflow as tf

from gradtwin import InputError, check_data_parallel
from tests.gradtwin.backend.replicas.mean_square import mean_square, rows

PARAMS, X, Y = rows(5)


def mean_of_shard(params, x, y):
    """The shard's own mean and its gradient: to be averaged with weights, or it is wrong."""
    with tf.GradientTape() as tape:
        tape.watch(params)
        loss = tf.reduce_mean((x @ params["w"] - y) ** 2)
    return loss, tape.gradient(loss, params)


def share_of_whole(params, x, y, rows=5):
    """The shard's part of the whole batch's mean, as `tf.nn.compute_average_loss` has it: to be summed."""
    with tf.GradientTape() as tape:
        tape.watch(params)
        loss = tf.nn.compute_average_loss(tf.reduce_sum((x @ params["w"] - y) ** 2, axis=1), global_batch_size=rows)
    return loss, tape.gradient(loss, params)


def reduces_itself(params, x, y):
    """The same, all-reduced inside the replica."""
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, share_of_whole(params, x, y))


def sums_the_gradients_only(params, x, y):
    """The loss is reported rightly and the gradients are the shards' own: such a program is seen to train."""
    return share_of_whole(params, x, y)[0], mean_of_shard(params, x, y)[1]


@pytest.mark.parametrize(("step", "reduce"), [(share_of_whole, "sum"), (reduces_itself, "none")])
def test_a_right_step_agrees(step, reduce):
    """On shards of three and two."""
    report = check_data_parallel(mean_square, step, PARAMS, X, Y, reduce=reduce)
    assert report.verdict == "agree", str(report)
    assert report.notes[0] == "The batch of 5 examples was cut into shards of 3 and 2."


@pytest.mark.parametrize(
    ("step", "reduce", "shards", "first", "cause"),
    [
        (mean_of_shard, "sum", (3, 2), "loss", "summed_over_replicas"),
        (mean_of_shard, "mean", (3, 2), "loss", "mean_of_means"),
        (share_of_whole, "mean", (3, 2), "loss", "averaged_over_replicas"),
        (share_of_whole, "none", (3, 2), "loss", "one_replica"),
        (sums_the_gradients_only, "sum", (3, 2), "w", "summed_over_replicas"),
        (sums_the_gradients_only, "sum", (1, 4), "w", "summed_over_replicas"),
    ],
)
def test_a_wrong_combination_is_the_steps_fault_and_has_its_name(step, reduce, shards, first, cause):
    """The hand's gradients of the shards, put together in that way, are the wrong value."""
    report = check_data_parallel(mean_square, step, PARAMS, X, Y, reduce=reduce, shards=shards)
    assert (report.verdict, report.blame) == ("disagree", "reference"), str(report)
    assert (report.first_wrong, report.cause_id) == (first, cause)


def test_equal_shards_show_the_sum_and_hide_the_mean_of_means():
    """With two and two examples the mean of means is the mean; the sum is twice as much."""
    point = PARAMS, X[:4], Y[:4]
    assert check_data_parallel(mean_square, mean_of_shard, *point, reduce="mean", shards=(2, 2)).agrees
    report = check_data_parallel(mean_square, mean_of_shard, *point, reduce="sum", shards=(2, 2))
    assert (report.blame, report.cause_id) == ("reference", "summed_over_replicas")


def test_a_last_partial_batch_divided_by_the_size_of_the_others_is_seen():
    """Three examples left over, divided by the usual four: 3/4 of the right gradient, and no fault of the sum."""
    report = check_data_parallel(
        mean_square, lambda p, x, y: share_of_whole(p, x, y, rows=4), PARAMS, X[:3], Y[:3], shards=(2, 1)
    )
    assert (report.verdict, report.cause_id) == ("disagree", "factor") and "4/3" in report.cause


def test_a_forgotten_factor_of_a_step_is_not_called_an_average():
    """Half the right gradient, summed: an average over two replicas would be as much, but nothing was averaged."""

    def half(params, x, y):
        loss, gradients = share_of_whole(params, x, y)
        return loss, {"w": gradients["w"] / 2}

    report = check_data_parallel(mean_square, half, PARAMS, X, Y)
    assert (report.verdict, report.blame, report.cause_id) == ("disagree", "reference", None)


def test_a_wrong_hand_gradient_is_the_hands_fault():
    """The step is right; the witness contradicts the hand."""

    def halved(params, x, y):
        loss, gradients = mean_square(params, x, y)
        return loss, {"w": gradients["w"] / 2}

    report = check_data_parallel(halved, share_of_whole, PARAMS, X, Y)
    assert (report.verdict, report.blame, report.cause_id) == ("disagree", "manual", "factor")


def test_a_step_in_float32_is_judged_in_float32():
    """Both the agreement and the fault."""
    params, x, y = ({k: v.astype(np.float32) for k, v in PARAMS.items()}, *(a.astype(np.float32) for a in (X, Y)))
    assert check_data_parallel(mean_square, share_of_whole, params, x, y).agrees
    report = check_data_parallel(mean_square, sums_the_gradients_only, params, x, y)
    assert (report.blame, report.cause_id) == ("reference", "summed_over_replicas")


def test_a_strategy_of_ones_own_says_how_many_shards_there_are():
    """One replica of a default strategy cannot take two shards."""
    one = tf.distribute.OneDeviceStrategy("CPU:0")
    with pytest.raises(InputError, match="expected one for each of the 1 replicas, got 2"):
        check_data_parallel(mean_square, share_of_whole, PARAMS, X, Y, shards=(3, 2), strategy=one)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"reduce": "avg"}, "reduce: expected sum, mean or none, got 'avg'"),
        ({"shards": (2, 2, 1)}, "one for each of the 2 replicas, got 3"),
        ({"shards": (4, 4)}, "add up to the 5 examples"),
    ],
)
def test_wrong_options_are_told_in_one_line(changed, message):
    """Before anything runs."""
    with pytest.raises(InputError, match=message):
        check_data_parallel(mean_square, share_of_whole, PARAMS, X, Y, **changed)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (5, "replica_step: expected a function"),
        (lambda params, x, y: tf.reduce_sum(x), r"The replica step: expected \(loss, gradients\)"),
        (lambda params, x, y: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_step_that_breaks_the_contract_is_told_in_one_line(step, message):
    """No traceback of TensorFlow's."""
    with pytest.raises(InputError, match=message) as caught:
        check_data_parallel(mean_square, step, PARAMS, X, Y)
    assert "\n" not in str(caught.value)
