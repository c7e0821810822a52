"""Evidence: what can be found out about two sides at a point, each thing once and only when asked for."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtwin.backend.differentiation import differentiate
from gradtwin.backend.tensorflow_side import ReferenceRun
from gradtwin.core.comparison import compare
from gradtwin.core.precision import cast, eps, is_floating
from gradtwin.referee import witnesses
from gradtwin.referee.inspection.hygiene import Inspection
from gradtwin.tracing import summands
from manual_grads import Array, Cache, Params

LARGE = 2**23
"""Entries of parameters and batch together."""


@dataclass(frozen=True)
class ManualRun:
    """What the hand-derived side says: the loss, its gradients, and the named intermediates it kept."""

    loss: Array
    gradients: Params
    cache: Cache


@dataclass(frozen=True)
class Asked:
    """What both sides answer at one point, each in its own right; `shared` are the names both have a gradient of."""

    inspection: Inspection
    manual: ManualRun
    reference: ReferenceRun

    @property
    def shared(self) -> tuple[str, ...]:
        """The tensors that are compared."""
        return tuple(name for name in self.manual.gradients if name in self.reference.gradients)


@dataclass(frozen=True, eq=False)
class Evidence:
    """Two sides and a point, and ways to ask them again.

    Args:
        manual: `manual(params, *batch) -> ManualRun`.
        loss: `loss(params, *batch)`, the hand-written forward alone.
        reference: the reference's forward.
        params, batch: the point, in the dtype of the check.
        dtype: "float32" or "float64"; in a lower precision nothing is asked but the reference's run.
        route: how TensorFlow differentiates.
        names: the tensors whose gradients are compared.
    """

    manual: Callable[..., ManualRun]
    loss: Callable[..., Any]
    reference: Callable[..., Any]
    params: Params
    batch: Params
    dtype: str
    route: str
    names: Sequence[str]

    def manual_at(self, point: Mapping[str, Array]) -> ManualRun:
        """Run the hand-derived side at another point (parameters and batch together)."""
        with np.errstate(all="ignore"):
            return self.manual(*self._split(point))

    def loss_at(self, point: Mapping[str, Array]) -> Any:
        """Run the hand-written forward alone at another point."""
        return self.loss(*self._split(point))

    def reference_at(self, point: Mapping[str, Array]) -> ReferenceRun:
        """Run TensorFlow at another point, in the point's dtype."""
        params, *batch = self._split(point)
        named = dict(zip(self.batch, batch, strict=True))
        return differentiate(self.reference, params, named, self.names, route=self.route)

    def _split(self, point: Mapping[str, Array]) -> tuple[Any, ...]:
        return {name: point[name] for name in self.params}, *(point[name] for name in self.batch)

    @functools.cached_property
    def point(self) -> Params:
        """Parameters and batch together."""
        return self.params | self.batch

    @functools.cached_property
    def extended_point(self) -> Params:
        """The same point in long double; every float32 and float64 is a long double, so nothing moves."""
        return cast(self.point, np.longdouble)

    @functools.cached_property
    def is_large(self) -> bool:
        """Whether copies of the point in wide precisions would not fit beside it: several of its entries' bytes each.

        Then the hand's wider precision is at most float64, the witness's numbers have as many bits, and the runs
        around the point are made again for each tensor instead of kept.
        """
        return sum(np.size(array) for array in self.point.values()) > LARGE

    @functools.cached_property
    def extended(self) -> ManualRun | None:
        """The hand-derived side in a wider precision, or None where the code does not carry one through."""
        for kind in (np.float64,) if self.is_large else (np.longdouble, np.float64):
            if eps(kind) >= eps(self.dtype):
                return None
            try:
                run = self.manual_at(cast(self.point, kind))
                if all(np.asarray(run.gradients[name]).dtype == kind for name in self.names):
                    return run
            except Exception:
                continue
        return None

    @functools.cached_property
    def carried(self) -> dict[str, float]:
        """How far one rounding of the point, in its own dtype, carries each gradient: what no code can avoid.

        Measured in the wider precision, so that the hand's own rounding has no part in it.
        """
        if self.extended is None:
            return {}
        rng, here = np.random.default_rng(4), self.extended.gradients
        kind = np.asarray(next(iter(here.values()))).dtype
        runs = [self.manual_at(cast(witnesses.jitter(self.point, rng), kind)) for _ in range(4)]
        distances = {name: [np.abs(run.gradients[name] - here[name]).max() for run in runs] for name in self.names}
        return {name: float(max(found)) for name, found in distances.items()}

    @functools.cached_property
    def other_reference(self) -> ReferenceRun:
        """TensorFlow at the same point in the other precision: float32 for float64, and the reverse."""
        return self.reference_at(cast(self.point, "float32" if self.dtype == "float64" else "float64"))

    @functools.cached_property
    def loss_scales(self) -> tuple[float, float]:
        """The loss's size nearby, and how far one rounding of the point carries it.

        A loss far below its usual size (a saturated, well-classified batch) is still computed from terms of
        that size: it is looked up at the same network with its parameters halved and at zero.
        """
        rng = np.random.default_rng(0)
        here = self.loss_at(self.point)
        shrunk = [{**self.point, **{k: v * v.dtype.type(f) for k, v in self.params.items()}} for f in (0.5, 0)]
        with np.errstate(all="ignore"):
            nearby = [abs(float(self.loss_at(p))) for p in [self.point, *shrunk]]
            moved = [abs(float(self.loss_at(witnesses.jitter(self.point, rng)) - here)) for _ in range(4)]
        return max(x for x in [*nearby, 0.0] if np.isfinite(x)), max(x for x in [*moved, 0.0] if np.isfinite(x))

    def neighbours(self) -> Iterable[tuple[list[ManualRun], ReferenceRun]]:
        """Both sides around this point, in float64, every float entry moved: off every kink.

        Eight directions (four and their opposites); the hand also at a hundredth of the distance, where a
        jump is still as high and a slope a hundred times less.
        """
        return self._run_neighbours() if self.is_large else self._kept_neighbours

    @functools.cached_property
    def _kept_neighbours(self) -> list[tuple[list[ManualRun], ReferenceRun]]:
        return list(self._run_neighbours())

    def _run_neighbours(self) -> Iterator[tuple[list[ManualRun], ReferenceRun]]:
        point, rng = cast(self.point, "float64"), np.random.default_rng(1)
        for _ in range(4):
            move = {k: _direction(rng, v) for k, v in point.items() if is_floating(v)}
            for distance in (1.0, -1.0):
                far, near = (_moved(point, move, distance * fraction) for fraction in (1.0, 0.01))
                yield [self.manual_at(far), self.manual_at(near)], self.reference_at(far)

    @functools.cached_property
    def tame_points(self) -> list[Params]:
        """Two points of the same network, in float64, where no unit saturates."""
        rng = np.random.default_rng(2)
        tame = {k: _at_most_one(v) for k, v in cast(self.point, "float64").items()}
        return [tame | {k: tame[k] * rng.uniform(0.5, 1.0, tame[k].shape) for k in self.params} for _ in range(2)]

    @functools.cached_property
    def companions(self) -> list[tuple[ManualRun, ReferenceRun]]:
        """Both sides at the tame points."""
        return [(self.manual_at(point), self.reference_at(point)) for point in self.tame_points]

    @functools.cached_property
    def tame_noise(self) -> list[dict[str, float]]:
        """What rounding does to each gradient by hand at the tame points, in ulp.

        How far the long double's value is from the float64 one, and how far a point goes that is moved by
        one rounding; whatever cancels shows in the second.
        """
        rng = np.random.default_rng(3)
        noises = []
        for point, (here, _) in zip(self.tame_points, self.companions, strict=True):
            moved = [witnesses.jitter(point, rng), witnesses.jitter(point, rng), cast(point, np.longdouble)]
            runs = [run for p in moved if (run := self._manual_if_it_runs(p)) is not None]
            noises.append({n: max((_apart(here, run, n) for run in runs), default=0.0) for n in self.names})
        return noises

    def _manual_if_it_runs(self, point: Mapping[str, Array]) -> ManualRun | None:
        try:
            return self.manual_at(point)
        except Exception:  # a stranger's code may refuse a long double
            return None

    @functools.cached_property
    def largest_summands(self) -> dict[str, float]:
        """The magnitude at which each gradient's last addition rounds."""
        return summands.largest_summands(lambda point: self.manual_at(point).gradients, self.point)

    def testify(self, name: str, index: tuple[int, ...]) -> witnesses.Testimony | None:
        """Ask a witness for one entry of a parameter's or input's gradient."""
        if name not in self.point:
            return None
        direction = np.zeros(np.shape(self.point[name]))
        direction[index] = 1.0
        for kind in ("float64",) if self.is_large else (np.longdouble, "float64"):
            point = self.extended_point if kind is np.longdouble else cast(self.point, kind)
            try:
                return witnesses.testify(self.loss_at, point, name, direction, frugal=self.is_large)
            except Exception:
                continue
        return None


def _apart(one: ManualRun, other: ManualRun, name: str) -> float:
    """Measure the largest distance of one gradient in two runs, in ulp of float64."""
    return compare(np.asarray(one.gradients[name]), np.asarray(other.gradients[name]), "float64").error_ulps


def _direction(rng: np.random.Generator, array: Array, size: float = 1e-10) -> Array:
    """Draw a move of every entry, random sign times U[0.5, 1.5], relative to the tensor's scale."""
    scale = size * max(1.0, float(np.abs(array).max(initial=0.0)))
    return scale * rng.choice([-1.0, 1.0], array.shape) * rng.uniform(0.5, 1.5, array.shape)


def _moved(point: Mapping[str, Array], move: Mapping[str, Array], times: float) -> Params:
    """Add a multiple of a move to the entries that have one."""
    return {k: v + times * move[k] if k in move else v for k, v in point.items()}


def _at_most_one(array: Array) -> Array:
    """Scale an array down until its largest magnitude is 1."""
    return array / max(1.0, float(np.abs(array).max())) if is_floating(array) else array
