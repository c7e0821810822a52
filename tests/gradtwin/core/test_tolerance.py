"""The unit of judgement is rounding at the scale of a tensor, and nothing is lost in measuring it."""

import numpy as np
import pytest

from gradtwin.core.tolerance import scale_of, ulp, ulps_apart


def test_neighbouring_numbers_are_one_ulp_of_the_largest_apart():
    """At magnitude 1 the spacing is 2^-52; an entry of 1e-3 is measured at the tensor's scale, not its own."""
    a = np.array([1.0, 1e-3])
    assert ulps_apart(a, np.array([np.nextafter(1.0, 0.0), 1e-3]), "float64").tolist() == [0.5, 0.0]
    assert ulps_apart(a, np.array([1.0, 1e-3 + 2.0**-52]), "float64")[1] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_infinitely_far_from_everything(wrong):
    """NaN against NaN too; the finite entries beside it keep their distance and their scale."""
    a, b = np.array([wrong, 2.0]), np.array([wrong, 2.0 + 2.0**-51])
    assert ulps_apart(a, b, "float64").tolist() == [np.inf, 1.0]
    assert scale_of(a) == 2.0
    assert ulps_apart(np.array([1.0]), np.array([wrong]), "float64").tolist() == [np.inf]


def test_a_scalar_and_an_empty_array_have_a_scale():
    """A loss is a scalar; nothing has no magnitude."""
    assert scale_of(np.asarray(-3.0)) == 3.0 and scale_of(np.zeros(0)) == 0.0
    assert ulps_apart(np.asarray(1.0), np.asarray(1.0 + 2.0**-52), "float64") == 1.0


def test_a_long_double_keeps_its_digits():
    """A quarter of a float64's last place is seen beside the rounded value."""
    wide = np.longdouble(1) + np.longdouble(2) ** -54
    assert ulps_apart(np.array([wide]), np.array([1.0]), "float64")[0] == 0.25


def test_float32_is_measured_in_its_own_ulp():
    """The difference of two float32 numbers is exact in float64."""
    a, b = np.array([1.0, 0.5], np.float32), np.array([1.0, 0.5 + 2.0**-23], np.float32)
    assert ulps_apart(a, b, "float32").tolist() == [0.0, 1.0]


def test_two_huge_numbers_of_opposite_sign_are_apart_without_overflow_warnings():
    """Their difference is no float64: infinitely far, and no warning."""
    with np.errstate(all="raise"):
        assert ulps_apart(np.array([1.7e308]), np.array([-1.7e308]), "float64").tolist() == [np.inf]


def test_an_ulp_is_never_less_than_the_smallest_normal_numbers():
    """At magnitude zero the unit is that of the dtype's smallest normal number."""
    assert ulp(0.0, "float32") == float(np.spacing(np.finfo(np.float32).tiny))
