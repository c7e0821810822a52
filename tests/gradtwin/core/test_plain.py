"""Plain data for JSON, and numbers as people read them."""

import json
import math
from typing import Any

import numpy as np
import pytest

from gradtwin.core import plain
from gradtwin.core.verdicts import Verdict


def test_arrays_become_lists_and_what_is_not_finite_null() -> None:
    """At any depth, in numpy's scalars too."""
    given = {"a": np.array([[1.0, np.nan], [np.inf, 2.0]]), "b": (np.float32(0.5), -math.inf), "c": np.int64(3)}
    assert plain.jsonable(given) == {"a": [[1.0, None], [None, 2.0]], "b": (0.5, None), "c": 3}


@pytest.mark.parametrize("value", [0, True, None, "nan", 1.5, Verdict.AGREE])
def test_what_json_has_stays_as_it_is(value: Any) -> None:
    """A word `nan` stays a word."""
    assert plain.jsonable([value]) == [value]


def test_a_document_is_json_without_nan_and_ends_its_line() -> None:
    """Letters beyond ASCII stay readable."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = plain.document({"σ": [math.nan, 1.0]})
    assert json.loads(text, parse_constant=refuse) == {"σ": [None, 1.0]}
    assert text.endswith("}\n") and "σ" in text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (plain.count(1, "twin"), "1 twin"),
        (plain.count(0, "twin"), "0 twins"),
        (plain.count(2000, "twin"), "2,000 twins"),
        (plain.listed([]), ""),
        (plain.listed(["a"]), "a"),
        (plain.listed(["a", "b"], "or"), "a or b"),
        (plain.listed(["a", "b", 3]), "a, b and 3"),
        (plain.share(1, 1), "100.0 %"),
        (plain.share(9999, 10_000), "99.9 %"),
        (plain.share(0, 0), "-"),
        (plain.percent(0.97428), "97.43 %"),
        (plain.percent(None), "-"),
        (plain.number(0.0138447581), "0.013844758"),
        (plain.number(0.0138447581, 3), "0.0138"),
        (plain.number(None), "-"),
        (plain.ulps(1.294e15), "1.29e+15"),
        (plain.ulps(64.0), "64"),
        (plain.ulps(math.inf), "not finite"),
        (plain.ulps(math.nan), "not finite"),
        (plain.ulps(None), "-"),
    ],
)
def test_numbers_are_written_as_people_read_them(written: str, expected: str) -> None:
    """Nothing is rounded up to all, and nothing that is not finite looks like a number."""
    assert written == expected
