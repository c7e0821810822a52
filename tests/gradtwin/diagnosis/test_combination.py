"""Which wrong way to put shards together gives a value."""

import numpy as np
import pytest

from gradtwin.diagnosis.combination import Parts, combinations, diagnose_combination
from gradtwin.diagnosis.fit import Context

RNG = np.random.default_rng(0)
SIZES = (3, 1)
PARTS = tuple(
    {"loss": RNG.normal(), "W": RNG.normal(size=(2, 3)), "x": RNG.normal(size=(size, 2))} for size in SIZES
)
CONTEXT = Context({}, {}, {}, batch_size=4)


def parts(reduction, sizes=SIZES):
    """Two shards with random gradients, x with a row for each example."""
    return Parts(sizes, reduction, PARTS, frozenset({"x"}))


def right_of(name, whole):
    """Put a value together rightly."""
    sizes = np.array(whole.sizes)
    return whole.combined(name, sizes / sizes.sum() if whole.reduction == "mean" else np.ones(len(sizes)))


def diagnosed(values, whole):
    """Ask about wrong values beside the right ones."""
    right, candidates = {name: right_of(name, whole) for name in values}, combinations(whole.sizes, whole.reduction)
    return diagnose_combination(values, right, whole, candidates, CONTEXT, "manual")


@pytest.mark.parametrize("names", [("loss",), ("W",), ("W", "x"), ("loss", "W", "x")])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_every_wrong_combination_is_named(reduction, names):
    """Each is told from all others by unequal shards, by the loss alone as by the gradients."""
    whole = parts(reduction)
    for combination in combinations(SIZES, reduction):
        found = diagnosed({name: whole.combined(name, combination.coefficients) for name in names}, whole)
        assert found.cause.id == combination.id and combination.text in found.cause.text
        assert found.blame == "manual" and found.first_wrong == names[0]


def test_the_two_ways_to_put_shards_together_rightly_are_no_cause():
    """The right value is no wrong combination, and nothing is said about it."""
    for reduction in ("mean", "sum"):
        whole = parts(reduction)
        assert diagnosed({"W": right_of("W", whole)}, whole) is None


def test_a_bare_factor_is_no_cause_where_the_shards_tell():
    """Twice the right gradient is not the sum over two unequal shards, nor half of it their mean."""
    whole = parts("mean")
    for factor in (2.0, 0.25, -1.0):
        assert diagnosed({"W": factor * right_of("W", whole)}, whole) is None


def test_equal_shards_make_the_sum_twice_as_much_and_the_mean_of_means_right():
    """There the two cannot be told from a factor and from nothing."""
    whole = Parts((1, 1), "mean", tuple({"W": part["W"]} for part in PARTS))
    found = diagnosed({"W": 2 * right_of("W", whole)}, whole)
    assert found.cause.id == "summed_over_replicas"
    assert found.cause.text.endswith(" 2 times the right value")
    assert diagnosed({"W": whole.combined("W", np.array([0.5, 0.5]))}, whole) is None


def test_a_multiple_of_the_right_value_is_marked_as_one():
    """Half of it is what averaging over two replicas gives, and a forgotten 2; unequal shards' sum is no accident."""
    multiples = {c.id: c.multiple for c in combinations(SIZES, "mean")}
    assert multiples == {
        "summed_over_replicas": None, "mean_of_means": None, "averaged_over_replicas": 0.5, "one_replica": None
    }  # fmt: skip
    assert {c.id: c.multiple for c in combinations((2, 2, 2), "mean")}["summed_over_replicas"] == 3.0


def test_one_combination_has_to_explain_all_gradients():
    """One summed and the other a mean of means: whatever that is, it is not one slip."""
    whole = parts("mean")
    values = {"W": whole.combined("W", np.ones(2)), "x": whole.combined("x", np.ones(2) / 2)}
    assert diagnosed(values, whole) is None
    with_loss = diagnosed({"loss": whole.combined("loss", np.ones(2)), **values}, whole)
    assert with_loss.cause.id == "summed_over_replicas" and with_loss.cause.text.startswith("the loss is")


def test_values_that_are_not_there_or_not_finite_explain_nothing():
    """A name that a shard lacks, and NaN."""
    whole = parts("mean")
    candidates = combinations(SIZES, "mean")
    assert diagnose_combination({"b": np.ones(2)}, {"b": np.zeros(2)}, whole, candidates, CONTEXT, "manual") is None
    assert diagnosed({"W": np.full((2, 3), np.nan)}, whole) is None
