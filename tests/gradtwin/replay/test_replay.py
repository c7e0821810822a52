"""Both sides reproduce every figure, and a side that computes something else does not."""

import inspect
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from gradtwin.core.errors import InputError
from gradtwin.faults.source_variants import f002_1_swapped
from gradtwin.replay import by_hand, by_tensorflow, figures, recipes, replay
from gradtwin.twins import catalog
from gradtwin.twins.datasets import load
from gradtwin.twins.datasets.mnist import MnistArrays
from manual_grads.networks import zoo

NEEDS_MNIST = ("002-train", "004-losses", "004-loss-difference")
FIELDS = ["figure", "source", "system", "printed", "manual", "tensorflow", "reproduced", "note"]


@pytest.fixture(scope="module")
def rows():
    """Every figure, with MNIST where GRADTWIN_MNIST_DIR names it."""
    return {row.figure: row for row in replay()}


@pytest.mark.parametrize("figure_id", figures())
def test_both_sides_reproduce_the_figure(figure_id, rows):
    """Within the stated tolerance; a figure that needs MNIST never counts without it."""
    row = rows[figure_id]
    if figure_id in NEEDS_MNIST and not os.environ.get("GRADTWIN_MNIST_DIR"):
        assert row.reproduced is None
        assert "MNIST" in row.note
    else:
        assert row.reproduced is True, row


def test_a_row_is_plain_data_under_its_public_names(rows):
    """JSON without NaN, and the names scripts rely on."""
    for row in rows.values():
        assert list(row.to_dict()) == FIELDS
        json.dumps(row.to_dict(), allow_nan=False)
        assert "\n" not in row.note


def test_what_is_not_the_right_value_or_not_printed_says_so(rows):
    """Faults kept, reconstructed weights and derived values stand in the note."""
    assert "faults kept, F000-1 and F000-2" in rows["000-train"].note
    assert "reconstructed" in rows["003-z2"].note
    assert "derived, not printed" in rows["001-neuron"].note


def test_without_mnist_three_figures_are_not_reproduced_and_say_why(monkeypatch, tmp_path):
    """They come with no values, None for reproduced, and a note."""
    monkeypatch.delenv("GRADTWIN_MNIST_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for row in replay(NEEDS_MNIST):
        assert (row.manual, row.tensorflow, row.reproduced) == (None, None, None)
        assert "GRADTWIN_MNIST_DIR" in row.note


def test_another_data_set_in_mnist_s_format_is_not_taken_for_it(tmp_path):
    """The digests of the four files are compared before anything is trained."""
    for part in ("train", "t10k"):
        images = bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7])
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(images)
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 3]))
    (row,) = replay(["002-train"], tmp_path)
    assert row.reproduced is None
    assert "digests differ" in row.note


def test_an_unknown_figure_is_refused():
    """The nearest id is suggested."""
    with pytest.raises(InputError, match="Unknown figure '001-nn-g'. Did you mean '001-nn-"):
        replay(["001-nn-g"])


@pytest.mark.parametrize("side", [by_hand, by_tensorflow], ids=["manual", "tensorflow"])
@pytest.mark.parametrize(
    ("function", "figure_id"),
    [
        ("philox_words", "philox-777-5"),
        ("normal", "init-A2-b"),
        ("values", "001-handset-h"),
        ("gradients", "003-dW"),
        ("gradients", "003-W"),
        ("descend", "001-log2-4000"),
        ("descend_as_000", "000-first-predictions"),
        ("slope_of_cross_entropy", "003-dL"),
    ],
)
def test_one_wrong_side_is_enough_to_miss_a_figure(side, function, figure_id, monkeypatch):
    """A side that is one per cent off spoils its figure, whatever the other side says."""
    right = getattr(side, function)

    def one_per_cent_off(*args):
        found = right(*args)
        return {k: 1.01 * v for k, v in found.items()} if isinstance(found, dict) else 1.01 * found

    if figure_id == "000-first-predictions":
        monkeypatch.setattr(side, function, lambda params, *rest: {k: -v for k, v in params.items()})
    else:
        monkeypatch.setattr(side, function, one_per_cent_off)
    (row,) = replay([figure_id])
    assert row.reproduced is False
    assert row.note == "beyond the tolerance"


def test_the_printed_training_of_000_does_not_come_from_the_right_gradient(monkeypatch):
    """The rows replay only with F000-1 and F000-2."""
    monkeypatch.setattr(by_hand, "zoo_of_000", zoo)
    (row,) = replay(["000-train"])
    assert row.reproduced is False


def test_both_sides_offer_the_same_functions():
    """A recipe cannot ask one side for something else than the other."""
    offered = [
        {
            name: str(inspect.signature(function))
            for name, function in inspect.getmembers(side, inspect.isfunction)
            if function.__module__ == side.__name__ and not name.startswith("_")
        }
        for side in (by_hand, by_tensorflow)
    ]
    assert offered[0] == offered[1]


def test_there_is_a_recipe_for_every_figure():
    """And none for anything else; every document is named."""
    assert set(recipes.RECIPES) == set(figures())
    assert {figure["source"] for figure in figures().values()} - {""} == set(recipes.document()["sources"])


def test_the_softmax_of_004_keeps_its_subnormal_probability():
    """e^-738 is 630 times 2^-1074: TensorFlow's own softmax would make it zero and its logarithm -inf."""
    z = np.array([[0.0, -738.0], [3.0, 1.0]])
    with np.errstate(under="ignore"):
        expected = np.log(
            np.exp(z - z.max(axis=1, keepdims=True)) / np.exp(z - z.max(axis=1, keepdims=True)).sum(1)[:, None]
        )
    labels = np.array([1, 1])
    from_probabilities, _ = by_tensorflow.losses_as_004(z, labels)
    assert from_probabilities == pytest.approx(-expected[:, 1].mean(), abs=1e-12)


def test_tensorflow_is_loaded_by_the_replay_and_not_by_its_import():
    """The command line can import the replay to say what is wrong with its arguments."""
    code = "import sys, gradtwin.replay, gradtwin.faults.source_variants; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_both_sides_train_alike_on_batches():
    """What 002 does on MNIST, on the digits: losses to 1e-12, equal match ratios, and the loss falls."""
    digits, rng = load("digits"), np.random.default_rng(2)
    params = {"W": 0.1 * rng.standard_normal((64, 10)), "b": 0.1 * rng.standard_normal(10)}
    rows = rng.integers(len(digits.inputs), size=(40, 50))
    task = catalog.get("softmax_regression"), params, digits.inputs, digits.targets, rows, 0.5
    losses, ratios = by_hand.descend_in_batches(*task)
    theirs, their_ratios = by_tensorflow.descend_in_batches(*task)
    np.testing.assert_allclose(theirs, losses, rtol=1e-12)
    np.testing.assert_allclose(their_ratios, ratios, rtol=1e-15)
    assert losses[-1] < losses[0] / 3


def test_both_sides_score_every_row_against_every_label_as_004_does():
    """F004-2 on numbers small enough to add up by hand."""
    z, labels = np.array([[0.0, 1.0], [3.0, 1.0]]), np.array([1, 1])
    log_sums = np.log(np.exp(z).sum(axis=1))
    expected = log_sums.mean() - z[:, 1].mean()
    for side in (by_hand, by_tensorflow):
        np.testing.assert_allclose(side.losses_as_004(z, labels), expected, rtol=1e-14)
    for side in (by_hand, by_tensorflow):
        np.testing.assert_allclose(side.losses_as_004(z, np.array([0, 1])), log_sums.mean() - z.mean(), rtol=1e-14)


def test_002_unpacks_the_test_set_as_the_training_set():
    """F002-1: the loader's order is taken for another."""
    swapped = f002_1_swapped(MnistArrays(*"ABab"))
    assert "".join(swapped) == "abAB"
