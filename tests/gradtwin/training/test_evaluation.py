"""Scores: accuracy by the task, and many rows put together from parts."""

import numpy as np
import pytest

from gradtwin.training.evaluation import accuracy, score
from gradtwin.twins import catalog

INPUTS = np.zeros((4, 1))


@pytest.mark.parametrize(
    ("task", "output", "targets", "expected"),
    [
        ("binary", [[0.9], [0.5], [0.51], [0.1]], [[1.0], [1.0], [0.0], [0.0]], 0.5),
        ("multiclass", [[0.1, 0.9], [0.6, 0.4], [0.5, 0.5], [0.0, 0.1]], np.eye(2)[[1, 1, 0, 1]], 0.75),
        ("regression", [[1.0]] * 4, [[1.0]] * 4, None),
        ("none", [[1.0]] * 4, [[1.0]] * 4, None),
    ],
)
def test_accuracy_is_the_fraction_of_right_answers(task, output, targets, expected):
    """Exactly one half is no yes; of equal outputs the first one counts; a measurement has no right answer."""
    assert accuracy(task, np.array(output), (INPUTS, np.array(targets))) == expected


def test_without_output_or_targets_there_is_no_accuracy():
    """An outsider's side may give the loss alone."""
    assert accuracy("binary", None, (INPUTS, INPUTS)) is None
    assert accuracy("binary", INPUTS, (INPUTS,)) is None


@pytest.mark.parametrize("name", ["zoo", "softmax_regression"])
def test_many_rows_give_the_loss_of_one_pass(name):
    """A sum adds up over parts, a mean is weighted by rows: 4,500 rows are taken as 2,000, 2,000 and 500."""
    twin = catalog.get(name)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4_500, twin.widths[0])), np.eye(twin.widths[-1])[rng.integers(7, size=4_500)]
    params = twin.start(1)
    sizes = []

    def evaluate(part):
        sizes.append(len(part[0]))
        loss, cache = twin.manual.forward(params, *part)
        return cache | {"loss": loss}

    found = score(twin, evaluate, rows)
    loss, cache = twin.manual.forward(params, *rows)
    assert sizes == [2_000, 2_000, 500]
    assert found.loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(found.predictions, cache["p"], rtol=1e-9, atol=1e-300)
    assert found.accuracy == np.mean(cache["p"].argmax(axis=1) == rows[1].argmax(axis=1))


def test_arrays_without_rows_in_common_are_taken_in_one_pass():
    """A scalar beside a table cannot be cut along with it, whatever the reduction."""
    twin = catalog.get("node_mean")
    seen = []
    rows = np.zeros((4_500, 2)), np.array(2.0)
    assert score(twin, lambda part: seen.append(part) or {"loss": np.array(3.0)}, rows).loss == 3.0
    assert seen == [rows]


def test_a_loss_of_unknown_reduction_is_taken_in_one_pass():
    """Nobody can say how its parts would add up."""
    twin = catalog.get("gates")
    found = score(twin, lambda rows: {"loss": np.array(len(rows[0])), "f": rows[0]}, (np.zeros(4_500),))
    assert found.loss == 4_500
