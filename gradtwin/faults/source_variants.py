"""The source documents' own faults, by their stable ids, kept as declared variants.

Nothing of a source is repaired in silence: `source_faults.json` has each fault's wrong formula, the right one and what
comes of it. Where it is a program on some twin, the faulty function is written out here, as small as it goes, and can
be planted; where nothing can be planted, `why_not` says why. The replay of a figure that carries a fault computes with
the functions below.

Kinds: G a gradient check of the stated loss sees it; L the loss value is wrong; N only at extreme values; S a shape
check sees it; R a repeat of the run or another caller sees it; D wrong data; O operation of logs or files; T text only.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from types import SimpleNamespace
from typing import Any

import numpy as np

from gradtwin.core.errors import InputError
from gradtwin.twins import catalog, datasets
from gradtwin.twins.datasets.mnist import MnistArrays
from gradtwin.twins.philox import seed777_start
from gradtwin.twins.twin import Batch, Twin, node_side
from manual_grads import Array, Cache, Params, nodes
from manual_grads.activations import relu_derivative, softmax
from manual_grads.networks import gates, logistic, neuron, relu_mlp, softmax_regression, xor, zoo


@dataclass(frozen=True, eq=False)
class SourceFault:
    """One fault of a source document.

    Attributes:
        id: stable id, the document's number first.
        system: which systems of the document have it.
        kind: letters as at the head of this page.
        wrong: what the source has.
        right: what it should have.
        consequence: what was measured to come of it.
        twin: the twin it is planted on, or None.
        manual: the hand-derived side with the fault in it, or None.
        point: parameters and batch at which the fault shows, where the twin's own point does not show it.
        why_not: why nothing is planted, where nothing is.
    """

    id: str
    system: str
    kind: str
    wrong: str
    right: str
    consequence: str = ""
    twin: str | None = None
    manual: Any = None
    point: Callable[[], tuple[Params, Batch]] | None = None
    why_not: str = ""

    def plant(self) -> Twin:
        """Give the twin with the fault in its hand-derived side.

        Raises:
            InputError: the fault is no program on a twin.
        """
        if self.twin is None:
            raise InputError(f"{self.id} cannot be planted: {self.why_not}.")
        twin = dataclasses.replace(catalog.get(self.twin), manual=self.manual)
        if self.point is None:
            return twin
        params, batch = self.point()
        return dataclasses.replace(twin, init=lambda rng: params, batch=batch)


def _side(page: Any, **replaced: Callable[..., Any]) -> SimpleNamespace:
    """Give a page's side with some of its functions replaced."""
    kept = {name: getattr(page, name) for name in ("init_params", "forward", "backward")}
    return SimpleNamespace(**(kept | replaced))


def _node(name: str, node: type) -> Any:
    return node_side(node, catalog.get(name).manual.init_params)


def _affine(D: Array, params: Params, cache: Cache) -> Params:
    """Carry D = dL/dz of one affine layer on to its parameters and input."""
    return {"z": D, "W": cache["x"].T @ D, "b": D.sum(axis=0), "x": D @ params["W"].T}


def _naive_cross_entropy(p: Array, t: Array) -> Array:
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


# ---- 000: zoo --------------------------------------------------------------------------------------


def _f000_1_bias(gradients: Params) -> Params:
    """Move all biases by one number, the sum of D over both axes."""
    return gradients | {"b": np.full_like(gradients["b"], gradients["z"].sum())}


def _f000_1(params: Params, cache: Cache) -> Params:
    return _f000_1_bias(zoo.backward(params, cache))


def _f000_2(params: Params, cache: Cache) -> Params:
    p, t = cache["p"], cache["t"]
    return _affine((p - t) / (p * (1 - p) + 1e-7) * (p * (1 - p)), params, cache)


def _f000_3(params: Params, x: Array, t: Array) -> tuple[Array, Cache]:
    _, cache = zoo.forward(params, x, t)
    return _naive_cross_entropy(cache["p"], t).sum(), cache


def _zoo_start() -> tuple[Params, Batch]:
    animals = datasets.load("zoo")
    return seed777_start("A1", "float64"), (animals.inputs, animals.targets)


zoo_of_000 = _side(zoo, backward=lambda params, cache: _f000_1_bias(_f000_2(params, cache)))

# ---- 001: neuron, gates, XOR -----------------------------------------------------------------------


def _f001_1(params: Params, a0: Array, t: Array) -> tuple[Array, Cache]:
    _, cache = neuron.forward(params, a0, t)
    a1 = cache["a1"]
    return (-t * np.log(a1) + (1 - t) * np.log(1 - a1)).sum(), cache


def _f001_2(params: Params, cache: Cache) -> Params:
    found = logistic.backward(params, cache)
    return found | {"b": found["z"]}


def _f001_3(params: Params, cache: Cache) -> Params:
    found, examples = xor.backward(params, cache), len(cache["x"])
    steps = {f"b{i}": np.full_like(found[f"b{i}"], examples * found[f"z{i}"].sum()) for i in (1, 2)}
    return found | steps


def _f001_4(params: Params, cache: Cache) -> Params:
    a1, t = cache["a1"], cache["t"]
    dl = (a1 - t) / (a1 * (1 - a1) + 1e-7) * (a1 * (1 - a1))
    return {"l": dl, "o": dl, "b": dl.sum(axis=0), "w": cache["a0"].T @ dl, "a0": dl @ params["w"].T}


def _f001_12(params: Params, cache: Cache) -> Params:
    return gates.backward(params, cache) | {"w": np.ones_like(params["w"])}


def _f001_13(params: Params, cache: Cache) -> Params:
    return neuron.backward(params, cache) | {"a1": cache["a1"] - cache["t"]}


def _f001_15(params: Params, x: Array, t: Array) -> tuple[Array, Cache]:
    _, cache = xor.forward(params, x, t)
    return _naive_cross_entropy(cache["p"], t).mean(), cache


def _xor_at_logit_20() -> tuple[Params, Batch]:
    params = xor.handset_params() | {"W2": np.array([[1e-3], [1e-3]]), "b2": np.array([20.0])}
    return params, (catalog.XOR_INPUTS, catalog.XOR_TARGETS)


# ---- 002: nodes, softmax regression ----------------------------------------------------------------


def f002_1_swapped(arrays: MnistArrays) -> MnistArrays:
    """Unpack the four arrays as 002 does: it trains on the test set."""
    return MnistArrays(*arrays[2:], *arrays[:2])


class _ClampedCrossEntropy:
    """F002-2: y = -Σ_k t_k ln max(x_k, 1e-15), differentiated as if the clamp were not flat."""

    @staticmethod
    def forward(x: Array, t: Array) -> tuple[Array, Cache]:
        return -(t * np.log(np.maximum(x, 1e-15))).sum(axis=1), {"x": x, "t": t}

    @staticmethod
    def backward(g: Array, cache: Cache) -> Params:
        return {"x": -g[:, np.newaxis] * cache["t"] / np.maximum(cache["x"], 1e-15)}


class _CrossEntropyFivePercentOff(nodes.CrossEntropy):
    """F002-8: a gradient 5 % too large, which the source's own check with its tolerance of 0.1 passes."""

    @staticmethod
    def backward(g: Array, cache: Cache) -> Params:
        return {"x": 1.05 * nodes.CrossEntropy.backward(g, cache)["x"]}


class _LinearWithoutBatchSum(nodes.Linear):
    """F002-5: db = g."""

    @staticmethod
    def backward(g: Array, cache: Cache) -> Params:
        return nodes.Linear.backward(g, cache) | {"b": g}


def _f002_3(params: Params, cache: Cache) -> Params:
    return {name: 0.5 * slope for name, slope in softmax_regression.backward(params, cache).items()}


def _probability_1e_20() -> tuple[Params, Batch]:
    return {"x": np.array([[1e-20, 1.0]])}, (np.array([[1.0, 0.0]]), np.array([1.0]))


# ---- 003: relu network -----------------------------------------------------------------------------


def _through_relu(dz2: Array, slope: Array, params: Params, cache: Cache) -> Params:
    da1 = dz2 @ params["W2"].T
    second = {"z2": dz2, "W2": cache["a1"].T @ dz2, "b2": dz2.sum(axis=0), "a1": da1}
    dz1 = da1 * slope
    return second | {"z1": dz1, "W1": cache["x"].T @ dz1, "b1": dz1.sum(axis=0), "x": dz1 @ params["W1"].T}


def _f003_1(params: Params, cache: Cache) -> Params:
    z1, D = cache["z1"], relu_mlp.backward(params, cache)["z2"]
    return _through_relu(D, (z1 >= 0).astype(z1.dtype), params, cache)


def _f003_2(params: Params, cache: Cache) -> Params:
    p, t = cache["p"], cache["t"]
    D = (-t / p + (1 - t) / (1 - p)) * (p * (1 - p))
    return _through_relu(D, relu_derivative(cache["z1"]), params, cache)


def _f003_3(params: Params, x: Array, t: Array) -> tuple[Array, Cache]:
    mean, _ = relu_mlp.forward(params, x, t, reduction="mean")
    return mean, relu_mlp.forward(params, x, t)[1]


def _at_zero_row() -> tuple[Params, Batch]:
    return _relu_point(np.array([[0.0, 0.0], [1.0, 2.0]]), bias=0.5)


def _at_logit_40() -> tuple[Params, Batch]:
    return _relu_point(np.array([[1.0, 1.0], [1.0, 2.0]]), bias=40.0)


def _relu_point(x: Array, bias: float) -> tuple[Params, Batch]:
    """Two units, the first one without a bias, and a given output bias."""
    params = {
        "W1": np.array([[1.0, -2.0], [0.5, 1.0]]),
        "b1": np.array([0.0, 0.25]),
        "W2": np.array([[1.5], [-1.0]]),
        "b2": np.array([bias]),
    }
    return params, (x, np.zeros((len(x), 1)))


# ---- 004: fully connected layer --------------------------------------------------------------------


def f004_2_loss(z: Array, labels: Array) -> Array:
    """Score every row of z [B, C] against every label [B], from the logits and without a shift."""
    log_sums = np.log(np.exp(z).sum(axis=1))  # [B]
    return log_sums.mean() - z[np.arange(len(z)), labels[:, np.newaxis]].mean()  # labels [B, 1] give [B, B]


def f004_2_from_probabilities(z: Array, labels: Array) -> Array:
    """Score every row of softmax(z) [B, C] against every label [B]."""
    return -np.log(softmax(z)[np.arange(len(z)), labels[:, np.newaxis]]).mean()


def _f004_2_forward(params: Params, x: Array, t: Array) -> tuple[Array, Cache]:
    _, cache = softmax_regression.forward(params, x, t)
    return f004_2_loss(cache["z"], t.argmax(axis=1)), cache


def _f004_2_backward(params: Params, cache: Cache) -> Params:
    return _affine((cache["p"] - cache["t"].mean(axis=0)) / len(cache["t"]), params, cache)


def _f004_3(params: Params, x: Array, t: Array) -> tuple[Array, Cache]:
    """Take the labels' entries with the index of another batch, whose size of 1 a global has kept."""
    _, cache = softmax_regression.forward(params, x, t)
    z = cache["z"]
    log_sums = np.log(np.exp(z).sum(axis=1))
    return log_sums.mean() - z[np.arange(BATCH_SIZE), t.argmax(axis=1)].mean(), cache


def _f004_4(params: Params, x: Array, t: Array) -> tuple[Array, Cache]:
    _, cache = softmax_regression.forward(params, x, t)
    return (np.log(np.exp(cache["z"]).sum(axis=1)) - (t * cache["z"]).sum(axis=1)).mean(), cache


def _f004_5(params: Params, x: Array, t: Array) -> tuple[Array, Cache]:
    rng = np.random.RandomState(42)
    redrawn = {name: 0.01 * rng.standard_normal(p.shape).astype(p.dtype) for name, p in params.items()}
    return softmax_regression.forward(redrawn, x, t)


def _f004_8(params: Params, x: Array, t: Array) -> tuple[Array, Cache]:
    loss, cache = softmax_regression.forward(params, x, t)
    return -loss, cache


class _SoftmaxOfAGlobal(nodes.Softmax):
    """F004-1: the argument is ignored."""

    @staticmethod
    def forward(x: Array) -> tuple[Array, Cache]:
        return nodes.Softmax.forward(LOGITS)


class _SoftmaxPlusMaximum(nodes.Softmax):
    """F004-7: the maximum is added to the exponents instead of taken out."""

    @staticmethod
    def forward(x: Array) -> tuple[Array, Cache]:
        e = np.exp(x + x.max(axis=1, keepdims=True))
        y = e / e.sum(axis=1, keepdims=True)
        return y, {"y": y}


LOGITS = np.linspace(-1.0, 1.0, 30).reshape(5, 6)
BATCH_SIZE = 1


def _logit_800() -> tuple[Params, Batch]:
    params = {"W": np.array([[800.0, 1.0, 2.0]]), "b": np.array([0.5, 0.25, 0.125])}
    return params, (np.array([[1.0], [0.5]]), np.eye(3)[:2])


def _softmax_of_400() -> tuple[Params, Batch]:
    return {"x": np.array([[400.0, 399.0]])}, (np.array([[1.0, -2.0]]),)


# ---- the list --------------------------------------------------------------------------------------

# Where a fault is planted: the twin, its manual side with the fault, and a point that shows it if the twin's does not.
_PLANTED: dict[str, tuple[Any, ...]] = {
    "F000-1": ("zoo", _side(zoo, backward=_f000_1)),
    "F000-2": ("zoo", _side(zoo, backward=_f000_2)),
    "F000-3": ("zoo", _side(zoo, forward=_f000_3), _zoo_start),
    "F001-1": ("neuron", _side(neuron, forward=_f001_1)),
    "F001-2": ("logistic", _side(logistic, backward=_f001_2)),
    "F001-3": ("xor", _side(xor, backward=_f001_3)),
    "F001-4": ("neuron", _side(neuron, backward=_f001_4)),
    "F001-12": ("gates", _side(gates, backward=_f001_12)),
    "F001-13": ("neuron", _side(neuron, backward=_f001_13)),
    "F001-15": ("xor", _side(xor, forward=_f001_15), _xor_at_logit_20),
    "F002-2": ("node_cross_entropy", _node("node_cross_entropy", _ClampedCrossEntropy), _probability_1e_20),
    "F002-3": ("softmax_regression", _side(softmax_regression, backward=_f002_3)),
    "F002-5": ("node_linear", _node("node_linear", _LinearWithoutBatchSum)),
    "F002-8": ("node_cross_entropy", _node("node_cross_entropy", _CrossEntropyFivePercentOff)),
    "F003-1": ("relu_mlp", _side(relu_mlp, backward=_f003_1), _at_zero_row),
    "F003-2": ("relu_mlp", _side(relu_mlp, backward=_f003_2), _at_logit_40),
    "F003-3": ("relu_mlp", _side(relu_mlp, forward=_f003_3)),
    "F004-1": ("node_softmax", _node("node_softmax", _SoftmaxOfAGlobal)),
    "F004-2": ("softmax_regression", _side(softmax_regression, forward=_f004_2_forward, backward=_f004_2_backward)),
    "F004-3": ("softmax_regression", _side(softmax_regression, forward=_f004_3)),
    "F004-4": ("softmax_regression", _side(softmax_regression, forward=_f004_4), _logit_800),
    "F004-5": ("softmax_regression", _side(softmax_regression, forward=_f004_5)),
    "F004-7": ("node_softmax", _node("node_softmax", _SoftmaxPlusMaximum), _softmax_of_400),
    "F004-8": ("softmax_regression", _side(softmax_regression, forward=_f004_8)),
}


def _declared() -> Iterator[SourceFault]:
    rows = json.loads((files("gradtwin.faults") / "source_faults.json").read_text(encoding="utf-8"))
    for row in rows:
        yield SourceFault(**row, **dict(zip(("twin", "manual", "point"), _PLANTED.get(row["id"], ()), strict=False)))


SOURCE_FAULTS = {fault.id: fault for fault in _declared()}
