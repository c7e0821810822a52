"""Whether a computed value is the printed one: within the stated tolerance, print rounding included."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradtwin.replay.figures import Figure

Leaf = tuple[str, Any]


def agrees(figure: Figure, value: Any) -> bool:
    """Say whether every number of a value lies within the figure's tolerance; None never does."""
    try:
        pairs = list(zip(_leaves(figure, figure["values"]), _leaves(figure, value), strict=True))
    except ValueError:  # other numbers of entries
        return False
    return all(
        ours == theirs and _close(float(got), float(wanted), figure, theirs) for (theirs, wanted), (ours, got) in pairs
    )


def largest_difference(figure: Figure, value: Any) -> float:
    """Give the largest distance of a value, entry by entry, from the figure."""
    pairs = zip(_leaves(figure, figure["values"]), _leaves(figure, value), strict=True)
    return max(abs(float(got) - float(wanted)) for (_, wanted), (_, got) in pairs)


def same_digits(figure: Figure, value: Any) -> bool:
    """Say whether a value, written with as many digits as the document has, is the printed text."""
    if "printed" not in figure:
        return False
    pairs = zip(_leaves(figure, figure["printed"]), _leaves(figure, value), strict=True)
    return all(written_like(got, text) == text for (_, text), (_, got) in pairs)


def written_like(value: Any, text: str) -> str:
    """Write a number in the style of a printed one: as many digits, the same exponent form.

    >>> written_like(453.748, "453.74799"), written_like(1.2e-3, "7.80e-04"), written_like(0.0, "0.")
    ('453.74800', '1.20e-03', '0.')
    """
    if text in ("True", "False"):
        return str(bool(value))
    mantissa, _, exponent = text.partition("e")
    _, point, decimals = mantissa.partition(".")
    written = f"{float(value):.{len(decimals)}{'e' if exponent else 'f'}}"
    return written + "." if point and not decimals else written


def plain(value: Any) -> Any:
    """Turn arrays and numpy scalars, however nested, into lists and Python scalars, ready for JSON."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _leaves(figure: Figure, value: Any) -> Iterator[Leaf]:
    """Yield every number with the name of its field or column."""
    value = plain(value)
    if isinstance(value, dict):
        # Parameters that are printed and not replayed stand in neither side's way: fields go by name.
        for name in figure["values"]:
            yield from ((name, leaf) for leaf in _flat(value.get(name)))
    elif "columns" in figure and isinstance(value, list):
        for row in value:
            for name, part in zip(figure["columns"], row, strict=True):
                yield from ((name, leaf) for leaf in _flat(part))
    else:
        yield from (("", leaf) for leaf in _flat(value))


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for part in value:
            yield from _flat(part)
    else:
        yield math.nan if value is None else value


def _close(got: float, wanted: float, figure: Figure, field: str) -> bool:
    tolerance = figure.get("tolerance", {"abs": 0})
    if "rel" in tolerance:
        return abs(got - wanted) <= tolerance["rel"] * abs(wanted)
    return abs(got - wanted) <= tolerance.get(field, tolerance["abs"])
