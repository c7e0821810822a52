"""Axes: what a sweep varies, and the values each takes.

A value is checked against the list of the module that defines it: the dtypes of `gradtwin.check`, the routes of
`gradtwin.backend.tensorflow_side`. A new one is swept without a change here. Integers stay ranges: a billion seeds
take no more room than one.
"""

import bisect
import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, overload

from gradtwin.core.dtypes import DTYPES
from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.core.routes import ROUTES
from gradtwin.sweep.case import KINDS, written

Values = Sequence[Any]

LARGEST = 2**62  # so that the number of values is one that Python's len can give

# What each kind can vary. An axis that is not given has one value, the default of the command.
AXES = {
    "check": ("dtype", "route", "seed", "widths"),
    "train": ("dtype", "seed", "widths", "learning_rate", "steps"),
    "faults": ("fault",),
    "fuzz": ("dtype", "route", "seed"),
}
DEFAULTS = {
    "check": {"dtype": "float64", "route": "tape", "seed": "0"},
    "train": {"dtype": "float64", "seed": "0"},
    "faults": {},
    "fuzz": {"seed": "0..99"},
}
_NAMES = tuple(dict.fromkeys(itertools.chain(*AXES.values())))


class Integers(Sequence[int]):
    """Integers from 0: ranges one after another, none of which is ever written out."""

    def __init__(self, ranges: Iterable[range]) -> None:
        self.ranges = tuple(ranges)
        self._ends = list(itertools.accumulate(map(len, self.ranges)))

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> "Integers": ...
    def __getitem__(self, index: int | slice) -> "int | Integers":
        if isinstance(index, slice):
            raise TypeError("Expected one index.")
        if not 0 <= index < self._ends[-1]:
            raise IndexError(index)
        at = bisect.bisect_right(self._ends, index)
        return self.ranges[at].start + index - (self._ends[at] - len(self.ranges[at]))

    def __str__(self) -> str:
        return ",".join(f"{r.start}..{r.stop - 1}" if len(r) > 1 else f"{r.start}" for r in self.ranges)


def texts_of(given: Iterable[str]) -> dict[str, str]:
    """Split the words of a command line, `NAME=VALUES` each: `seed=0..99`, `widths=2-5-1,2-10-1`.

    Raises:
        InputError: one has another form, or an axis is given twice.
    """
    texts: dict[str, str] = {}
    for words in given:
        name, equals, text = words.partition("=")
        if not equals:
            raise InputError(f"--axis {words}: expected NAME=VALUES, for example seed=0..99 or dtype=float64,float32.")
        if name in texts:
            raise InputError(f"Axis {name} is given twice; join its values with commas.")
        texts[name] = text
    return texts


def axes_of(kind: str, given: Mapping[str, Any]) -> dict[str, Values]:
    """Read the axes of a sweep.

    Args:
        kind: one of `KINDS`.
        given: the values of each axis, as the command line has them, `0..99`, or as a sequence.

    Returns:
        The values of each axis in the order of the kind's axes, with its defaults.

    Raises:
        InputError: the kind or an axis is unknown, the kind does not have the axis, or a value is bad.
    """
    if kind not in KINDS:
        raise InputError(f"Unknown kind of case {kind!r}.{did_you_mean(kind, KINDS)} Choose one of {', '.join(KINDS)}.")
    for name in given:
        _refuse_unknown(name, kind)
    texts = DEFAULTS[kind] | {name: _as_text(values) for name, values in given.items()}
    return {name: parse(name, texts[name]) for name in AXES[kind] if name in texts}


def _refuse_unknown(name: str, kind: str) -> None:
    if name not in _NAMES:
        near = did_you_mean(name, AXES[kind])
        raise InputError(f"Unknown axis {name!r}.{near} --kind {kind} has {', '.join(AXES[kind])}.")
    if name not in AXES[kind]:
        others = " or ".join(other for other in KINDS if name in AXES[other])
        raise InputError(
            f"Axis {name} does not apply to --kind {kind}, which has {', '.join(AXES[kind])}. Leave it out, or use "
            f"--kind {others}."
        )


def _as_text(values: Any) -> str:
    if isinstance(values, str):
        return values
    if isinstance(values, range) and values.step == 1 and values:
        return str(Integers([values]))
    return ",".join(written(value) for value in values)


def parse(name: str, text: str) -> Values:
    """Read the values of one axis.

    Raises:
        InputError: there is none, one is given twice, or one is not a value of the axis.
    """
    words = [word.strip() for word in text.split(",")]
    if not any(words):
        raise InputError(f"Axis {name} has no values.")
    if name in ("seed", "steps"):
        return _integers(name, words)
    values = tuple(_READERS[name](word) for word in words)
    twice = next((value for i, value in enumerate(values) if value in values[:i]), None)
    if twice is not None:
        raise InputError(f"Axis {name}: {written(twice)} is given twice.")
    return values


def _integers(name: str, words: Sequence[str]) -> Integers:
    ranges = [_range(name, word) for word in words]
    ordered = sorted(ranges, key=lambda numbers: numbers.start)
    for before, after in itertools.pairwise(ordered):
        if after.start < before.stop:
            raise InputError(f"Axis {name}: {after.start} is given twice.")
    return Integers(ranges)


def _range(name: str, word: str) -> range:
    least = 1 if name == "steps" else 0
    found = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", word, re.ASCII)
    if not found or len(word) > 40 or int(found[1]) < least:
        raise InputError(f"Axis {name}: expected integers from {least}, such as 7 or 0..99, got {word!r}.")
    first, last = int(found[1]), int(found[2] or found[1])
    if max(first, last) >= LARGEST:
        raise InputError(f"Axis {name}: {word} is too large; the largest number is {LARGEST - 1:,}.")
    if last < first:
        raise InputError(f"Axis {name}: the range {word} is empty, since {last} is below {first}.")
    return range(first, last + 1)


def _one_of(name: str, allowed: Sequence[str]) -> Callable[[str], str]:
    def read(word: str) -> str:
        if word not in allowed:
            near = did_you_mean(word, allowed)
            raise InputError(f"Axis {name}: unknown value {word!r}.{near} Choose from {', '.join(allowed)}.")
        return word

    return read


def _widths(word: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[1-9]\d{0,8}(-[1-9]\d{0,8})+", word, re.ASCII):
        raise InputError(f"Axis widths: expected two or more integers from 1, such as 2-10-1, got {word!r}.")
    return tuple(map(int, word.split("-")))


def _learning_rate(word: str) -> float:
    try:
        rate = float(word)
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise InputError(f"Axis learning_rate: expected finite numbers above 0, got {word!r}.")
    return rate


def _fault(word: str) -> str:
    if not word:
        raise InputError("Axis fault: expected ids of faults, such as F001-2; gradtwin faults NAME lists them.")
    return word


# Checks and trainings have a list each; `plan` refuses a value that only the other one knows.
_READERS: dict[str, Callable[[str], Any]] = {
    "dtype": _one_of("dtype", DTYPES),
    "route": _one_of("route", ROUTES),
    "widths": _widths,
    "learning_rate": _learning_rate,
    "fault": _fault,
}
