"""Second order: the hand gradient's own derivative, forward mode, and one example at a time.

Four properties that a right gradient has beside being right at one point:

    hessian_vector   H v of the hand gradient, Im ∇L(θ + i h v) / h with h = 1e-20, is TensorFlow's ∇(∇L · v)
    symmetry         uᵀ H v = vᵀ H u: what is no gradient of anything has no symmetric derivative
    forward_mode     ∇L · v of the hand gradient is TensorFlow's derivative along v, found without a gradient
    per_example      the examples' own losses and gradients add up to the batch's, or have it as their mean

The complex step needs analytic code (branches on the real part). Where code refuses complex numbers, or gives
on them what a central difference of the hand gradient contradicts, the difference speaks, to five digits.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtwin.backend.tensorflow_side import directional_derivative, hessian_vector_products, resolve
from gradtwin.core.precision import cast
from gradtwin.core.tolerance import AGREE_ULPS, scale_of, ulp
from gradtwin.referee.inspection.operating_point import PER_EXAMPLE, examples
from gradtwin.referee.witnesses import STEP
from gradtwin.twins import catalog
from gradtwin.twins.twin import Twin
from manual_grads import Array, Params

COMPLEX, DIFFERENCE = "complex step", "central difference"

DIFFERENCE_SLACK = 1e-5
"""What a central difference with a step of 6e-6 knows of a derivative, relative to the largest."""

FLOAT32_TO_FLOAT64 = 2.0**-29
"""What a rounding error of float32 becomes in float64: the two formats' spacings differ by this factor."""


@dataclass(frozen=True)
class PropertyRow:
    """One property of one tensor, or of the whole gradient (tensor "all").

    Attributes:
        property: "hessian_vector", "symmetry", "forward_mode" or "per_example".
        tensor: the tensor's name, "loss" or "all".
        error: the largest difference.
        bound: what rounding explains.
        ok: whether error <= bound; False where one is not finite.
        witness: how the hand gradient was differentiated: "complex step" or "central difference"; else "".
    """

    property: str
    tensor: str
    error: float
    bound: float
    ok: bool
    witness: str = ""


def second_order(twin: Twin | str, seed: int = 0) -> list[PropertyRow]:
    """Check a twin's second derivative, forward mode and per-example gradients, in float64.

    Args:
        twin: a Twin, or the name of a built-in one.
        seed: draws the operating point and the directions.

    Returns:
        One row a property and tensor; none of `per_example` for a twin whose batch has no examples.
    """
    twin = catalog.get(twin) if isinstance(twin, str) else twin
    params, batch = twin.point(seed)
    side = _Side(
        twin, cast(params, np.float64), cast(dict(zip(twin.batch_names(batch), batch, strict=True)), np.float64)
    )
    rng = np.random.default_rng([seed, 2])
    return [*side.hessian_rows(rng), side.forward_mode_row(rng), *side.per_example_rows()]


def _row(property: str, tensor: str, error: float, bound: float, witness: str = "") -> PropertyRow:
    ok = bool(np.isfinite(error) and np.isfinite(bound) and error <= bound)
    return PropertyRow(property, tensor, float(error), float(bound), ok, witness)


@dataclass
class _Side:
    """A twin at a point, its hand gradient as a function of everything that may move."""

    twin: Twin
    params: Params
    batch: Params

    def __post_init__(self) -> None:
        self.gradients = self.run(self.params | self.batch)[1]
        self.point = {n: a for n, a in (self.params | self.batch).items() if n in self.gradients}

    def run(self, point: Mapping[str, Array]) -> tuple[Any, Params]:
        """Give the hand's loss and gradients at a point (parameters and batch together)."""
        params = {name: point[name] for name in self.params}
        loss, cache = self.twin.manual.forward(params, *(point[name] for name in self.batch))
        return loss, self.twin.manual.backward(params, cache)

    def moved(self, direction: Mapping[str, Array], step: complex) -> Params:
        """Give the point after a step along a direction."""
        return self.params | self.batch | {n: a + step * direction[n] for n, a in self.point.items()}

    def draw_direction(self, rng: np.random.Generator) -> Params:
        """Draw a direction: a random sign times U[0.5, 1.5] in every entry, so that none is left out."""
        return {
            n: np.asarray(rng.choice([-1.0, 1.0], a.shape) * rng.uniform(0.5, 1.5, a.shape))
            for n, a in self.point.items()
        }

    # ---- H v -------------------------------------------------------------------------------------

    def hessian_rows(self, rng: np.random.Generator) -> list[PropertyRow]:
        """Compare H v with TensorFlow's, and uᵀ H v with vᵀ H u."""
        v, u = self.draw_direction(rng), self.draw_direction(rng)
        theirs, bounds = self.reference_products(v)
        analytic = self.by_complex_step(v), self.by_complex_step(u)
        rows = self._judged(COMPLEX, (v, u), analytic, theirs, bounds)
        if rows and all(row.ok for row in rows):
            return rows
        coarse = self.by_difference(v), self.by_difference(u)
        slack = DIFFERENCE_SLACK * scale_of(*self.gradients.values(), *theirs.values())
        if rows and all(_gap(analytic[0][n], coarse[0][n]) <= slack for n in v):
            return rows
        return self._judged(DIFFERENCE, (v, u), coarse, theirs, {n: bound + slack for n, bound in bounds.items()})

    def _judged(
        self,
        witness: str,
        directions: tuple[Params, Params],
        products: tuple[Params, Params],
        theirs: Params,
        bounds: Mapping[str, float],
    ) -> list[PropertyRow]:
        (v, u), (along_v, along_u) = directions, products
        if not along_v or not along_u:
            return []
        gap = abs(_contracted(u, along_v) - _contracted(v, along_u))
        return [
            *(_row("hessian_vector", n, _gap(along_v[n], theirs[n]), bounds[n], witness) for n in v),
            _row("symmetry", "all", gap, sum(2 * bounds[n] * v[n].size for n in v), witness),
        ]

    def by_complex_step(self, direction: Params) -> Params:
        """Differentiate the hand gradient along a direction; empty where the code refuses complex numbers."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                gradients = self.run(self.moved(direction, 1j * STEP))[1]
        except Exception:  # code that does not take complex numbers refuses them in its own way
            return {}
        return {n: np.imag(gradients[n]) / STEP for n in direction}

    def by_difference(self, direction: Params) -> Params:
        """Take (∇L(θ + h v) - ∇L(θ - h v)) / 2h; its error is of the order h² and of rounding over h."""
        step = np.finfo(np.float64).eps ** (1 / 3)
        ahead, behind = self.run(self.moved(direction, step))[1], self.run(self.moved(direction, -step))[1]
        return {n: (ahead[n] - behind[n]) / (2 * step) for n in direction}

    def reference_products(self, direction: Params) -> tuple[Params, dict[str, float]]:
        """Give TensorFlow's H v, and what rounding may make of each tensor: by its size, and by float32's noise."""
        forward = resolve(self.twin.reference)
        exact = hessian_vector_products(forward, self.params, self.batch, direction)
        coarse = hessian_vector_products(forward, *(cast(a, np.float32) for a in (self.params, self.batch, direction)))
        noise = {n: FLOAT32_TO_FLOAT64 * _gap(coarse[n], exact[n]) for n in direction}
        return exact, {n: AGREE_ULPS * (ulp(scale_of(exact[n]), "float64") + noise[n]) for n in direction}

    # ---- ∇L · v ----------------------------------------------------------------------------------

    def forward_mode_row(self, rng: np.random.Generator) -> PropertyRow:
        """Compare the hand gradient along a direction with TensorFlow's forward mode."""
        v = self.draw_direction(rng)
        theirs = directional_derivative(resolve(self.twin.reference), self.params, self.batch, v)
        bound = sum(AGREE_ULPS * ulp(scale_of(self.gradients[n]), "float64") * v[n].size for n in v)
        return _row("forward_mode", "all", abs(_contracted(v, self.gradients) - theirs), bound)

    # ---- one example at a time -------------------------------------------------------------------

    def per_example_rows(self) -> list[PropertyRow]:
        """Compare the batch's loss and gradients with those of its examples, taken one by one."""
        if not any(np.ndim(a) for a in self.batch.values()):
            return []
        n = examples(self.params, self.batch)
        runs = [self.run(self.only(i)) for i in range(n or 0)]
        share = 1.0 / len(runs) if self.twin.reduction == "mean" else 1.0
        loss = np.asarray(self.run(self.params | self.batch)[0])
        rows = [_summed_row("loss", loss, [np.asarray(l) * share for l, _ in runs])]
        for name, whole in self.gradients.items():
            parts = [gradients[name] * share for _, gradients in runs]
            stacks = whole.ndim and len(whole) == n and parts[0].shape == (1, *whole.shape[1:])
            rows.append(_stacked_row(name, whole, parts) if stacks else _summed_row(name, whole, parts))
        return rows

    def only(self, i: int) -> Params:
        """Give the point with example i alone."""
        n = examples(self.params, self.batch)
        point = self.params | self.batch
        has_rows = [k for k in point if k in self.batch or k in PER_EXAMPLE]
        return point | {k: point[k][i : i + 1] for k in has_rows if np.ndim(point[k]) and len(point[k]) == n}


def _gap(one: Array, two: Array) -> float:
    return float(np.abs(one - two).max(initial=0.0))


def _contracted(direction: Mapping[str, Array], gradients: Mapping[str, Array]) -> float:
    return float(sum(np.sum(v * gradients[name]) for name, v in direction.items()))


def _summed_row(name: str, whole: Array, parts: list[Array]) -> PropertyRow:
    """Compare with the sum, whose rounding is that of its largest terms added up without their signs."""
    scale = scale_of(np.abs(parts).sum(axis=0))
    return _row("per_example", name, np.abs(np.sum(parts, axis=0) - whole).max(), AGREE_ULPS * ulp(scale, "float64"))


def _stacked_row(name: str, whole: Array, parts: list[Array]) -> PropertyRow:
    """Compare with the rows one below the other."""
    stacked = np.concatenate(parts)
    bound = AGREE_ULPS * ulp(scale_of(stacked, whole), "float64")
    return _row("per_example", name, np.abs(stacked - whole).max(), bound)
