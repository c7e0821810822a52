"""Plain data and plain words: what goes into JSON, and numbers as every command, page and message writes them."""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradtwin.core.trees import mapped


def jsonable(value: Any) -> Any:
    """Turn nested data into what JSON holds: arrays into lists, and what is not finite into null."""
    return mapped(value, _jsonable_leaf)


def _jsonable_leaf(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray | np.generic):
        return jsonable(leaf.tolist())
    return None if isinstance(leaf, float) and not math.isfinite(leaf) else leaf


def document(value: Any) -> str:
    """Write nested data as one JSON document, with a line feed at its end."""
    return json.dumps(jsonable(value), indent=2, ensure_ascii=False) + "\n"


def count(number: int, noun: str) -> str:
    """Count things: "1 twin", "2,000 twins"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(words: Sequence[object], last: str = "and") -> str:
    """Write words as a list: "a", "a and b", "a, b and c"."""
    texts = [str(word) for word in words]
    return f"{', '.join(texts[:-1])} {last} {texts[-1]}" if len(texts) > 1 else "".join(texts)


def share(part: int, whole: int) -> str:
    """Write a share in percent, rounded down so that 100.0 % means all; "-" of nothing."""
    return f"{math.floor(1000 * part / whole) / 10:.1f} %" if whole else "-"


def percent(value: float | None) -> str:
    """Write a number between 0 and 1 in percent: "97.43 %"; "-" for None."""
    return "-" if value is None else f"{100 * value:.2f} %"


def number(value: float | None, digits: int = 8) -> str:
    """Write a number in so many significant digits; "-" for None."""
    return "-" if value is None else f"{value:.{digits}g}"


def ulps(error: float | None) -> str:
    """Write an error in ulp in three digits; "-" for None."""
    return number(error, 3) if error is None or math.isfinite(error) else "not finite"


def kind_of(thing: object) -> str:
    """Say what kind of thing this is: "None", "a list", "an int"."""
    kind = type(thing).__name__
    return "None" if thing is None else f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
