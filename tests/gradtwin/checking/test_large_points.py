"""A point too large for copies in wide precisions is judged as any other, by evidence that takes less memory."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gradtwin import check
from gradtwin.faults.catalogue import planted
from gradtwin.faults.points import at_kinks
from gradtwin.faults.score import judge as judged
from gradtwin.referee import evidence, judge
from gradtwin.twins import catalog


@pytest.fixture(autouse=True)
def every_point_is_large(monkeypatch):
    """Take the frugal road at the size of XOR already."""
    monkeypatch.setattr(evidence, "LARGE", 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("error", [1e-2, 1.0])
def test_one_wrong_entry_is_found_blamed_and_named(dtype, error):
    """By a witness in complex float64; the count is exact."""
    twin = catalog.get("deep")

    def backward(params, cache):
        gradients = twin.manual.backward(params, cache)
        gradients["W2"][3, 1] *= 1 + error
        return gradients

    side = SimpleNamespace(init_params=twin.manual.init_params, forward=twin.manual.forward, backward=backward)
    report = check(replace(twin, manual=side), dtype=dtype)
    row = next(t for t in report.tensors if t.name == "W2")
    assert (report.verdict, report.blame, report.first_wrong) == ("disagree", "manual", "W2")
    assert (row.beyond, row.worst.index) == (1, (3, 1)) and row.worst.witness is not None


@pytest.mark.parametrize("name", ["xor", "relu_mlp"])
def test_planted_faults_are_seen_as_with_all_evidence(name):
    """Every tenth fault of the page."""
    twin = catalog.get(name)
    rows = [judged(fault, twin) for fault in planted(twin)[::10]]
    assert all(row.caught for row in rows) and all(row.named_tensor for row in rows if row.verdict != "refused")


def _at_a_kink():
    """A relu at exact zeros, where the hand takes the other subgradient."""
    twin = at_kinks(catalog.get("relu_mlp"))

    def backward(params, cache):
        moved = {**cache, "z1": np.where(cache["z1"] == 0, 1.0, cache["z1"])}
        return twin.manual.backward(params, moved)

    side = SimpleNamespace(init_params=twin.manual.init_params, forward=twin.manual.forward, backward=backward)
    return replace(twin, manual=side, kinks="any")


def test_a_kink_is_a_kink():
    """Told by runs around the point that are not kept."""
    assert check(_at_a_kink()).verdict == "kink"


def test_more_entries_than_can_be_held_are_no_kink(monkeypatch):
    """Of a very large tensor only so many entries are looked at around the point."""
    monkeypatch.setattr(judge, "MOST_AT_A_KINK", 0)
    assert check(_at_a_kink()).verdict != "kink"
