"""Twins of other packages, found by their entry points.

A package that declares

    [project.entry-points."gradtwin.twins"]
    theirs = "their_package.twins:THEIRS"

puts its twin into the catalogue under the name `theirs`. The object is a `gradtwin.Twin`, or any object with
the attributes `manual`, `reference` and `batch`. Its module is imported when the twin is asked for and not
before; it should name its reference by a string, so that listing it does not load TensorFlow.
"""

import functools
import os
import sys
from collections.abc import Collection
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points

from gradtwin.core.errors import InputError
from gradtwin.core.user_code import described
from gradtwin.twins.twin import Twin
from gradtwin.twins.twin_files import as_twin

GROUP = "gradtwin.twins"


def names(built_in: Collection[str]) -> list[str]:
    """Name the twins that installed packages declare, in alphabetical order.

    Args:
        built_in: names that are taken.

    Raises:
        InputError: a package declares a name that is taken, by a built-in twin or by another package.
    """
    for name in sorted(declared()):
        _require_free(name, built_in)
    return sorted(declared())


def load(name: str, built_in: Collection[str]) -> Twin:
    """Import the twin of a declared name.

    Args:
        name: one of `declared`.
        built_in: names that are taken.

    Raises:
        InputError: the name is taken, the package's entry point does not load, or it names no twin.
    """
    _require_free(name, built_in)
    (point,) = declared()[name]
    return _load(point)


def declared() -> dict[str, list[EntryPoint]]:
    """Find the entry points of the group, by name; several under one name are a clash."""
    found: dict[str, list[EntryPoint]] = {}
    for point in _entry_points(_places()):
        found.setdefault(point.name, []).append(point)
    return found


@functools.lru_cache(maxsize=4)
def _entry_points(places: tuple[tuple[str, int | None], ...]) -> tuple[EntryPoint, ...]:
    """Read the group's entry points; it takes milliseconds, so it is done once for each state of the path."""
    return tuple(entry_points(group=GROUP))


def _places() -> tuple[tuple[str, int | None], ...]:
    """Name the folders packages are found in, each with the time of its last change."""
    return tuple((folder, _changed(folder)) for folder in sys.path)


def _changed(folder: str) -> int | None:
    try:
        return os.stat(folder or ".").st_mtime_ns
    except OSError:  # a path entry need not exist
        return None


def _require_free(name: str, built_in: Collection[str]) -> None:
    packages = sorted(package_of(point) for point in declared()[name])
    if name in built_in:
        raise InputError(
            f"Package {packages[0]!r} declares a twin {name!r}, but that is a built-in one: it must rename its "
            f"entry point in {GROUP!r}, or be uninstalled."
        )
    if len(packages) > 1:
        raise InputError(
            f"Packages {' and '.join(map(repr, packages))} both declare a twin {name!r}: one must rename its entry "
            f"point in {GROUP!r}, or be uninstalled."
        )


@functools.cache
def _load(point: EntryPoint) -> Twin:
    where = f"Twin {point.name!r} of package {package_of(point)!r}"
    try:
        thing = point.load()
    except (Exception, SystemExit) as error:
        raise InputError(f"{where} does not load from {point.value!r}: {described(error)}") from error
    return replace(as_twin(thing, point.name, f"{where}, {point.value!r},"), name=point.name)


def package_of(point: EntryPoint) -> str:
    """Name the distribution that declares an entry point."""
    return point.dist.name if point.dist is not None else point.module
