"""A second opinion in numpy alone: central differences under a random cotangent.

    ∂L/∂x_i ≈ (L(x + h e_i) - L(x - h e_i)) / (x_i⁺ - x_i⁻),   L = Σ g ∘ y with a random g for a value y

The step is chosen for each entry from the dtype and the entry's size, h = ε^(1/3) max(1, |x_i|), which balances
the truncation error, of the order h², against rounding, of the order ε/h. The quotient divides by the step
that was really taken, after rounding. Every entry moves in a copy of the array, never through a view.

Source: document 002, the numerical check (A20), which takes one step of 0.01 for all entries, no seed and
tolerances of 1e-3 to 1e-1 (F002-8, F002-9).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gradtwin.core.errors import InputError
from gradtwin.core.precision import is_floating
from gradtwin.twins import catalog
from gradtwin.twins.twin import Twin
from manual_grads import Array, Params

# Truncation is third derivative / 6 h²; a network's third derivative rarely exceeds its loss a hundredfold.
SAFETY = 1e2


@dataclass(frozen=True)
class DifferenceRow:
    """One tensor: the largest distance of the hand gradient from the differences, and what is allowed."""

    name: str
    error: float
    bound: float

    @property
    def agrees(self) -> bool:
        """Whether the hand gradient lies within the method's own error."""
        return self.error <= self.bound


def step_sizes(x: Array) -> Array:
    """Choose the step of every entry: h = ε^(1/3) max(1, |x|), in the dtype of x."""
    return (np.finfo(x.dtype).eps ** (1 / 3) * np.maximum(1, np.abs(x))).astype(x.dtype)


def central_differences(loss: Callable[[Params], Array], point: Mapping[str, Array], name: str) -> Array:
    """Differentiate a scalar loss with respect to one array, entry by entry.

    Args:
        loss: a function of all named arrays.
        point: the arrays, float32 or float64; none is modified.
        name: the one that moves.

    Returns:
        The quotients, of the shape and dtype of that array.

    Raises:
        InputError: the array is not of a float dtype.
    """
    x = np.asarray(point[name])
    if not is_floating(x):
        raise InputError(f"{name}: expected a float array to differentiate by, got {x.dtype}: cast it.")
    steps, quotients = step_sizes(x), np.empty_like(x)
    for index in np.ndindex(x.shape):
        ahead, behind = x.copy(), x.copy()
        ahead[index] += steps[index]
        behind[index] -= steps[index]
        rise = loss({**point, name: ahead}) - loss({**point, name: behind})
        quotients[index] = rise / (ahead[index] - behind[index])
    return quotients


def second_opinion(twin: Twin | str, *, seed: int = 0, dtype: str = "float64") -> list[DifferenceRow]:
    """Compare every parameter's and input's hand gradient of a twin with central differences.

    A node's value is contracted with the random cotangent of its operating point. The bound is the method's
    own error, (h² + ε/h) times the size of the loss, with a safety factor of 100.

    Args:
        twin: a Twin, or the name of a built-in one; meant for small networks, two forward passes an entry.
        seed: draws the operating point.
        dtype: "float64" or "float32".

    Returns:
        One row a tensor.
    """
    twin = catalog.get(twin) if isinstance(twin, str) else twin
    params, batch = twin.point(seed)
    named = params | dict(zip(twin.batch_names(batch), batch, strict=True))
    point = {name: np.asarray(array).astype(dtype) for name, array in named.items()}

    def split(arrays: Mapping[str, Array]) -> tuple[Params, list[Array]]:
        return {k: arrays[k] for k in params}, [v for k, v in arrays.items() if k not in params]

    def loss(arrays: Params) -> Array:
        inner, rest = split(arrays)
        return twin.manual.forward(inner, *rest)[0]

    inner, rest = split(point)
    value, cache = twin.manual.forward(inner, *rest)
    gradients = twin.manual.backward(inner, cache)
    return [
        _row(name, gradients[name], central_differences(loss, point, name), float(abs(value)))
        for name in gradients
        if name in point
    ]


def _row(name: str, gradient: Array, differences: Array, size: float) -> DifferenceRow:
    eps = float(np.finfo(gradient.dtype).eps)
    method = eps ** (2 / 3) * max(size, float(np.abs(differences).max()), eps)
    error = np.abs(gradient - differences)
    worst = float(error.max()) if np.isfinite(error).all() else float("inf")
    return DifferenceRow(name, worst, SAFETY * method)
