"""The project's Philox gives the words that were published and the starts TensorFlow 1 drew."""

import numpy as np
import pytest
import tensorflow as tf

from gradtwin.core.errors import InputError
from gradtwin.replay import figures
from gradtwin.twins.philox import normal, philox4x32, seed777_start

STARTS = [figure for figure in figures().values() if figure["id"].startswith("init-")]


def test_the_words_of_key_and_counter_zero_are_the_published_ones():
    """6627e8d5 e169c58d bc57ac4c 9b00dbd8, from the known-answer file of Random123."""
    words = philox4x32(0, np.arange(1, dtype=np.uint64), 0)
    assert [f"{word:08x}" for word in words[0]] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]


def test_both_halves_of_key_and_counter_are_used():
    """All ones in, 408f276d 41c83b0e a20bc7c6 6d5451fd out: the second published answer."""
    ones = 2**64 - 1
    words = philox4x32(ones, np.array([ones], dtype=np.uint64), ones)
    assert [f"{word:08x}" for word in words[0]] == ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]


def test_the_words_under_seed_777_are_those_of_the_recipe():
    """Figure philox-777-5: two blocks of stream 5."""
    words = philox4x32(777, np.arange(2, dtype=np.uint64), 5)
    np.testing.assert_array_equal(words, figures()["philox-777-5"]["values"])


@pytest.mark.parametrize("figure", STARTS, ids=lambda figure: figure["id"])
def test_every_start_is_the_one_of_its_figure(figure):
    """Nine digits are stored, so the distance is a rounding of float32's log, sine and cosine at most."""
    _, system, name = figure["id"].split("-")
    start = seed777_start(system)[name]
    assert start.dtype == np.float32
    np.testing.assert_allclose(start, figure["values"], rtol=0, atol=figure["tolerance"]["abs"])


@pytest.mark.parametrize("figure", STARTS, ids=lambda figure: figure["id"])
def test_tensorflow_s_own_op_draws_the_same(figure):
    """A fresh graph, because the eager op goes on with its stream at a second call."""
    setting = figure["setting"]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        drawn = session.run(
            tf.raw_ops.RandomStandardNormal(
                shape=setting["shape"], dtype=tf.float32, seed=setting["seed"], seed2=setting["seed2"]
            )
        )
    ours = normal(setting["seed"], setting["seed2"], tuple(setting["shape"]))
    np.testing.assert_allclose(ours, drawn, rtol=0, atol=2e-6)


def test_the_number_of_values_need_not_fill_a_block():
    """Surplus values of the last block are dropped; the first ones stay what they are."""
    np.testing.assert_array_equal(normal(777, 5, (7,)), normal(777, 5, (2, 4)).ravel()[:7])
    assert normal(777, 5, ()).shape == ()
    assert normal(777, 5, (0, 3)).shape == (0, 3)


def test_the_start_comes_in_the_dtype_that_is_asked_for():
    """Only the dtype changes, never the value."""
    wide, narrow = seed777_start("A4", "float64"), seed777_start("A4")
    assert wide["W1"].dtype == np.float64
    np.testing.assert_array_equal(wide["W1"], narrow["W1"])


def test_a_system_without_such_a_start_is_refused():
    """The systems that have one are listed."""
    with pytest.raises(InputError, match="'A3'; there are A1, A2, A4, A5, A6"):
        seed777_start("A3")
