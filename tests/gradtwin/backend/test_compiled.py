"""What was traced and compiled for a check goes when it is not needed any more."""

import gc
import weakref

import numpy as np
import pytest

import gradtwin
from gradtwin.backend import tensorflow_side
from gradtwin.backend.replicas import replicas
from gradtwin.core.routes import ROUTES as DEFAULT_ROUTES

ROUTES = (*DEFAULT_ROUTES, "mirrored")
X, W = np.arange(6.0).reshape(3, 2) - 2, np.array([[0.5], [-1.5]])


@pytest.fixture(autouse=True)
def _nothing_kept():
    """Each test begins and ends without traces."""
    tensorflow_side._traced.cache_clear()
    yield
    tensorflow_side._traced.cache_clear()


def _pair(factor=1.0):
    tf = tensorflow_side.load_tensorflow()

    def manual(params, x):
        return factor * ((x @ params["w"]) ** 2).mean(), {"w": 2 * factor * x.T @ (x @ params["w"]) / len(x)}

    def reference(params, x):
        return factor * tf.reduce_mean((x @ params["w"]) ** 2)

    return manual, reference


def _sessions():
    tf = tensorflow_side.load_tensorflow()
    gc.collect()
    return sum(isinstance(thing, tf.compat.v1.Session) for thing in gc.get_objects())


def test_what_xla_compiled_lives_in_a_session_that_goes_with_the_trace():
    """On the devices of eager execution it would live as long as the process."""
    before = _sessions()
    assert gradtwin.check_gradients(*_pair(), {"w": W}, X, route="xla").agrees
    assert _sessions() == before + 1
    tensorflow_side._traced.cache_clear()
    assert _sessions() == before


@pytest.mark.parametrize("route", ROUTES)
def test_only_the_cache_holds_on_to_a_function(route):
    """By tape, where nothing is traced, nobody does."""
    manual, reference = _pair()
    assert gradtwin.check_gradients(manual, reference, {"w": W}, X, route=route).agrees
    held = [weakref.ref(manual), weakref.ref(reference)]
    del manual, reference
    if route != "tape":
        tensorflow_side._traced.cache_clear()
        replicas._step.cache_clear()
    gc.collect()
    assert [one() for one in held] == [None, None]


@pytest.mark.parametrize("route", ["gradients", "xla"])
def test_each_shape_counts_as_a_trace_of_its_own(route):
    """A function that is asked at ever new shapes does not keep ever more graphs; an old shape is not traced again."""
    tf, traced = tensorflow_side.load_tensorflow(), []
    manual, _ = _pair()

    def reference(params, x):
        traced.append(tuple(x.shape))
        return tf.reduce_mean((x @ params["w"]) ** 2)

    for rows in (1, 2, 3, 2):
        assert gradtwin.check_gradients(manual, reference, {"w": W}, X[:rows], route=route).agrees
    in_graphs = tensorflow_side._traced.cache_info()
    assert (in_graphs.currsize, in_graphs.misses) == (3, 3)
    assert len(traced) == 3


def test_a_tensor_of_eager_execution_is_seen_in_a_session():
    """Functions often close over a constant: its value goes along."""
    tf = tensorflow_side.load_tensorflow()
    factor, (_, plain), before = tf.constant(3.0, dtype=tf.float64), _pair(), _sessions()

    def reference(params, x):
        return factor * plain(params, x)

    assert gradtwin.check_gradients(_pair(3.0)[0], reference, {"w": W}, X, route="xla").agrees
    assert _sessions() == before + 1


def test_a_variable_of_eager_execution_is_seen_by_xla_too():
    """A session cannot see it: such a function runs without one, and sees the variable's value of the moment."""
    tf = tensorflow_side.load_tensorflow()
    factor = tf.Variable(1.0, dtype=tf.float64)
    _, plain = _pair()

    def reference(params, x):
        return factor * plain(params, x)

    for value in (3.0, 5.0):
        factor.assign(value)
        assert gradtwin.check_gradients(_pair(value)[0], reference, {"w": W}, X, route="xla").agrees
