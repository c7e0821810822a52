"""The operating point: which faults could not be seen here, whatever the two sides say, and where they could.

A comparison at one point shows only what makes a difference there. With one example a sum and a mean are
the same number; where a bias is zero, so is every wrong term that is a multiple of it; where all targets
are equal, no mixed-up rows can show. `blind_spots` names such coincidences, `better_point` draws a point
without them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtwin.core.blocks import any_nonzero
from gradtwin.core.precision import is_floating
from gradtwin.core.verdicts import CauseId
from manual_grads import Array, Params

SATURATED_SLOPE = 1e-4
"""An activation whose slope is below this (a sigmoid beyond |z| = 9.2) passes next to nothing on."""

SATURATED_SHARE = 0.9
"""A layer is saturated when this share of its units is."""

SOME_ENTRIES = 16
"""So many entries tell in nearly all cases that two arrays are not an activation's argument and value."""

PER_EXAMPLE = ("x", "a0", "inputs")
"""Parameters of these names hold one example a row: a node is differentiated by its input."""

TARGETS = ("t", "y", "target", "targets", "label", "labels", "y_true")
COTANGENTS = ("g", "cotangent", "upstream", "grad_output", "dy")

C = CauseId
ANY_FAULT = (
    *(C.SIGN, C.FACTOR, C.REDUCTION, C.TRANSPOSE, C.PERMUTATION),
    *(C.MISSING_SUM, C.WRONG_OPERAND, C.ZERO),
)
MIXED_UP = (C.PERMUTATION, C.WRONG_OPERAND, C.TRANSPOSE, C.FACTOR)

SPOTS: dict[str, tuple[str, tuple[CauseId, ...]]] = {
    "one_example": (
        "The batch has one example, so a sum, a mean, and a sum over the wrong axis are all the same.",
        (C.REDUCTION, C.MISSING_SUM, C.WRONG_AXIS, C.BROADCAST_NXN, C.PERMUTATION),
    ),
    "equal_sizes": (
        "The batch size ({n}) equals another dimension, so dividing by, or summing over, the wrong one goes unnoticed.",
        (C.REDUCTION, C.FACTOR, C.WRONG_AXIS),
    ),
    "flat_cotangent": (
        "The upstream gradient {tensor} is one number in every entry, so mixed-up or ignored entries go unnoticed.",
        MIXED_UP,
    ),
    "equal_mask": (
        "Mask {tensor} is constant ({value:g}), so a wrong or missing mask goes unnoticed.",
        (C.MASK_MISSING, C.MASK_OTHER, C.FACTOR),
    ),
    "equal_targets": (
        "All examples have the same target {tensor}, so permuted rows and errors in the other class go unnoticed.",
        (C.PERMUTATION, C.ONE_ROW, C.ONE_COLUMN, C.WRONG_OPERAND),
    ),
    "zero_input": ("{tensor} is zero everywhere, and so is every product with it.", ANY_FAULT),
    "equal_rows": (
        "All rows of {tensor} are equal, so permuted rows, or rows used twice, go unnoticed.",
        (C.PERMUTATION, C.ONE_ROW, C.MISSING_SUM),
    ),
    "duplicate_rows": ("Examples {one} and {other} are the same, so exchanging them goes unnoticed.", (C.PERMUTATION,)),
    "zero_params": (
        "{tensor} is zero everywhere, so a wrong term that is a multiple of it, such as a penalty, goes unnoticed.",
        (C.REGULARISER, C.WRONG_OPERAND, C.PERMUTATION),
    ),
    "equal_params": (
        "{tensor} is the same along an axis, so its units are interchangeable and a permutation goes unnoticed.",
        (C.PERMUTATION, C.TRANSPOSE, C.WRONG_AXIS),
    ),
    "symmetric_weights": ("{tensor} is square and symmetric, so a wrong transpose goes unnoticed.", (C.TRANSPOSE,)),
    "active_units": (
        "{tensor} equals {before} everywhere. If a relu is between them, its derivative is 1 and can be left out "
        "unnoticed.",
        (C.MISSING_ACTIVATION_DERIVATIVE, C.WRONG_ACTIVATION_POINT, C.KINK_CONVENTION),
    ),
    "dead_units": (
        "All units of {tensor} are inactive, so no gradient reaches {before} or earlier layers.", ANY_FAULT
    ),
    "saturated_units": (
        "At least 90 % of {tensor} is saturated, so errors in {before} and earlier layers are lost in rounding.",
        (C.WRONG_ACTIVATION_POINT, C.MISSING_ACTIVATION_DERIVATIVE, C.MISSING_PPT, C.FACTOR),
    ),
    "zero_gradients": ("Every gradient is zero in every entry, so no error shows here.", ANY_FAULT),
    "zero_gradient": ("The gradient of {tensor} is zero in every entry, so a wrong factor goes unnoticed.", ANY_FAULT),
    "symmetric_gradient": (
        "The gradient of {tensor} is symmetric, so a wrong transpose of it goes unnoticed.", (C.TRANSPOSE,)
    ),
    "flat_gradient": (
        "The gradient of {tensor} is one number in every entry, so a step that mixes up or ignores its upstream "
        "gradient goes unnoticed.",
        MIXED_UP,
    ),
}
"""The blind spots: the sentence of each, and the causes that it hides."""

REPORTED_AS = {"zero_gradients": "zero_gradient", "flat_gradient": "flat_cotangent"}


@dataclass(frozen=True)
class BlindSpot:
    """A coincidence of the point, and the faults that it hides.

    Attributes:
        id: the coincidence, in one word.
        tensor: the array it concerns, or None.
        message: one line: what is the case, and what goes unnoticed.
        faults: the causes that would go unseen.
    """

    id: str
    tensor: str | None
    message: str
    faults: tuple[CauseId, ...]


def _spot(kind: str, tensor: str | None = None, **words: Any) -> BlindSpot:
    text, faults = SPOTS[kind]
    return BlindSpot(REPORTED_AS.get(kind, kind), tensor, text.format(tensor=tensor, **words), faults)


def blind_spots(
    params: Params,
    batch: Params,
    values: Mapping[str, Any] | None = None,
    gradients: Mapping[str, Any] | None = None,
) -> list[BlindSpot]:
    """Name what a comparison at this point could not show.

    Args:
        params: the parameters, by name.
        batch: the batch's arrays, by name.
        values: named intermediates, such as a cache holds; without them no unit can be seen to be dead
            or saturated. What is no array is passed over.
        gradients: the gradients, by name, of either side.

    Returns:
        The blind spots: those of the batch, the parameters, the units, the gradients. A graph of scalars has
        no batch and no axes, and therefore none of theirs.
    """
    values = {n: v for n, v in (values or {}).items() if isinstance(v, np.ndarray) and n not in params | batch}
    gradients = {n: np.asarray(g) for n, g in (gradients or {}).items()}
    return [
        *_of_the_sizes(params, batch),
        *_of_the_batch(batch),
        *_of_the_rows(params, batch),
        *_of_the_params(params),
        *_of_the_units({n: p for n, p in params.items() if n in PER_EXAMPLE} | batch | values),
        *_of_the_gradients(params, values, gradients),
    ]


def examples(params: Params, batch: Params) -> int | None:
    """Count the examples: the rows of the first batch array that has rows, or of a node's input."""
    rows = [a for a in batch.values() if np.ndim(a)] + [params[n] for n in PER_EXAMPLE if np.ndim(params.get(n, 0))]
    return len(rows[0]) if rows else None


# ---- the batch -------------------------------------------------------------------------------------


def _of_the_sizes(params: Params, batch: Params) -> Iterator[BlindSpot]:
    n = examples(params, batch)
    if n == 1:
        yield _spot("one_example")
    elif n is not None and n in _other_sizes(params, batch, n):
        yield _spot("equal_sizes", n=n)


def _other_sizes(params: Params, batch: Params, n: int) -> set[int]:
    """Collect the lengths of all axes that do not count examples."""
    per_example = [a for name, a in params.items() if name in PER_EXAMPLE and np.ndim(a) and len(a) == n]
    per_example += [a for a in batch.values() if np.ndim(a) and len(a) == n]
    others = [a for a in [*params.values(), *batch.values()] if not any(a is p for p in per_example)]
    return {s for a in others for s in np.shape(a)} | {s for a in per_example for s in np.shape(a)[1:]}


def _of_the_batch(batch: Params) -> Iterator[BlindSpot]:
    for name, array in batch.items():
        if not np.size(array):
            continue
        one_number = bool(np.all(array == np.ravel(array)[0]))
        if name in COTANGENTS and one_number and (np.size(array) > 1 or np.ravel(array)[0] == 1):
            yield _spot("flat_cotangent", name)
        elif name.startswith("mask") and one_number:
            yield _spot("equal_mask", name, value=np.ravel(array)[0])
        elif np.ndim(array) and len(array) > 1 and np.all(array == array[:1]):
            yield _spot("equal_targets" if name in TARGETS else "equal_rows" if np.any(array) else "zero_input", name)


def _of_the_rows(params: Params, batch: Params) -> Iterator[BlindSpot]:
    """Look for two examples that are the same in every array, where not all are."""
    n = examples(params, batch)
    rows = [a for a in _row_arrays(params, batch, n) if n is not None and n > 1]
    if not rows or all(np.all(a == a[:1]) for a in rows):
        return
    seen: dict[bytes, int] = {}
    for i in range(len(rows[0])):
        key = b"".join(np.ascontiguousarray(a[i]).tobytes() for a in rows)
        if key in seen:
            yield _spot("duplicate_rows", one=seen[key], other=i)
            return
        seen[key] = i


def _row_arrays(params: Params, batch: Params, n: int | None) -> list[Array]:
    arrays = [a for name, a in params.items() if name in PER_EXAMPLE] + list(batch.values())
    return [a for a in arrays if np.ndim(a) and len(a) == n]


# ---- the parameters --------------------------------------------------------------------------------


def _of_the_params(params: Params) -> Iterator[BlindSpot]:
    for name, p in params.items():
        if not any_nonzero(p):
            yield _spot("zero_params", name)
        elif np.size(p) > 1 and _has_equal_slices(p):
            yield _spot("equal_params", name)
        if np.ndim(p) == 2 and p.shape[0] == p.shape[1] and any_nonzero(p) and _is_symmetric(p):
            yield _spot("symmetric_weights", name)


def _has_equal_slices(p: Array) -> bool:
    """Whether all slices along some axis are equal; the first two tell nearly always."""
    for axis, size in enumerate(p.shape):
        first = np.take(p, [0], axis=axis)
        if size > 1 and np.array_equal(first, np.take(p, [1], axis=axis)) and np.all(p == first):
            return True
    return False


def _is_symmetric(p: Array) -> bool:
    return np.array_equal(p[0], p[:, 0]) and np.array_equal(p, p.T)


# ---- the units -------------------------------------------------------------------------------------


def _of_the_units(values: Mapping[str, Any]) -> Iterator[BlindSpot]:
    arrays = {n: v for n, v in values.items() if isinstance(v, np.ndarray) and v.size > 1 and is_floating(v)}
    for shape in dict.fromkeys(a.shape for a in arrays.values()):
        alike = {name: a for name, a in arrays.items() if a.shape == shape}
        for before, after in _possible_layers(alike):
            yield from _of_a_layer(before, alike[before], after, alike[after])
    for name, p in arrays.items():
        if _are_probabilities(p) and _is_saturated(p * (1 - p)):
            yield _spot("saturated_units", name, before=name)


def _possible_layers(alike: Mapping[str, Array]) -> Iterator[tuple[str, str]]:
    """Give the pairs whose first entries could be an activation's argument and value."""
    names = list(alike)
    some = np.array([np.ravel(a)[: 2 * SOME_ENTRIES : 2] for a in alike.values()])
    fits = np.isclose(some[:, np.newaxis], some).all(axis=2) | ~some.any(axis=1)
    for activation in (_sigmoid, np.tanh):
        fits |= np.isclose(activation(some)[:, np.newaxis], some, rtol=1e-4, atol=1e-7).all(axis=2)
    return ((names[i], names[j]) for i, j in np.argwhere(fits) if i != j)


def _of_a_layer(before: str, z: Array, after: str, a: Array) -> Iterator[BlindSpot]:
    """Recognise the activation between two arrays by its values, and say whether it is at work."""
    named_so = _could_be_a_layer(before, after)
    if named_so and np.array_equal(a, z):
        yield _spot("active_units", after, before=before)
    elif named_so and not a.any() and not (z > 0).any():
        yield _spot("dead_units", after, before=before)
    elif _is(_sigmoid, z, a) and _is_saturated(a * (1 - a)):
        yield _spot("saturated_units", after, before=before)
    elif _is(np.tanh, z, a) and _is_saturated(1 - a * a):
        yield _spot("saturated_units", after, before=before)


def _could_be_a_layer(before: str, after: str) -> bool:
    """Whether the names are those of a layer: z1 and a1 or h1, l and a1, or a node's x and y."""
    if (before, after) in (("x", "y"), ("l", "a1")):
        return True
    return before[:1] == "z" and after[:1] in ("a", "h") and before[1:] == after[1:]


def _is_saturated(slopes: Array) -> bool:
    return bool(np.mean(np.abs(slopes) < SATURATED_SLOPE) >= SATURATED_SHARE)


def _are_probabilities(p: Array) -> bool:
    """Whether every row adds up to 1; one-hot rows, which are targets, do not count."""
    if p.ndim != 2 or p.shape[1] < 2 or not np.isclose(p[0].sum(), 1.0, rtol=0.0, atol=1e-4):
        return False
    in_range = ((p >= 0) & (p <= 1)).all() and not np.isin(p, (0.0, 1.0)).all()
    return bool(in_range and np.allclose(p.sum(axis=1), 1.0, rtol=0.0, atol=1e-4))


def _is(activation: Callable[[Array], Array], z: Array, a: Array) -> bool:
    return bool(np.allclose(activation(z), a, rtol=1e-4, atol=1e-7))


def _sigmoid(z: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(0.5 * z)


# ---- the gradients ---------------------------------------------------------------------------------


def _of_the_gradients(
    params: Params, values: Mapping[str, Array], gradients: Mapping[str, Array]
) -> Iterator[BlindSpot]:
    mine = {name: gradients[name] for name in params if name in gradients}
    zero = [name for name, g in mine.items() if not any_nonzero(g)]
    if zero and len(zero) == len(mine):
        yield _spot("zero_gradients")
    else:
        for name in zero:
            yield _spot("zero_gradient", name)
    for name, g in mine.items():
        if g.ndim == 2 and 1 < g.shape[0] == g.shape[1] and any_nonzero(g) and _is_symmetric(g):
            yield _spot("symmetric_gradient", name)
    for name in values:
        g = gradients.get(name, np.zeros(0))
        if g.size > 1 and any_nonzero(g) and np.all(g == g.flat[0]):
            yield _spot("flat_gradient", name)


# ---- a better point --------------------------------------------------------------------------------


def better_point(
    params: Params,
    batch: Params,
    rng: np.random.Generator,
    look: Callable[[Params, Params], list[BlindSpot]] | None = None,
) -> tuple[Params, Params]:
    """Draw a point at which faults show, of the same kind as the given one.

    Parameters are drawn from N(0, 1/fan-in), biases from N(0, 1), what is positive stays positive. Labels stay
    labels, one-hot rows one-hot, masks masks, rows that add up to 1 do so again; other inputs are N(0, 1).
    All shapes stay, but for the number of examples where it is 1 or the length of another axis.

    Args:
        params: the parameters, by name.
        batch: the batch's arrays, by name, in the order of the call.
        rng: draws the point.
        look: `look(params, batch) -> blind spots`, runs a side and calls `blind_spots`; by default only what
            shows without a run is looked at. Up to 20 points are drawn, and the first without any is given.

    Returns:
        Parameters and batch, of the same dtypes.
    """
    look = look or blind_spots
    drawn = [_draw_point(params, batch, rng)]
    spots = [len(look(*drawn[0]))]
    while spots[-1] and len(drawn) < 20:
        drawn.append(_draw_point(params, batch, rng))
        spots.append(len(look(*drawn[-1])))
    return drawn[int(np.argmin(spots))]


def _draw_point(params: Params, batch: Params, rng: np.random.Generator) -> tuple[Params, Params]:
    n = examples(params, batch)
    rows = 0 if n is None else _enough_rows(n, _other_sizes(params, batch, n))

    def shape(array: Array) -> tuple[int, ...]:
        sizes = np.shape(array)
        return (rows, *sizes[1:]) if sizes and sizes[0] == n else sizes

    new_params = {k: _draw_param(rng, p, shape(p) if k in PER_EXAMPLE else np.shape(p)) for k, p in params.items()}
    return new_params, {k: _draw_data(rng, k, a, shape(a)) for k, a in batch.items()}


def _enough_rows(n: int, others: set[int]) -> int:
    if n > 1 and n not in others:
        return n
    return next(rows for rows in range(max(n, 5), n + len(others) + 6) if rows not in others)


def _draw_param(rng: np.random.Generator, p: Array, shape: tuple[int, ...]) -> Array:
    if np.size(p) > 1 and np.all(p > 0):
        return rng.uniform(0.1, 1.0, shape).astype(p.dtype)
    scale = 1.0 / np.sqrt(shape[0]) if len(shape) > 1 else 1.0
    return np.asarray(scale * rng.standard_normal(shape)).astype(p.dtype)


def _draw_data(rng: np.random.Generator, name: str, array: Array, shape: tuple[int, ...]) -> Array:
    array = np.asarray(array)
    return np.asarray(_draw_kind(rng, name, array, shape)).astype(array.dtype)


def _draw_kind(rng: np.random.Generator, name: str, array: Array, shape: tuple[int, ...]) -> Any:
    """Tell by an array's values what kind of data it is, and draw that kind."""
    largest = float(array.max())
    if name.startswith("mask"):
        keep = 1.0 / largest if largest > 1 else 0.7
        return (rng.random(shape) < min(0.9, keep)) * (largest or 1.0)
    if array.dtype.kind in "iub":
        return rng.integers(0, max(2, int(largest) + 1), shape)
    if name in COTANGENTS or array.ndim == 0:
        return rng.standard_normal(shape)
    switches = bool(np.isin(array, (0.0, 1.0)).all())
    if _are_distributions(name, array):
        return _draw_distributions(rng, shape, one_hot=switches)
    # Few switches take few values, and examples would repeat: such inputs are drawn as numbers.
    if switches and (name in TARGETS or array[0].size > 2 + np.log2(len(array))):
        return rng.integers(0, 2, shape)
    return rng.uniform(0.1, 1.0, shape) if (array > 0).all() else rng.standard_normal(shape)


def _are_distributions(name: str, array: Array) -> bool:
    """Whether rows of numbers, not negative, add up to 1: targets, or more rows than chance would have it."""
    if array.ndim != 2 or array.shape[1] < 2 or (len(array) < 2 and name not in TARGETS):
        return False
    return bool((array >= 0).all() and np.allclose(array.sum(axis=1), 1.0, rtol=0.0, atol=1e-4))


def _draw_distributions(rng: np.random.Generator, shape: tuple[int, ...], *, one_hot: bool) -> Array:
    rows, classes = shape
    return np.eye(classes)[rng.integers(classes, size=rows)] if one_hot else rng.dirichlet(np.ones(classes), size=rows)
