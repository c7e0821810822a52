"""One place says what a floating-point format is and how fine its numbers are."""

import importlib

import ml_dtypes
import numpy as np
import pytest

from gradtwin.core.precision import DTYPES, cast, eps, is_floating, is_low, largest, spacing, tiny


@pytest.mark.parametrize(
    ("dtype", "bits"), [("float64", 53), ("float32", 24), ("float16", 11), ("bfloat16", 8)]
)
def test_the_spacing_at_1_follows_from_the_bits(dtype, bits):
    """IEEE 754's significands, and bfloat16's of 8 bits: 2^(1 - bits)."""
    assert eps(dtype) == spacing(1.0, dtype) == 2.0 ** (1 - bits)
    assert spacing(2.0, dtype) == 2 * eps(dtype) and spacing(np.nextafter(2.0, 0), dtype) == eps(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_spacing_is_numpys(dtype):
    """At magnitudes of any size numpy's own next number is as far."""
    kind = np.dtype(dtype).type
    for magnitude in np.geomspace(1e-4, 6e4, 40):
        number = kind(magnitude)
        assert spacing(float(number), dtype) == float(np.spacing(number))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_spacing_stays_finite_beyond_the_range(dtype):
    """Zero is measured by the smallest normal number, infinity by the largest."""
    assert spacing(0.0, dtype) == tiny(dtype) * eps(dtype) > 0
    assert spacing(np.inf, dtype) == spacing(largest(dtype), dtype) < np.inf


def test_the_largest_float16_is_65504_and_bfloat16_has_the_range_of_float32():
    """The formats' definitions."""
    assert largest("float16") == 65504
    assert largest("bfloat16") == pytest.approx(largest("float32"), rel=0.01)


def test_bfloat16_is_floating_and_labels_are_not():
    """numpy files bfloat16 under "V" and a float8, in which no side computes, under "f"."""
    kinds = {"half": np.float16, "brain": ml_dtypes.bfloat16, "wide": np.longdouble}
    arrays = {name: np.zeros(2, kind) for name, kind in kinds.items()}
    assert all(is_floating(array) and is_floating(array.dtype) for array in arrays.values())
    others = [np.zeros(2, int), np.zeros(2, bool), np.zeros(2, complex), np.zeros(2, ml_dtypes.float8_e5m2)]
    assert not any(is_floating(array) for array in others)
    assert {str(a.dtype) for a in cast(arrays | {"labels": others[0]}, "bfloat16").values()} == {"bfloat16", "int64"}


def test_one_list_names_what_a_check_computes_in():
    """The check, the command line and the message of a wrong word all read it."""
    assert importlib.import_module("gradtwin.checking.check").DTYPES is DTYPES
    assert [d for d in DTYPES if is_low(d)] == ["bfloat16", "float16"]
