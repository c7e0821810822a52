"""The catalogue: every line broken, every fault a difference, every equivalent proved."""

import ast

import numpy as np
import pytest

from gradtwin.core.verdicts import CauseId
from gradtwin.faults.catalogue import catalogue, half_of, planted, small
from gradtwin.faults.mutation import Page, differs, gradients_at, line_of, random_point, sites, sources
from gradtwin.faults.planting import reason_of
from gradtwin.faults.source_variants import SOURCE_FAULTS
from gradtwin.twins import catalog

TWINS = [small(twin) for twin in catalog.twins()]
CAUSES = {id for id in CauseId if id.group == "slip"}

per_twin = pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
pytestmark = pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")  # a broken page may divide by zero


def test_there_are_thousands_and_every_cause_is_among_them():
    """At least 120 were asked for; no word of the vocabulary goes untested."""
    faults = [fault for twin in TWINS for fault in planted(twin)]
    assert len(faults) >= 2000
    assert {fault.cause for fault in faults} == CAUSES
    assert len({fault.id for fault in faults}) == len(faults)


def test_the_halves_are_halves_and_do_not_move():
    """A fault stays in its half for good: the split depends on the id alone."""
    faults = [fault for twin in TWINS for fault in planted(twin)]
    assert all(fault.half == half_of(fault.id) for fault in faults)
    assert 0.45 < np.mean([fault.half == 1 for fault in faults]) < 0.55
    assert [half_of(fault) for fault in ("xor:db1:mean", "xor:dW1:halved", "F000-1")] == [2, 1, 2]


@per_twin
def test_every_line_of_the_backward_pass_is_broken(twin):
    """Each assignment and return that computes something has a fault planted in it."""
    lines = " ".join(fault.line for fault in planted(twin) if fault.id.startswith(twin.name))
    for source in sources(Page(twin)):
        for site in sites(source):
            if any(isinstance(node, ast.BinOp | ast.Call | ast.Compare) for node in ast.walk(site.expression)):
                line = line_of(site.statement)
                assert line in lines or line in UNBREAKABLE, f"no fault planted in {line}"


# σ' is even in z: exchanging u and d changes nothing, and the line does nothing else.
UNBREAKABLE = {"u, d = logistic_tails(z)"}


@per_twin
def test_every_fault_makes_a_difference_or_is_refused(twin):
    """At the point it is planted at, in the tensor it names or before that in shape."""
    for fault in planted(twin):
        home = fault.home or twin
        point = home.point(0)
        try:
            wrong = gradients_at(fault.side, point)
        except Exception:
            assert fault.refused, fault.id
            continue
        if fault.tensor != "loss":
            assert differs(gradients_at(home.manual, point)[fault.tensor], wrong.get(fault.tensor)), fault.id


@per_twin
def test_every_equivalent_has_its_reason(twin):
    """None is dropped without one."""
    for equivalent in catalogue(twin).equivalents:
        assert equivalent.reason, equivalent


@per_twin
def test_what_the_backward_pass_is_said_not_to_read_may_be_anything(twin):
    """NaN in an entry of the cache that a fault was found equivalent by changes no gradient."""
    point = random_point(twin, 7)
    cache = _cache(twin, point)
    right = _backward(twin, point, cache)
    for equivalent in catalogue(twin).equivalents:
        name = equivalent.id.rpartition("stale_")[2]
        if "stale_" in equivalent.id and name in cache and twin.name != "node_mean":
            spoiled = _backward(twin, point, cache | {name: np.full_like(cache[name], np.nan)})
            assert all(np.array_equal(spoiled[key], right[key]) for key in right)


def _cache(twin, point):
    page = Page(twin)
    if page.node is not None:
        return page.node.forward(*point[0].values(), *point[1][:-1])[1]
    return twin.manual.forward(point[0], *point[1])[1]


def _backward(twin, point, cache):
    page = Page(twin)
    return page.backward(point[1][-1], cache) if page.node is not None else page.backward(point[0], cache)


def test_a_mutation_without_a_reason_would_be_seen():
    """The reasons do not cover just anything."""
    assert not reason_of("xor:dW1:negated")
    assert not reason_of("mnist:dz3:a1_for_da3")


def test_the_sources_faults_are_in_the_list_under_their_own_ids():
    """All that are programs on a twin, each with the point where it shows."""
    listed = {fault.id for twin in TWINS for fault in planted(twin)}
    assert {fault.id for fault in SOURCE_FAULTS.values() if fault.twin} <= listed


def test_a_convention_at_a_kink_is_planted_where_a_logit_is_zero():
    """Anywhere else it makes no difference."""
    for name in ("relu_mlp", "mnist", "node_relu"):
        twin = small(catalog.get(name))
        fault = next(f for f in planted(twin) if f.cause == "kink_convention" and f.id.startswith(name))
        assert fault.home is not None
        right, elsewhere = (gradients_at(side, twin.point(0)) for side in (twin.manual, fault.side))
        assert not any(differs(right[key], elsewhere[key]) for key in right)


def test_a_sum_over_the_wrong_axis_is_planted_where_it_fits():
    """With as many examples as the bias has entries no shape gives it away."""
    faults = [f for f in planted(catalog.get("xor")) if f.cause == "wrong_axis" and f.tensor == "b1"]
    assert {fault.refused for fault in faults} == {True, False}
