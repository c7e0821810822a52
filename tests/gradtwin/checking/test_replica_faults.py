"""The declared mistakes of data-parallel code are caught and named."""

import numpy as np
import pytest

from gradtwin import InputError, check
from gradtwin.backend.differentiation import answers_remembered
from gradtwin.backend.replicas.cut import unequal
from gradtwin.faults.catalogue import small
from gradtwin.twins import catalog
from tests.gradtwin.checking.replica_faults import MEAN_ONLY, REPLICA_FAULTS, sharded_twin

MEANS = ["linear_regression", "xor", "deep", "softmax_regression", "mnist"]
SUMS = ["neuron", "zoo", "relu_mlp"]


def cuts(name):
    """Two unequal shards, and two equal ones where the number of examples is even."""
    rows = len(small(catalog.get(name)).point()[1][0])
    return [unequal(rows, 2), (1, rows - 1)] + [(rows // 2, rows // 2)] * (rows % 2 == 0)


@pytest.mark.parametrize("name", MEANS + SUMS)
def test_code_that_puts_shards_together_rightly_agrees(name):
    """On one device and on two, whichever way the hand's own shards are cut."""
    twin = small(catalog.get(name))
    for shards in cuts(name):
        for dtype in ("float64", "float32"):
            report = check(sharded_twin(twin, "weighted", shards, loss_too=True), dtype=dtype, shards=shards)
            assert report.verdict == "agree", str(report)
    assert check(sharded_twin(twin), route="mirrored").verdict == "agree"


@pytest.mark.parametrize("loss_too", [False, True], ids=["gradients", "loss too"])
@pytest.mark.parametrize("fault", REPLICA_FAULTS)
@pytest.mark.parametrize("name", MEANS + SUMS)
def test_every_fault_is_caught_and_named(name, fault, loss_too):
    """By the shards that are known from the argument; the hand is to blame, even if the losses differ already."""
    if fault in MEAN_ONLY and name in SUMS:
        with pytest.raises(InputError, match="is a sum"):
            sharded_twin(catalog.get(name), fault)
        return
    twin = small(catalog.get(name))
    with answers_remembered():
        for shards in cuts(name):
            report = check(sharded_twin(twin, fault, shards, loss_too=loss_too), shards=shards)
            if fault == "mean_of_means" and len(set(shards)) == 1:
                assert report.verdict == "agree"  # there it is none
                continue
            assert (report.verdict, report.blame) == ("disagree", "manual"), str(report)
            assert report.cause_id == fault, str(report)
            assert (report.first_wrong == "loss") == loss_too


@pytest.mark.parametrize("fault", MEAN_ONLY)
def test_the_routes_own_shards_name_the_fault_too(fault):
    """Nothing has to be said where the hand is cut as the route is; in float32 as well."""
    report = check(sharded_twin(catalog.get("xor"), fault), route="mirrored", dtype="float32")
    assert (report.verdict, report.blame, report.cause_id) == ("disagree", "manual", fault)


def test_shards_that_are_not_the_hands_own_name_nothing_wrong():
    """Told the wrong cut, the check still sees the fault and claims no combination."""
    report = check(sharded_twin(catalog.get("deep"), "mean_of_means", (5, 1)), shards=(2, 4))
    assert report.verdict == "disagree" and report.cause_id not in REPLICA_FAULTS


def test_the_right_side_is_the_page_itself_on_one_shard_after_the_other():
    """Its values are the page's, to rounding, and an unknown fault is refused with the nearest."""
    twin = catalog.get("xor")
    params, batch = twin.point()
    loss, cache = sharded_twin(twin).manual.forward(params, *batch)
    np.testing.assert_allclose(loss, twin.manual.forward(params, *batch)[0], rtol=1e-15)
    assert cache["z1"].shape == (4, 2)
    with pytest.raises(InputError, match="Did you mean 'mean_of_means'"):
        sharded_twin(twin, "mean_of_mean")
