"""What every checker is asked: a loss, a gradient that may be wrong, and the point.

A peer gets the loss and the gradient as the user of that peer would hand them over, as functions of the parameters;
Gradtwin gets the twin. Both come from the same pages, with the same fault in them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.detection.cases import FixedTwin
from gradtwin.backend.tensorflow_side import resolve
from gradtwin.faults.catalogue import PlantedFault, planted, small
from gradtwin.faults.score import spread
from gradtwin.twins import catalog
from gradtwin.twins.twin import Twin
from manual_grads import Array, Params

ERRORS = (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 1e-10)


@dataclass(frozen=True, eq=False)
class Problem:
    """A twin at one point, its gradient right or wrong.

    Attributes:
        twin: the twin at its point.
        tensor: the tensor whose gradient is wrong, None if all are right.
        causes: the causes that explain the fault.
    """

    twin: FixedTwin
    tensor: str | None = None
    causes: frozenset[str] = frozenset()

    @property
    def params(self) -> Params:
        """The parameters, in float64."""
        return {name: np.asarray(value, np.float64) for name, value in self.twin.at[0].items()}

    def loss(self, params: Params) -> Array:
        """Compute the loss as a function of the parameters."""
        return np.asarray(self.twin.manual.forward(params, *self.twin.at[1])[0])

    def gradients(self, params: Params) -> Params:
        """Compute the gradients of the parameters, by hand, fault included."""
        _, cache = self.twin.manual.forward(params, *self.twin.at[1])
        found = self.twin.manual.backward(params, cache)
        return {name: np.asarray(found[name], np.float64) for name in params}


def at_point(twin: Twin, seed: int = 0) -> FixedTwin:
    """Fix a twin at the point of a seed."""
    return FixedTwin(**{field.name: getattr(twin, field.name) for field in fields(Twin)}, at=twin.point(seed))


def scaled(twin: FixedTwin, factor: float) -> FixedTwin:
    """Multiply a twin's loss, on both sides; its gradients follow."""
    if factor == 1.0:
        return twin
    manual, forward = twin.manual, resolve(twin.reference)

    def by_hand(params: Params, *batch: Array) -> Any:
        loss, cache = manual.forward(params, *batch)
        return loss * _like(loss, factor), cache

    def backward(params: Params, cache: Any) -> Params:
        return {name: d * _like(d, factor) for name, d in manual.backward(params, cache).items()}

    def reference(params: Any, *batch: Any) -> Any:
        values = dict(forward(params, *batch))
        return {name: value * factor if name.startswith("loss") else value for name, value in values.items()}

    names = {"batch_names": twin.batch_names(twin.at[1])}  # by_hand's own arguments have none
    side = SimpleNamespace(**_parts(manual) | names | {"forward": by_hand, "backward": backward})
    return replace(twin, manual=side, reference=reference)


def with_wrong_entry(twin: FixedTwin, name: str, index: tuple[int, ...], error: float) -> FixedTwin:
    """Multiply one entry of one gradient by 1 + error, in whatever precision the side is asked."""
    manual = twin.manual

    def backward(params: Params, cache: Any) -> Params:
        gradients = dict(manual.backward(params, cache))
        wrong = np.array(gradients[name])
        wrong[index] = wrong[index] * (1 + _like(wrong, error))
        return gradients | {name: wrong}

    return replace(twin, manual=SimpleNamespace(**_parts(manual) | {"forward": manual.forward, "backward": backward}))


def _like(array: Any, number: float) -> Any:
    """Give a number in the precision of an array: a float64 factor would widen a float32 scalar."""
    return np.asarray(array).dtype.type(number)


def _parts(manual: Any) -> dict[str, Any]:
    """Keep what else a manual side declares: the names of its batch, its node, its init."""
    known = ("init_params", "batch_names", "node")
    return {name: getattr(manual, name) for name in known if hasattr(manual, name)}


# ---- the experiments -------------------------------------------------------------------------------


def wrong_entries(error: float, loss_factor: float, points: int) -> Iterator[Problem]:
    """Plant one wrong entry in a right gradient of the 2-10-10-10-1 sigmoid net, at each of some points.

    Error 0 plants nothing: those are right gradients.
    """
    for seed in range(points):
        twin = scaled(at_point(catalog.get("deep"), seed), loss_factor)
        name, index = _random_entry(twin.at[0], np.random.default_rng([seed, 1]))
        if error == 0:
            yield Problem(twin)
        else:
            causes = frozenset({"one_entry"} | ({"factor"} if twin.at[0][name].size == 1 else set()))
            yield Problem(with_wrong_entry(twin, name, index, error), name, causes)


def _random_entry(params: Params, rng: np.random.Generator) -> tuple[str, tuple[int, ...]]:
    """Draw one of all entries of all parameters, each as likely as any other."""
    flat = int(rng.integers(sum(p.size for p in params.values())))
    for name, p in params.items():
        if flat < p.size:
            return name, tuple(int(i) for i in np.unravel_index(flat, p.shape))
        flat -= p.size
    raise AssertionError("no entry of that number")


def relus_at_zero(points: int) -> Iterator[Problem]:
    """Put the logits of a relu exactly at zero: biases zero and one example all zero. The gradients are right."""
    twin = catalog.get("relu_mlp")
    for seed in range(points):
        fixed = at_point(twin, seed)
        params, (x, t) = fixed.at
        at_kink = params | {"b1": np.zeros_like(params["b1"])}, (x * (np.arange(len(x)) != 0)[:, np.newaxis], t)
        yield Problem(replace(fixed, at=at_kink))


def planted_faults(per_twin: int, half: int = 2) -> Iterator[Problem]:
    """Plant faults of the catalogue that change a parameter's gradient at the twin's own point.

    Those that Gradtwin refuses to run (other shapes, exceptions) and those that need a point of their own
    are left out: a peer would not be asked about them in the same way.
    """
    for twin in catalog.twins():
        twin = small(twin)
        wanted = [fault for fault in planted(twin) if fault.half == half and _is_fair(fault, twin)]
        for fault in spread(wanted, per_twin):
            causes = frozenset({fault.cause, *fault.also})
            yield Problem(replace(at_point(twin), manual=fault.side), fault.tensor, causes)


def _is_fair(fault: PlantedFault, twin: Twin) -> bool:
    if fault.refused or fault.home is not None:
        return False
    right = Problem(at_point(twin))
    wrong = Problem(replace(right.twin, manual=fault.side))
    with np.errstate(all="ignore"):
        pairs = [(right.gradients(right.params)[n], d) for n, d in wrong.gradients(right.params).items()]
    return any(float(np.abs(a - b).max()) > 1e-9 * float(np.abs(a).max()) for a, b in pairs)


Experiment = Callable[[], Iterator[Problem]]
