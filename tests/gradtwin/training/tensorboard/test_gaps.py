"""Gaps in ulp and relative: their size, and a logarithmic scale with room for zero."""

import math

import numpy as np
import pytest

from gradtwin.training.tensorboard import gaps


def _measured(manual, tensorflow):
    """The gap of one array, between two others that must not matter."""
    around = {"before": (np.array([1e9]), np.array([-1e9])), "after": (np.full((2, 2), np.nan), np.zeros((2, 2)))}
    pairs = {"before": around["before"], "it": (manual, tensorflow), "after": around["after"]}
    sides = ({name: pair[k].astype(manual.dtype) for name, pair in pairs.items()} for k in (0, 1))
    return gaps.measure(*sides)["it"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("steps", [0, 1, 7])
def test_a_gap_is_counted_in_units_of_the_last_place_of_the_largest_entry(dtype, steps):
    """The entry 3 moved by a number of the dtype's steps at 3, beside smaller ones that agree."""
    ours = np.array([[0.25, -3.0], [1.0, 0.0]], dtype)
    theirs = ours.copy()
    theirs[0, 1] -= steps * np.spacing(ours.dtype.type(3))
    found = _measured(ours, theirs)
    assert found.ulp == steps
    assert found.relative == pytest.approx(steps * float(np.spacing(ours.dtype.type(3))) / 3, rel=1e-6)


def test_the_relative_gap_is_that_of_the_worst_entry():
    """A small entry that lost a tenth of itself counts more than a large one that lost a millionth."""
    found = _measured(np.array([1.0, 1e-9, 0.0]), np.array([1.0 + 1e-6, 0.9e-9, 0.0]))
    assert found.relative == pytest.approx(0.1)
    assert found.ulp == pytest.approx(1e-6 / np.spacing(1.0), rel=1e-9)


def test_a_scalar_has_a_gap():
    """The gates' parameters have no axes."""
    found = _measured(np.array(2.0), np.array(2.0 + 2**-50))
    assert (found.ulp, found.relative) == (2.0, pytest.approx(2**-51))


def test_a_sign_turned_round_is_a_relative_gap_of_two():
    """|m - t| / max(|m|, |t|) is never more."""
    assert _measured(np.array([3.0]), np.array([-3.0])).relative == 2.0


@pytest.mark.parametrize(("dtype", "floor"), [("float64", -15.65356), ("float32", -6.92369)])
def test_no_gap_has_a_place_on_both_scales(dtype, floor):
    """log10(1 + 0) = 0, and log10(ε + 0) with ε = 2^-52 or 2^-23; also of zeros."""
    for equal in (np.array([0.5, -2.0], dtype), np.zeros((2, 2), dtype), np.array(1.5, dtype)):
        found = _measured(equal, equal.copy())
        assert (found.ulp, found.relative, found.log_ulp) == (0.0, 0.0, 0.0)
        assert found.log_relative == pytest.approx(floor, abs=1e-5)


def test_a_larger_gap_is_higher_on_both_scales():
    """From one ulp to a wrong number."""
    ours = np.array([1.0])
    found = [_measured(ours, ours + apart) for apart in (0.0, 2**-52, 1e-12, 1e-3, 0.5)]
    for scale in ("log_ulp", "log_relative"):
        places = [getattr(gap, scale) for gap in found]
        assert places == sorted(set(places))
    assert found[1].log_ulp == pytest.approx(math.log10(2))


def test_what_is_not_finite_does_not_pass_for_agreement():
    """NaN on one side, and infinity against a number, are no small gap."""
    assert math.isnan(_measured(np.array([1.0, np.nan]), np.array([1.0, 2.0])).log_ulp)
    found = _measured(np.array([1.0, np.inf]), np.array([1.0, 2.0]))
    assert found.log_ulp == np.inf
    assert not found.log_relative < 0


def test_every_entrys_error_is_in_the_unit_of_the_tensor():
    """The picture's numbers are those whose largest the curve has."""
    ours = np.array([[1.0, 2.0**-30]])
    theirs = ours + np.array([[2**-52, 2**-53]])
    np.testing.assert_array_equal(gaps.in_ulp_by_entry(ours, theirs), [[1.0, 0.5]])
    assert _measured(ours, theirs).ulp == 1.0


def test_an_array_without_entries_has_no_gap():
    """It is left out; so is everything where there is nothing else."""
    empty = {"none": np.zeros((0, 3))}
    assert gaps.measure(empty, empty) == {}
    assert list(gaps.measure(empty | {"b": np.ones(1)}, empty | {"b": np.ones(1)})) == ["b"]
