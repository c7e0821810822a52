"""Axes: which there are, what values they take, and what is said of others."""

import pytest

from gradtwin.checking.check import DTYPES
from gradtwin.core.errors import InputError
from gradtwin.core.routes import ROUTES
from gradtwin.sweep.axes import AXES, Integers, axes_of, parse, texts_of
from gradtwin.sweep.case import KINDS


def test_every_dtype_and_route_that_a_check_knows_is_a_value() -> None:
    """The lists are their owners', so a new one can be swept at once."""
    assert parse("dtype", ",".join(DTYPES)) == tuple(DTYPES)
    assert parse("route", ",".join(ROUTES)) == tuple(ROUTES)


def test_a_billion_seeds_take_no_more_room_than_one() -> None:
    """A range stays a range, and its last value is found without the others."""
    seeds = parse("seed", "7,1000..999999999")
    assert isinstance(seeds, Integers)
    assert (len(seeds), seeds[0], seeds[1], seeds[len(seeds) - 1]) == (999_999_001, 7, 1000, 999_999_999)
    assert str(seeds) == "7,1000..999999999"
    with pytest.raises(IndexError):
        seeds[len(seeds)]


def test_values_from_python_are_those_of_the_command_line() -> None:
    """Ranges, sequences and texts lead to one and the same axis."""
    from_python = axes_of("check", {"seed": range(3, 6), "widths": [(2, 5, 1)], "dtype": ["float32"]})
    from_words = axes_of("check", texts_of(["seed=3..5", "widths=2-5-1", "dtype=float32"]))
    assert {name: list(values) for name, values in from_python.items()} == {
        name: list(values) for name, values in from_words.items()
    }
    assert list(from_python["seed"]) == [3, 4, 5]
    assert list(axes_of("train", {"learning_rate": [0.1, 0.01]})["learning_rate"]) == [0.1, 0.01]


@pytest.mark.parametrize("kind", KINDS)
def test_an_axis_that_is_not_given_has_one_value_or_none(kind: str) -> None:
    """Only fuzzing, which is nothing but seeds, multiplies by itself."""
    lengths = {name: len(values) for name, values in axes_of(kind, {}).items()}
    assert all(length == 1 for name, length in lengths.items() if kind != "fuzz")
    assert set(lengths) <= set(AXES[kind])


@pytest.mark.parametrize(
    ("kind", "words", "line"),
    [
        ("check", "sed=1", "Unknown axis 'sed'. Did you mean 'seed'?"),
        ("check", "learning_rate=0.1", "does not apply to --kind check"),
        ("check", "learning_rate=0.1", "--kind train"),
        ("faults", "seed=0..9", "does not apply to --kind faults"),
        ("check", "seed", "expected NAME=VALUES"),
        ("check", "seed=", "no values"),
        ("check", "dtype= , ", "no values"),
        ("check", "seed=5..4", "5..4 is empty"),
        ("check", "seed=-1", "integers from 0"),
        ("check", "seed=1.5", "integers from 0"),
        ("check", "seed=0..9,3", "3 is given twice"),
        ("check", f"seed={2**62}", "is too large"),
        ("check", "dtype=float46", "Did you mean 'float64'?"),
        ("check", "dtype=float32,float32", "float32 is given twice"),
        ("check", "route=tap", "Did you mean 'tape'?"),
        ("check", "widths=2", "two or more integers"),
        ("check", "widths=2-0-1", "two or more integers"),
        ("train", "learning_rate=0", "finite numbers above 0"),
        ("train", "learning_rate=inf", "finite numbers above 0"),
        ("train", "learning_rate=fast", "finite numbers above 0"),
        ("train", "steps=0", "integers from 1"),
        ("faults", "fault=,a", "ids of faults"),
    ],
)
def test_a_bad_axis_is_refused_in_one_line(kind: str, words: str, line: str) -> None:
    """It says what was expected and what came."""
    with pytest.raises(InputError) as refused:
        axes_of(kind, texts_of([words]))
    assert line in str(refused.value) and "\n" not in str(refused.value)


def test_an_axis_given_twice_and_an_unknown_kind_are_refused() -> None:
    """Neither is taken for the other's half."""
    with pytest.raises(InputError, match="given twice"):
        texts_of(["seed=1", "seed=2"])
    with pytest.raises(InputError, match=r"'chek'. Did you mean 'check'\?"):
        axes_of("chek", {})
