"""The one door to TensorFlow: three routes, each traced once, also for code that branches on tensors."""

import numpy as np
import pytest
import tensorflow as tf

from gradtwin import check_gradients
from gradtwin.backend.differentiation import differentiate
from gradtwin.core.routes import ROUTES

GRAPHS = [route for route in ROUTES if route != "tape"]
PARAMS = {"w": np.array([1.5, -2.0, 0.5])}
ROWS = {"x": np.arange(12.0).reshape(4, 3) / 4}


def _counting():
    """A reference that counts how often its Python code is run."""
    runs = []

    def forward(params, x):
        runs.append(x.shape)
        return tf.reduce_sum(tf.linalg.matvec(x, params["w"]) ** 2)

    return forward, runs


@pytest.mark.parametrize("route", GRAPHS)
def test_a_reference_is_traced_once_for_a_shape(route):
    """Three other points of the same shapes: no second trace."""
    forward, runs = _counting()
    for scale in (1.0, 2.0, -3.0):
        differentiate(forward, {"w": scale * PARAMS["w"]}, ROWS, ["w"], route=route)
    assert len(runs) == 1


@pytest.mark.parametrize("route", GRAPHS)
def test_another_batch_size_is_one_more_trace_and_a_return_to_the_first_is_none(route):
    """Shapes are not relaxed here: a reference may divide by `x.shape[0]`, which a relaxed trace does not know."""
    forward, runs = _counting()
    for rows in (4, 2, 4, 2):
        differentiate(forward, PARAMS, {"x": ROWS["x"][:rows]}, ["w"], route=route)
    assert runs == [(4, 3), (2, 3)]


def _branching(params, x):
    """A hinge loss with a condition and a loop over tensors, as AutoGraph allows them."""
    total = tf.zeros((), params["w"].dtype)
    for row in x:
        score = tf.reduce_sum(row * params["w"])
        if score < 1:
            total += 1 - score
    return total


def _branching_by_hand(params, x):
    scores = x @ params["w"]
    on = scores < 1
    return (1 - scores)[on].sum(), {"w": -x[on].sum(axis=0)}


@pytest.mark.parametrize("route", ROUTES)
def test_code_that_branches_on_tensors_is_rewritten_for_the_graph(route):
    """It cannot be traced as it stands, and is not refused for that; twice, for the rewritten one is kept."""
    for scale in (1.0, 0.5):
        report = check_gradients(_branching_by_hand, _branching, {"w": scale * PARAMS["w"]}, ROWS["x"], route=route)
        assert report.verdict == "agree", str(report)


@pytest.mark.parametrize("route", GRAPHS)
def test_an_error_of_the_code_itself_is_told_as_without_a_graph(route):
    """Only a tensor as a condition is a reason to trace again."""
    runs = []

    def broken(params, x):
        runs.append(1)
        raise KeyError("W3")

    with pytest.raises(KeyError, match="W3"):
        differentiate(broken, PARAMS, ROWS, ["w"], route=route)
    assert len(runs) == 1
