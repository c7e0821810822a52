"""Nests of dictionaries, lists and tuples: what is changed, and what stays."""

from collections import namedtuple

import numpy as np
import pytest

from gradtwin.core.trees import mapped, replaced

Pair = namedtuple("Pair", "a b")
TREE = {"x": [1, (2, 3)], "y": {"z": 4}, "empty": []}


def test_every_leaf_is_changed_once_and_the_nest_keeps_its_shape() -> None:
    """Lists stay lists, tuples tuples, empty ones empty."""
    seen = []
    assert mapped(TREE, lambda leaf: seen.append(leaf) or -leaf) == {"x": [-1, (-2, -3)], "y": {"z": -4}, "empty": []}
    assert seen == [1, 2, 3, 4]


def test_the_given_nest_is_not_changed() -> None:
    """A new one is made, down to the containers inside."""
    given = {"x": [1]}
    changed = mapped(given, lambda leaf: leaf)
    changed["x"].append(2)
    assert given == {"x": [1]}


@pytest.mark.parametrize("leaf", [np.zeros(2), Pair(1, 2), "text", None, {1, 2}])
def test_what_is_no_plain_container_is_a_leaf(leaf: object) -> None:
    """An array, a named tuple, a string or a set is handed over whole."""
    assert mapped([leaf], lambda value: value is leaf) == [True]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), 0),
        (("y",), TREE | {"y": 0}),
        (("x", 0), TREE | {"x": [0, (2, 3)]}),
        (("x", 1, 1), TREE | {"x": [1, (2, 0)]}),
        (("y", "z"), TREE | {"y": {"z": 0}}),
    ],
)
def test_one_place_is_replaced_and_the_rest_is_the_same(path: tuple[object, ...], expected: object) -> None:
    """At any depth; the given nest keeps its leaf."""
    before = repr(TREE)
    assert replaced(TREE, path, 0) == expected
    assert repr(TREE) == before
