"""Nests of dictionaries, lists and tuples: one map for all that is done to every leaf."""

from collections.abc import Callable, Mapping
from typing import Any


def mapped(tree: Any, change: Callable[[Any], Any]) -> Any:
    """Change every leaf of nested dictionaries, lists and tuples, and keep the nest's shape.

    Args:
        tree: the nest. Named tuples and other classes of containers are leaves.
        change: is given each leaf.

    Returns:
        A new nest with the changed leaves.
    """
    if isinstance(tree, dict):
        return {key: mapped(value, change) for key, value in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(mapped(value, change) for value in tree)
    return change(tree)


def replaced(tree: Any, path: tuple[Any, ...], leaf: Any) -> Any:
    """Put another leaf at one place of a nest; the rest is the same."""
    if not path:
        return leaf
    first, *rest = path
    if isinstance(tree, Mapping):
        return {**tree, first: replaced(tree[first], tuple(rest), leaf)}
    return type(tree)(replaced(part, tuple(rest), leaf) if i == first else part for i, part in enumerate(tree))
