"""A right twin at a random point: widths, batch size, scale of the weights, dtype and route come from one seed.

A check that fails at such a point is a false alarm, or has found a wrong gradient that the twin's own point hides.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from gradtwin.core.precision import DTYPES, cast, largest
from gradtwin.core.routes import ROUTES
from gradtwin.sweep.case import SweepCase
from gradtwin.twins.twin import Batch, Generator, Twin
from manual_grads import Params

DRAWS = 30  # a few are enough to find a point that can be judged


@dataclass(frozen=True)
class Draw:
    """What a fuzz case checks: the twin at one point, the dtype and the route; `words` describes the point."""

    twin: Twin
    dtype: str
    route: str
    words: str


def draw(case: SweepCase, twin: Twin) -> Draw:
    """Draw what a case checks from its seed.

    A point tells nothing if the loss or a gradient overflows the dtype, or if every gradient of a parameter is zero.
    Then another one is drawn, with less extreme weights.

    Args:
        case: of kind "fuzz"; a dtype or route that it has is not drawn.
        twin: its twin.
    """
    rng = np.random.default_rng([case.seed or 0, 0xF022])
    dtype = case.dtype or str(rng.choice(DTYPES))
    route = case.route or str(rng.choice(ROUTES))
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
    """Draw the width of every layer, and the number of layers if the twin takes any number."""
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
    if not hasattr(twin.manual, "node"):  # the rows of a node are those of its parameters
        batch = _with_rows(batch, other, rows, rng)
        params = {name: np.asarray(scale * value) for name, value in params.items()}
    return params, batch


def _with_rows(batch: Batch, other: Batch, rows: int, rng: Generator) -> Batch:
    """Draw rows from two batches, with repetition, if all their arrays have the same number of rows."""
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
    """Whether a check at the point can tell a right gradient from zeros; if the code raises, the check shall say so.

    The loss and every gradient must fit the dtype, with room for the sums that make them, and the gradient of at least
    one parameter must not be zero.
    """
    params, batch = point
    most = largest(dtype) / 1e3
    try:
        with np.errstate(all="ignore"):
            exact, _ = _values(twin, params, batch)
            _, rounded = _values(twin, *_rounded(params, batch, dtype))
    except Exception:
        return True
    return all(bool(np.all(np.abs(value) <= most)) for value in exact) and any(
        bool(np.any(np.asarray(rounded[name]) != 0)) for name in params if name in rounded
    )


def _values(twin: Twin, params: Params, batch: Batch) -> tuple[list[Any], Params]:
    loss, cache = twin.manual.forward(params, *batch)
    gradients = twin.manual.backward(params, cache)
    return [loss, *gradients.values()], gradients


def _rounded(params: Params, batch: Batch, dtype: str) -> tuple[Params, Batch]:
    return cast(params, dtype), tuple(cast({str(i): array for i, array in enumerate(batch)}, dtype).values())
