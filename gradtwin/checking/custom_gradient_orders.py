"""What is examined of a custom gradient: the first derivatives, then the second.

Each order is a scalar of the function's arguments whose gradient is to be right. The first is Σ c ∘ y, so that the
gradient is the function's own under the upstream gradient c; the second is a component of that gradient in its turn.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from gradtwin.checking.custom_gradient_runs import (
    Arguments,
    Scalar,
    TapeRun,
    contracted,
    evaluator,
    gradient_contracted,
    run,
    upstream_gradients,
    value,
)
from gradtwin.core.errors import InputError
from gradtwin.core.precision import cast
from gradtwin.core.tolerance import scale_of
from gradtwin.referee.probes import Probe, probe
from manual_grads import Array, Params


class Order:
    """A scalar of a function's arguments, once with its custom gradient and once, if that is given, plain."""

    custom: Scalar
    plain: Scalar | None
    usual_scalars: tuple[Scalar, ...]  # their values have the size that this one usually has
    suffix: str  # of the rows' names
    derivatives: str  # what they are called in notes
    takes_complex: bool

    def __init__(self, arguments: Arguments, seed: int) -> None:
        self.arguments = arguments
        self.seed = seed

    @property
    def point(self) -> Params:
        """The float arguments, by name."""
        return self.arguments.point

    @property
    def dtype(self) -> str:
        """Their dtype."""
        return str(next(iter(self.point.values())).dtype)

    def run(self, mode: str) -> TapeRun:
        """Differentiate the custom side, eagerly or inside `tf.function`."""
        return run(self.custom, self.point, mode)

    def evaluator(self, point: Params) -> Callable[[Mapping[str, Array]], Any]:
        """Give the scalar as a function of arrays, ready for many calls."""
        return evaluator(self.custom, point, complex_too=self.takes_complex)

    @cached_property
    def probes(self) -> dict[str, list[Probe]]:
        """What the witnesses say, in float64 where the function takes it."""
        rng = np.random.default_rng(self.seed)
        point = cast(self.point, np.float64)
        try:
            value(self.custom, point)
        except Exception:  # a function written for float32 only
            point = self.point
        loss = self.evaluator(point)
        return {name: probe(loss, point, name, rng) for name in self.point}

    @cached_property
    def usual(self) -> dict[str, float]:
        """The size a gradient by each argument usually has: the value, under any upstream, over the argument."""
        size = max(abs(float(value(scalar, self.point))) for scalar in self.usual_scalars)
        return {name: size / max(scale_of(array), 1.0) for name, array in self.point.items()}

    @cached_property
    def right_gradients(self) -> dict[str, Array]:
        """The right gradients: the plain function's, or those of which the witnesses know every entry."""
        if self.plain is not None:
            return {n: g for n, g in run(self.plain, self.point, "eager").gradients.items() if g is not None}
        found = {}
        for name, probes in self.probes.items():
            if len(probes) == self.point[name].size and all(np.count_nonzero(p.direction) == 1 for p in probes):
                found[name] = sum(p.value * p.direction for p in probes)
        return {name: np.asarray(gradient) for name, gradient in found.items()}

    @cached_property
    def wider(self) -> Mapping[str, Array | None]:
        """The custom gradient in float64, where that is wider and the function takes it."""
        if self.dtype == "float64":
            return {}
        try:
            return run(self.custom, cast(self.point, np.float64), "eager").gradients
        except Exception:  # a function written for float32 only
            return {}


class FirstOrder(Order):
    """The gradient under a random upstream gradient, and under others."""

    suffix, derivatives, takes_complex = "", "gradients", True

    def __init__(
        self, fn: Callable[..., Any], plain: Callable[..., Any] | None, arguments: Arguments, seed: int
    ) -> None:
        super().__init__(arguments, seed)
        rng = np.random.default_rng(seed)
        self._fn, self._weights = fn, upstream_gradients(arguments, fn, rng)
        self._others = [rng.choice([-1.0, 1.0], c.shape) * rng.uniform(0.5, 1.5, c.shape) for c in self._weights]
        self.custom = self.upstream()
        self.plain = None if plain is None else contracted(arguments, plain, self._weights)
        self.usual_scalars = self.custom, self.other_upstream()

    def upstream(self, scale: float = 1.0) -> Scalar:
        """Give the scalar under a multiple of the upstream gradient."""
        return contracted(self.arguments, self._fn, [scale * c for c in self._weights])

    def other_upstream(self) -> Scalar:
        """Give the scalar under another upstream gradient."""
        return contracted(self.arguments, self._fn, self._others)

    def require_repeatable(self) -> None:
        """Refuse a function that gives two values for the same arguments."""
        one, two = (float(value(self.custom, self.point)) for _ in range(2))
        if one != two and not (np.isnan(one) and np.isnan(two)):
            raise InputError(f"The function gives {one!r}, then {two!r}, for the same arguments: expected one value.")


class SecondOrder(Order):
    """A component of the gradient, where the upstream gradient depends on the arguments as behind a later layer."""

    suffix, derivatives, takes_complex = "second order", "second derivatives", False

    def __init__(
        self, fn: Callable[..., Any], plain: Callable[..., Any] | None, arguments: Arguments, seed: int
    ) -> None:
        super().__init__(arguments, seed)
        rng = np.random.default_rng(seed + 1)
        weights, curvature = upstream_gradients(arguments, fn, rng), upstream_gradients(arguments, fn, rng)
        direction = {
            k: rng.choice([-1.0, 1.0], v.shape) * rng.uniform(0.5, 1.5, v.shape) for k, v in arguments.point.items()
        }
        self.custom = gradient_contracted(arguments, fn, weights, curvature, direction)
        self.plain = plain and gradient_contracted(arguments, plain, weights, curvature, direction)
        self.under_constant_upstream = gradient_contracted(arguments, fn, weights, None, direction)
        self.usual_scalars = (self.custom,)
