"""The numeric check of document 002 (A20), beside our own: central differences of the manual loss.

    ∂L/∂x_i ≈ (L(x + δ/2 e_i) - L(x - δ/2 e_i)) / δ,    passed if |numeric - manual| <= 1e-3 + 1e-3 |numeric|

The rule is the source's: δ = 0.01 for every entry, and 1e-3 for the absolute and the relative precision. A node's
value is contracted with the random cotangent of its operating point. Two things differ from the source. The point is
seeded (F002-8), and every entry moves in a copy of the array, never through a flattened view (F002-9).

The rule is blind to faults below its precision: where gradients are small, as those of a mean over many examples, a
gradient of zero passes. It also refuses right gradients: its own error grows with the curvature of the loss, and 002
itself allows 1e-1 for the cross-entropy. Therefore it never changes a verdict.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradtwin.core.errors import InputError
from gradtwin.core.precision import cast, is_floating
from gradtwin.core.report import NumericRow
from manual_grads import Array, Params

DELTA = 0.01
PRECISION = 1e-3
MOST_ENTRIES = 1_000
"""A larger tensor is looked at in so many entries, spread evenly: each costs two forward passes."""


def numeric_rows(
    loss: Callable[[Params], Any], point: Mapping[str, Array], gradients: Mapping[str, Array]
) -> tuple[NumericRow, ...]:
    """Check gradients by the source's rule.

    Args:
        loss: the manual loss, a function of all named arrays.
        point: parameters and batch, by name.
        gradients: the manual gradients, by name; those of intermediates are passed over.

    Returns:
        A row for each parameter and input.
    """
    point = cast(point, np.float64)
    names = [name for name in gradients if name in point and is_floating(point[name])]
    return tuple(_row(loss, point, name, np.asarray(gradients[name], np.float64)) for name in names)


def _row(loss: Callable[[Params], Any], point: Params, name: str, manual: Array) -> NumericRow:
    """Look for the entry that is furthest from the numeric value, beside what is allowed there."""
    size = manual.size
    flat = np.unique(np.linspace(0, size - 1, min(size, MOST_ENTRIES)).astype(int))
    entries = [tuple(int(i) for i in np.unravel_index(place, manual.shape)) for place in flat]
    numeric = np.array([central_difference(loss, point, name, index, DELTA / 2) for index in entries])
    errors = np.abs(numeric - np.array([manual[index] for index in entries]))
    excess = errors / (PRECISION + PRECISION * np.abs(numeric))
    excess[~np.isfinite(excess)] = np.inf
    worst = int(excess.argmax())
    error = float(errors[worst]) if np.isfinite(errors[worst]) else float("inf")
    index = entries[worst]
    passed = bool(excess[worst] <= 1)
    return NumericRow(name, index, float(numeric[worst]), float(manual[index]), error, PRECISION, passed, len(entries))


def central_difference(
    loss: Callable[[Params], Any], point: Mapping[str, Array], name: str, index: tuple[int, ...], step: float
) -> float:
    """Differentiate a scalar loss with respect to one entry of one array.

    Args:
        loss: a function of all named arrays.
        point: the arrays; none is modified.
        name: the array that moves.
        index: the entry that moves.
        step: how far it moves to either side; the quotient divides by the distance after rounding.

    Raises:
        InputError: the array is not of a float dtype.
    """
    x = np.asarray(point[name])
    if not is_floating(x):
        raise InputError(f"{name}: expected a float array to differentiate by, got {x.dtype}; cast it.")
    ahead, behind = x.copy(), x.copy()
    ahead[index] += step
    behind[index] -= step
    rise = loss({**point, name: ahead}) - loss({**point, name: behind})
    return float(rise / (ahead[index] - behind[index]))
