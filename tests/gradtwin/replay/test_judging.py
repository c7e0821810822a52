"""A figure is reproduced within its tolerance, field by field, and by nothing that is not a number."""

import numpy as np
import pytest

from gradtwin.replay.judging import agrees, largest_difference, plain, same_digits, written_like


@pytest.mark.parametrize(
    ("value", "text", "written"),
    [
        (453.748, "453.74799", "453.74800"),
        (7.805e-4, "7.80e-04", "7.81e-04"),
        (0.0, "0.", "0."),
        (1.0, "1.0", "1.0"),
        (7, "7", "7"),
        (np.True_, "True", "True"),
        (33.36812, "3.3368e+01", "3.3368e+01"),
    ],
)
def test_a_number_is_written_as_its_document_writes(value, text, written):
    """As many decimals, the exponent form, the lonely point of numpy."""
    assert written_like(value, text) == written


def _figure(values, **tolerance):
    return {"values": values, "tolerance": tolerance}


@pytest.mark.parametrize(
    ("value", "reproduced"),
    [
        ([1.0, 2.0], True),
        (np.array([1.0, 2.00009]), True),
        ([1.0, 2.0002], False),
        ([1.0, np.nan], False),
        ([1.0, np.inf], False),
        ([1.0], False),
        ([1.0, 2.0, 3.0], False),
        ([1.0, None], False),
        (None, False),
    ],
)
def test_a_value_agrees_within_the_tolerance(value, reproduced):
    """Every entry counts, and a NaN, a missing or a surplus one never passes."""
    assert agrees(_figure([1.0, 2.0], abs=1e-4), value) is reproduced


def test_a_tolerance_of_zero_means_equal():
    """One unit in the last place is too much."""
    assert agrees(_figure(0.5, abs=0), 0.5)
    assert not agrees(_figure(0.5, abs=0), np.nextafter(0.5, 1))


def test_a_figure_without_a_tolerance_must_be_equal():
    """Such as the words of the generator."""
    assert agrees({"values": [3, 4]}, np.array([3, 4], dtype=np.uint32))
    assert not agrees({"values": [3, 4]}, np.array([3, 5], dtype=np.uint32))


def test_a_relative_tolerance_goes_with_the_printed_value():
    """5 parts in a thousand of -2000 are 10."""
    assert agrees(_figure([-2000.0], rel=0.005), [-2009.0])
    assert not agrees(_figure([-2000.0], rel=0.005), [-2011.0])


def test_a_column_may_have_its_own_tolerance():
    """The log's cost is held closer than its weights."""
    figure = _figure([[1, 0.5, [2.0]]], abs=1e-3, cost=1e-6) | {"columns": ["step", "cost", "W"]}
    assert agrees(figure, [[1, 0.5, np.array([2.0009])]])
    assert not agrees(figure, [[1, 0.5009, np.array([2.0])]])


def test_fields_go_by_name_whatever_their_order():
    """A missing field is a miss, a surplus one is not looked at."""
    figure = _figure({"cost": 0.7, "h": [0.5]}, abs=1e-3)
    assert agrees(figure, {"h": [0.5], "W": 9, "cost": 0.7})
    assert not agrees(figure, {"h": [0.7], "cost": 0.5})
    assert not agrees(figure, {"cost": 0.7})


def test_digits_are_compared_only_where_digits_are_printed():
    """0.49996 is printed 0.5000; a derived figure has no digits."""
    figure = _figure([0.5], abs=1e-3) | {"printed": ["0.5000"]}
    assert same_digits(figure, [0.49996])
    assert not same_digits(figure, [0.4999])
    assert not same_digits(_figure([0.5], abs=1e-3), [0.5])
    assert largest_difference(figure, [0.4999]) == pytest.approx(1e-4)


def test_plain_data_holds_no_numpy():
    """Arrays and scalars become lists and Python numbers, at any depth."""
    found = plain({"a": [np.float32(0.5), np.array([1, 2])], "b": True})
    assert found == {"a": [0.5, [1, 2]], "b": True}
    assert type(found["a"][0]) is float
