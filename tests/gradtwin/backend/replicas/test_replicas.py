"""The reference on two replicas gives the hand gradient of the whole batch."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from gradtwin import InputError, Twin, check, check_gradients
from gradtwin.backend import tensorflow_side
from gradtwin.backend.replicas import replicas
from gradtwin.commands.examples import has_examples
from gradtwin.faults.catalogue import small
from gradtwin.twins import catalog
from manual_grads.networks import xor
from tests.gradtwin.backend.replicas.mean_square import mean_square, mean_square_reference, rows

NETWORKS = [name for name in catalog.names() if not name.startswith("node_") and name != "gates"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_agrees_on_unequal_shards(name, dtype):
    """Every gradient, of parameters, inputs and intermediates, within the bound of the one-device routes."""
    twin = small(catalog.get(name))
    report = check(twin, route="mirrored", dtype=dtype)
    assert report.verdict == "agree", str(report)
    assert {row.bound_ulps for row in report.tensors} == {64.0}
    assert [row.name for row in report.tensors] == [row.name for row in check(twin, dtype=dtype).tensors]
    assert [note.id for note in report.notes] == ["shards"]


def test_only_what_has_no_examples_is_left_out():
    """The gates have one point; the nodes' examples are parameters."""
    assert [twin.name for twin in catalog.twins() if has_examples(twin)] == NETWORKS


@pytest.mark.parametrize("shards", [(2, 2), (3, 1), (1, 3)])
def test_a_batch_of_four_agrees_however_it_is_cut(shards):
    """The weights follow the shards."""
    params, x, y = rows(4)
    assert check_gradients(mean_square, mean_square_reference, params, x, y, route="mirrored", shards=shards).agrees


def test_seven_examples_in_batches_of_two_for_each_replica():
    """Steps of four and of three examples, the last batch partial: each alone, and both added up."""
    params, x, y = rows(7)
    for at, shards in ((slice(0, 4), (2, 2)), (slice(4, 7), (2, 1))):
        report = check_gradients(
            mean_square, mean_square_reference, params, x[at], y[at], route="mirrored", shards=shards
        )
        assert report.agrees, str(report)
    report = check_gradients(mean_square, mean_square_reference, params, x, y, route="mirrored", shards=(2, 2, 2, 1))
    assert report.agrees, str(report)
    assert report.notes[0] == "The batch of 7 examples was cut into shards of 2, 2, 2 and 1, 2 at once."


def test_a_replica_left_without_examples_adds_nothing():
    """Five examples in twos: the last step has one shard for two replicas, and a mean over no rows is NaN."""
    params, x, y = rows(5)
    report = check_gradients(mean_square, mean_square_reference, params, x, y, route="mirrored", shards=(2, 2, 1))
    assert report.agrees, str(report)


@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_a_wrong_hand_gradient_is_refused_and_explained_as_on_one_device(factor):
    """An ordinary slip is not taken for a wrong combination of shards, not even a forgotten 2 with two replicas."""
    twin = catalog.get("xor")
    side = type("side", (), {"init_params": xor.init_params, "forward": xor.forward})
    side.backward = staticmethod(lambda p, c: {**xor.backward(p, c), "W1": factor * xor.backward(p, c)["W1"]})
    report = check(replace(twin, manual=side), route="mirrored")
    assert (report.verdict, report.blame, report.cause_id) == ("disagree", "manual", "factor")
    assert report.first_wrong == "W1"


def test_what_mixes_examples_is_not_compared_and_said():
    """Each replica has a mean of its own; whatever the hand has no gradient of is not mentioned."""

    def forward(params, x):
        mean, largest = x.mean(axis=0), x.max()
        return (mean * params["w"]).sum(), {"x": x, "mean": mean, "largest": largest}

    def backward(params, cache):
        dmean = params["w"].copy()
        dx = np.broadcast_to(dmean / len(cache["x"]), cache["x"].shape).copy()
        return {"w": cache["mean"].copy(), "mean": dmean, "x": dx}

    def reference(params, x):
        mean = tf.reduce_mean(x, axis=0)
        return {"mean": mean, "largest": tf.reduce_max(x), "loss": tf.reduce_sum(mean * params["w"])}

    side = SimpleNamespace(forward=forward, backward=backward)
    batch = (np.random.default_rng(0).normal(size=(5, 2)),)
    twin = Twin("means", side, reference, batch, init=lambda rng: {"w": rng.normal(size=2)})
    report = check(twin, route="mirrored")
    assert report.agrees and [row.name for row in report.tensors] == ["loss", "w", "x"], str(report)
    assert report.notes[1].id == "mixes_examples" and "dmean" in report.notes[1]
    assert [note.id for note in report.notes].count("mixes_examples") == 1
    assert not any(note.id == "not_compared" or "largest" in note for note in report.notes)
    assert [row.name for row in check(twin).tensors] == ["loss", "w", "mean", "x"]


def test_a_tensorflow_that_has_started_with_one_device_is_told_so(monkeypatch):
    """The other routes go on. A TensorFlow that has started stays as it is, without an exception."""
    tensorflow_side._two_logical_processors(tf)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: ["the only one"])
    monkeypatch.setattr(replicas, "two_processors", replicas.two_processors.__wrapped__)
    with pytest.raises(InputError, match="Route mirrored needs two logical devices of the CPU.* has already started"):
        replicas.two_processors()
    assert check("xor").agrees


def test_one_example_is_refused():
    """There is nothing to cut."""
    params, x, y = rows(1)
    with pytest.raises(InputError, match="at least two examples"):
        check_gradients(mean_square, mean_square_reference, params, x, y, route="mirrored")


def test_an_unknown_route_is_refused_with_all_five():
    """The line names them."""
    with pytest.raises(InputError, match="route: expected tape, gradients, xla, mirrored or multiworker, got 'mirror'"):
        check("xor", route="mirror")
