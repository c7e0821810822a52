"""Right gradients at points nobody chose: a case is a twin, or a drawn network, and a point drawn from a seed.

Any combination of a case's fields is a valid case, so that a random generator and Hypothesis can both draw it.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from benchmarks.detection.drawn_nets import ACTIVATIONS, LOSSES, REDUCTIONS, HandNet, TensorFlowNet
from gradtwin.core.precision import cast
from gradtwin.twins import catalog
from gradtwin.twins.twin import Batch, Generator, Twin
from manual_grads import Array, Params
from manual_grads.nodes import Dropout

DRAWN = "drawn"
INPUT_SCALES = (0.01, 1.0, 255.0)
LARGEST = {dtype: float(np.finfo(dtype).max) / 1e3 for dtype in ("float32", "float64")}


@dataclass(frozen=True)
class Case:
    """A network and a point; what a field does not apply to, it leaves as it is.

    Attributes:
        kind: a twin's name, or "drawn".
        seed: draws the numbers.
        rows, inputs, hidden, outputs: the batch's size and the widths.
        weight_scale: multiplies the parameters.
        input_scale: the size of the largest input.
        zeros: whether rows, inputs, biases and a unit's weights are set to exactly zero.
        activation, loss, reduction: of a drawn network.
        masks: whether the MNIST network has dropout.
    """

    kind: str
    seed: int
    rows: int
    inputs: int
    hidden: tuple[int, ...]
    outputs: int
    weight_scale: float
    input_scale: float
    zeros: bool
    activation: str
    loss: str
    reduction: str
    masks: bool

    def twin(self) -> Twin:
        """Give the twin at this case's point."""
        rng = np.random.default_rng(self.seed)
        params, batch = _MAKERS.get(self.kind, _node_point)(self, rng)
        params = {name: np.asarray(self.weight_scale * value) for name, value in params.items()}
        if self.kind == "node_cross_entropy":
            params = {name: np.maximum(np.abs(value), 1e-3) for name, value in params.items()}
        elif self.zeros:
            params, batch = _with_zeros(params, batch, rng, is_network=not self.kind.startswith("node_"))
        return FixedTwin(**_fields(self._template()), at=(params, batch))

    def _template(self) -> Twin:
        if self.kind != DRAWN:
            return catalog.get(self.kind)
        choice = self.activation, self.loss, self.reduction
        return Twin(DRAWN, manual=HandNet(*choice), reference=TensorFlowNet(*choice), batch=(), kinks="reference")


def draw(rng: Generator) -> Case:
    """Draw a case: small numbers of everything, weights scaled by 1e-3 … 1e3, inputs up to 255."""
    return Case(
        kind=str(rng.choice(KINDS)),
        seed=int(rng.integers(2**32)),
        rows=int(rng.integers(1, 41)),
        inputs=int(rng.integers(1, 13)),
        hidden=tuple(int(width) for width in rng.integers(1, 13, size=rng.integers(0, 5))),
        outputs=int(rng.integers(1, 11)),
        weight_scale=float(10 ** rng.uniform(-3, 3)),
        input_scale=float(rng.choice(INPUT_SCALES)),
        zeros=bool(rng.random() < 0.4),
        activation=str(rng.choice(ACTIVATIONS)),
        loss=str(rng.choice(LOSSES)),
        reduction=str(rng.choice(REDUCTIONS)),
        masks=bool(rng.random() < 0.5),
    )


def is_telling(twin: Twin, dtype: str) -> bool:
    """Whether a check in this precision can tell a right gradient from none.

    Points are left out where the loss or a gradient is no number of the dtype, with room for the sums that make
    them: the gradient of the neuron's a1 is e^|l| and overflows past |l| = 88 in float32 and 709 in float64,
    and squared errors of some networks grow beyond all bounds. So are points where every parameter's gradient
    is zero: the check calls those undecidable, as it should.
    """
    params, batch = twin.point()
    with np.errstate(all="ignore"):
        values, _ = _values(twin, params, batch)
        _, rounded = _values(twin, cast(params, dtype), tuple(cast(dict(enumerate(batch)), dtype).values()))
    finite = all(bool(np.all(np.abs(value) <= LARGEST[dtype])) for value in values)
    return finite and any(np.any(rounded[name]) for name in params)


def _values(twin: Twin, params: Params, batch: Batch) -> tuple[list[Any], Params]:
    loss, cache = twin.manual.forward(params, *batch)
    gradients = twin.manual.backward(params, cache)
    return [loss, *gradients.values()], gradients


@dataclass(frozen=True)
class FixedTwin(Twin):
    """A twin at one given point, exact zeros included."""

    at: tuple[Params, Batch] = ({}, ())

    def point(self, seed: int = 0) -> tuple[Params, Batch]:
        """Give the point, whatever the seed."""
        return self.at


def _fields(twin: Twin) -> dict[str, Any]:
    return {field.name: getattr(twin, field.name) for field in fields(twin)} | {"kinks": "reference"}


# ---- points ----------------------------------------------------------------------------------------

Point = tuple[Params, Batch]


def _inputs(case: Case, rng: Generator) -> Array:
    x = rng.random((case.rows, case.inputs)) if rng.random() < 0.5 else rng.uniform(-1, 1, (case.rows, case.inputs))
    return case.input_scale * x


def _binary(case: Case, rng: Generator, outputs: int) -> Array:
    return rng.integers(2, size=(case.rows, outputs)).astype(float)


def _one_hot(case: Case, rng: Generator, classes: int) -> Array:
    return np.eye(classes)[rng.integers(classes, size=case.rows)]


def _layers(rng: Generator, widths: tuple[int, ...]) -> Params:
    params = {}
    for i, (fan_in, fan_out) in enumerate(zip(widths, widths[1:], strict=False), start=1):
        params |= {f"W{i}": rng.standard_normal((fan_in, fan_out)), f"b{i}": rng.standard_normal(fan_out)}
    return params


def _drawn(case: Case, rng: Generator) -> Point:
    outputs = max(2, case.outputs) if case.loss == "ce" else case.outputs
    params, x = _layers(rng, (case.inputs, *case.hidden, outputs)), _inputs(case, rng)
    if case.loss == "squared":
        return params, (x, case.input_scale * rng.standard_normal((case.rows, outputs)))
    return params, (x, (_binary if case.loss == "bce" else _one_hot)(case, rng, outputs))


def _gates(case: Case, rng: Generator) -> Point:
    x = np.asarray(case.input_scale * rng.uniform(-1, 1))
    return {"w": np.asarray(rng.standard_normal()), "b": np.asarray(rng.standard_normal())}, (x,)


def _neuron(case: Case, rng: Generator) -> Point:
    params = {"w": rng.standard_normal((case.inputs, case.outputs)), "b": rng.standard_normal(case.outputs)}
    return params, (_inputs(case, rng), _binary(case, rng, case.outputs))


def _single_layer(outputs: int | None, targets: str) -> Callable[[Case, Generator], Point]:
    """Make a point of one layer W, b: regression, binary or one-hot targets."""

    def point(case: Case, rng: Generator) -> Point:
        width = outputs or max(2, case.outputs)
        params = {"W": rng.standard_normal((case.inputs, width)), "b": rng.standard_normal(width)}
        x = _inputs(case, rng)
        if targets == "numbers":
            return params, (x, case.input_scale * rng.standard_normal((case.rows, width)))
        return params, (x, (_binary if targets == "binary" else _one_hot)(case, rng, width))

    return point


def _xor(case: Case, rng: Generator) -> Point:
    x = case.input_scale * rng.uniform(-1, 1, (case.rows, 2))
    return _layers(rng, (2, 2, 1)), (x, _binary(case, rng, 1))


def _sigmoid_layers(case: Case, rng: Generator) -> Point:
    params = _layers(rng, (case.inputs, *case.hidden, case.outputs))
    return params, (_inputs(case, rng), _binary(case, rng, case.outputs))


def _relu_mlp(case: Case, rng: Generator) -> Point:
    width = case.hidden[0] if case.hidden else 16
    return _layers(rng, (case.inputs, width, 1)), (_inputs(case, rng), _binary(case, rng, 1))


def _mnist(case: Case, rng: Generator) -> Point:
    classes = max(2, case.outputs)
    params = _layers(rng, (case.inputs, *case.hidden, classes))
    batch = _inputs(case, rng), _one_hot(case, rng, classes)
    masks = [Dropout.draw_mask(rng, (case.rows, width), 0.7) for width in case.hidden]
    return params, (*batch, *(masks if case.masks else []))


def _node_point(case: Case, rng: Generator) -> Point:
    """Draw a node's arguments, its targets or mask, and a cotangent g of the shape of its value."""
    node = case.kind.removeprefix("node_")
    x, row = rng.standard_normal((case.rows, case.inputs)), rng.standard_normal(case.rows)
    entries = rng.standard_normal(x.shape)
    if node == "linear":
        params = {"x": x, "W": rng.standard_normal((case.inputs, case.outputs)), "b": rng.standard_normal(case.outputs)}
        return params, (rng.standard_normal((case.rows, case.outputs)),)
    if node == "mean":
        return {"x": x}, (np.asarray(row[0]),)
    if node == "dropout":
        return {"x": x}, (Dropout.draw_mask(rng, x.shape, 0.7), entries)
    if node in ("cross_entropy", "softmax_cross_entropy"):
        return {"x": x}, (rng.dirichlet(np.ones(case.inputs), size=case.rows), row)
    return {"x": x}, (entries,)


_MAKERS: dict[str, Callable[[Case, Generator], Point]] = {
    DRAWN: _drawn,
    "gates": _gates,
    "neuron": _neuron,
    "linear_regression": _single_layer(1, "numbers"),
    "logistic": _single_layer(1, "binary"),
    "zoo": _single_layer(None, "one-hot"),
    "softmax_regression": _single_layer(None, "one-hot"),
    "xor": _xor,
    "wide": _sigmoid_layers,
    "deep": _sigmoid_layers,
    "relu_mlp": _relu_mlp,
    "mnist": _mnist,
}


NODES = tuple(name for name in catalog.names() if name.startswith("node_"))
KINDS = (*(name for name in catalog.names() if name in (*_MAKERS, *NODES)), *[DRAWN] * 11)  # a third is drawn


def _with_zeros(params: Params, batch: Batch, rng: Generator, *, is_network: bool) -> Point:
    """Put exact zeros in: a row and four entries in ten of the inputs, whole biases, one unit's weights."""
    params = {name: _zeroed(value, rng) if np.ndim(value) == 2 else value for name, value in params.items()}
    params = {name: np.zeros_like(p) if np.ndim(p) == 1 and rng.random() < 0.5 else p for name, p in params.items()}
    if is_network and np.ndim(batch[0]) == 2:
        return params, (_with_zero_row(batch[0], rng), *batch[1:])
    return {name: _with_zero_row(p, rng) if name == "x" else p for name, p in params.items()}, batch


def _zeroed(value: Array, rng: Generator) -> Array:
    """Set one column to zero in every other array: a unit without inputs sits exactly at its kink."""
    return value * (np.arange(value.shape[1]) != 0) if rng.random() < 0.5 else value


def _with_zero_row(x: Array, rng: Generator) -> Array:
    kept = rng.random(x.shape) >= 0.4
    return x * kept * (np.arange(len(x)) != 0)[:, np.newaxis]
