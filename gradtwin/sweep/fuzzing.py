"""A right twin at a point nobody chose: widths, size of batch, scale of the weights, dtype and route from one seed.

Whoever objects at such a point raises a false alarm, or has found a wrong gradient that the twin's own point hides.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from gradtwin.checking.check import DTYPES
from gradtwin.sweep.case import Case
from gradtwin.twins.twin import Batch, Generator, Twin
from manual_grads import Array, Params

# Those that differentiate the whole batch within one process; a case is one core's work.
ROUTES_DRAWN = ("tape", "gradients", "xla")
DRAWS = 30  # points that can be judged are found within a few


@dataclass(frozen=True)
class Draw:
    """What a fuzz case checks: the twin at one point, the dtype and the route; `words` says what was drawn."""

    twin: Twin
    dtype: str
    route: str
    words: str


def draw(case: Case, twin: Twin) -> Draw:
    """Draw what a case checks from its seed.

    A point at which the loss or a gradient is no number of the dtype, or every gradient of a parameter is zero, can
    tell a right gradient from none as little as a check can: it is drawn again, with weights that are less extreme.

    Args:
        case: of kind "fuzz"; a dtype or route it fixes is not drawn.
        twin: its twin.
    """
    rng = np.random.default_rng([case.seed or 0, 0xF022])
    dtype = case.dtype or str(rng.choice(DTYPES))
    route = case.route or str(rng.choice(ROUTES_DRAWN))
    for attempt in range(DRAWS):
        scale = float(10 ** (rng.uniform(-3, 3) * (1 - attempt / DRAWS)))
        sized = _resized(twin, rng)
        point = _point(sized, rng, scale)
        if is_telling(sized, point, dtype):
            break
    params, batch = point
    words = f"widths {'-'.join(map(str, sized.widths))}, " if sized.widths else ""
    return Draw(_at(sized, point), dtype, route, f"{words}{_rows(batch)} rows, weights times {scale:.3g}")


def _resized(twin: Twin, rng: Generator) -> Twin:
    """Draw the width of every layer, and the number of layers where the twin can be had in any."""
    if twin.resize is None or twin.widths is None:
        return twin
    deep = len(twin.widths) > 2
    layers = int(rng.integers(2, 7)) if deep else len(twin.widths)
    widths = [int(width) for width in rng.integers(1, 13, size=layers)]
    return twin.resize((*widths[:-1], max(2, widths[-1]) if twin.task == "multiclass" else widths[-1]))


def _point(twin: Twin, rng: Generator, scale: float) -> tuple[Params, Batch]:
    params, batch = twin.point(int(rng.integers(2**32)))
    other = twin.point(int(rng.integers(2**32)))[1]
    rows = int(rng.integers(1, 41))
    if not hasattr(twin.manual, "node"):  # a node's rows are those of its parameters
        batch = _with_rows(batch, other, rows, rng)
        params = {name: np.asarray(scale * value) for name, value in params.items()}
    return params, batch


def _with_rows(batch: Batch, other: Batch, rows: int, rng: Generator) -> Batch:
    """Take rows of two batches, with repetition, where all arrays have rows and both batches as many arrays."""
    arrays = [np.asarray(array) for array in (*batch, *other)]
    counts = {array.shape[0] if array.ndim else None for array in arrays}
    if len(counts) != 1 or None in counts or len(batch) != len(other):
        return batch
    taken = rng.integers(2 * counts.pop(), size=rows)  # type: ignore[operator]
    return tuple(np.concatenate([a, b])[taken] for a, b in zip(batch, other, strict=True))


def _rows(batch: Batch) -> int:
    return len(batch[0]) if len(batch) and np.ndim(batch[0]) else 1


@dataclass(frozen=True)
class _FixedTwin(Twin):
    """A twin at one given point."""

    at: tuple[Params, Batch] = ({}, ())

    def point(self, seed: int = 0) -> tuple[Params, Batch]:
        """Give the point, whatever the seed."""
        return self.at


def _at(twin: Twin, point: tuple[Params, Batch]) -> Twin:
    known = {field.name: getattr(twin, field.name) for field in fields(Twin)}
    return _FixedTwin(**known, at=point)


# ---- whether a point tells anything ------------------------------------------------------------------


def is_telling(twin: Twin, point: tuple[Params, Batch], dtype: str) -> bool:
    """Whether a check at the point can tell a right gradient from none; whatever raises is left for the check to say.

    The loss and every gradient must be numbers of the dtype, with room for the sums that make them, and one gradient
    of a parameter must not be zero.
    """
    from ml_dtypes import finfo  # knows the small types too; TensorFlow brings it

    params, batch = point
    largest = float(finfo(dtype).max) / 1e3
    try:
        with np.errstate(all="ignore"):
            exact, _ = _values(twin, params, batch)
            _, rounded = _values(twin, *_rounded(params, batch, dtype))
    except Exception:
        return True
    return all(bool(np.all(np.abs(value) <= largest)) for value in exact) and any(
        bool(np.any(np.asarray(rounded[name]) != 0)) for name in params if name in rounded
    )


def _values(twin: Twin, params: Params, batch: Batch) -> tuple[list[Any], Params]:
    loss, cache = twin.manual.forward(params, *batch)
    gradients = twin.manual.backward(params, cache)
    return [loss, *gradients.values()], gradients


def _rounded(params: Params, batch: Batch, dtype: str) -> tuple[Params, Batch]:
    def cast(array: Array) -> Array:
        return np.asarray(array).astype(dtype) if np.asarray(array).dtype.kind == "f" else array

    return {name: cast(p) for name, p in params.items()}, tuple(cast(array) for array in batch)

