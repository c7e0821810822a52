"""Arrays inside dictionaries, tuples and lists: change all, name all, and find those that share memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.lib.array_utils import byte_bounds

from gradtwin.core.precision import eps, is_floating, tiny
from manual_grads import Array

Tag = TypeVar("Tag")


def mapped(tree: Any, change: Callable[[Array], Array]) -> Any:
    """Change every array of nested dictionaries, tuples and lists.

    An array that stands in two places stays one array in two places; other objects pass as they are.
    """
    seen: dict[int, Any] = {}

    def walk(node: Any) -> Any:
        if isinstance(node, np.ndarray):
            if id(node) not in seen:
                seen[id(node)] = change(node)
            return seen[id(node)]
        if type(node) is dict:
            return {key: walk(value) for key, value in node.items()}
        if type(node) in (tuple, list):
            return type(node)(walk(value) for value in node)
        return node

    return walk(tree)


def leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Array]]:
    """Give every array with its name: the innermost key, and the place in a list or tuple."""
    if isinstance(tree, np.ndarray):
        yield name, tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from leaves(value, str(key))
    elif isinstance(tree, tuple | list):
        for i, value in enumerate(tree):
            yield from leaves(value, f"{name}[{i}]" if name else "")


def read_only(array: Array) -> Array:
    """View an array so that writing raises ValueError; the array itself stays writable for its owner."""
    view = array.view()
    view.flags.writeable = False
    return view


def writable_copy(array: Array) -> Array:
    """Copy an array, its memory order and its class."""
    return np.array(array, copy=True, order="K", subok=True)


def bits(array: Array) -> bytes:
    """Give an array's content for comparison; NaN equals NaN, and 0 differs from -0."""
    return array.tobytes() if array.dtype.kind != "O" else repr(array).encode()


def same_array(view: Any, array: Any) -> bool:
    """Whether one thing is the other, or a view of all of it."""
    if view is array or not isinstance(array, np.ndarray):
        return view is array
    return isinstance(view, np.ndarray) and view.shape == array.shape and _address(view) == _address(array)


def _address(array: Array) -> int:
    return array.__array_interface__["data"][0]


def overlapping(arrays: Sequence[tuple[Tag, Array]]) -> Iterator[tuple[Tag, Tag]]:
    """Give the pairs that share memory, by a sweep over address ranges: few pairs are compared in full."""
    ranges = sorted(((*byte_bounds(a), tag, a) for tag, a in arrays if a.size), key=lambda r: r[0])
    for i, (_, end, tag, array) in enumerate(ranges):
        for start, _, other_tag, other in ranges[i + 1 :]:
            if start >= end:
                break
            if _share(array, other):
                yield tag, other_tag


def _share(one: Array, two: Array) -> bool:
    try:
        return np.shares_memory(one, two, max_work=10_000)  # type: ignore[arg-type]  # the stub knows only its two names
    except np.exceptions.TooHardError:
        return True


def equal(one: Array, two: Array) -> bool:
    """Whether two arrays have one shape and equal entries, NaN where the other has NaN."""
    if np.array_equal(one, two):
        return True
    return _has_nan(one) and _has_nan(two) and np.array_equal(one, two, equal_nan=True)


def _has_nan(array: Array) -> bool:
    """Whether an array's format has a NaN at all."""
    return is_floating(array) or array.dtype.kind == "c"


def gap_ulps(one: Any, two: Any) -> float:
    """Measure the largest difference of two arrays of one shape, in ulp of the largest magnitude.

    Infinite where one has a NaN or an infinity and the other has not the same.
    """
    one, two = np.asarray(one), np.asarray(two)
    if equal(one, two):
        return 0.0
    finite = np.isfinite(one) & np.isfinite(two)
    if not equal(np.where(finite, 0, one), np.where(finite, 0, two)):
        return float("inf")
    dtype = one.dtype if is_floating(one) else np.dtype(float)
    wide = np.result_type(one, two, np.float64)  # the difference of two large float16 numbers is no float16
    scale = np.abs(one[finite].astype(wide)).max(initial=tiny(dtype))
    with np.errstate(over="ignore"):
        return float(np.abs(np.subtract(one[finite], two[finite], dtype=wide)).max() / (scale * eps(dtype)))
