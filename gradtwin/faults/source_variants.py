"""The source documents' own faults, by their stable ids, kept as declared variants.

Nothing of a source is repaired in silence: each fault has its wrong formula, the right one and what comes
of it. Where it is a program on some twin, the faulty function is written out here, as small as it goes, and
can be planted; where nothing can be planted, `why_not` says why. The replay of a figure that carries a fault
computes with the functions below.

Kinds: G a gradient check of the stated loss sees it; L the loss value is wrong; N only at extreme values;
S a shape check sees it; R a repeat of the run or another caller sees it; D wrong data; O operation of logs
or files; T text only.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
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

TEXT = "a fault of the text; no program computes it"
OPERATION = "a fault of operating files or logs; no twin computes it"


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
    loss, cache = softmax_regression.forward(params, x, t)
    return loss * len(x) / BATCH_SIZE, cache


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
BATCH_SIZE = 2000


def _logit_800() -> tuple[Params, Batch]:
    params = {"W": np.array([[800.0, 1.0, 2.0]]), "b": np.array([0.5, 0.25, 0.125])}
    return params, (np.array([[1.0], [0.5]]), np.eye(3)[:2])


def _softmax_of_400() -> tuple[Params, Batch]:
    return {"x": np.array([[400.0, 399.0]])}, (np.array([[1.0, -2.0]]),)


# ---- the list --------------------------------------------------------------------------------------

_FAULTS = [
    SourceFault(
        "F000-1", "A1", "G",
        wrong="db_k = Σ_n Σ_k D[n, k], one number for all biases",
        right="db_k = Σ_n D[n, k]",
        consequence="training still reaches 100 %; the printed rows of 000 carry the fault",
        twin="zoo", manual=_side(zoo, backward=_f000_1),
    ),
    SourceFault(
        "F000-2", "A1", "GN",
        wrong="D = (p - t) / (p (1 - p) + 1e-7) · p (1 - p)",
        right="D = p - t",
        consequence="the gradient dies where a unit saturates: 0 instead of 1 in float32",
        twin="zoo", manual=_side(zoo, backward=_f000_2),
    ),
    SourceFault(
        "F000-3", "A1", "NL",
        wrong="L = -Σ {t ln p + (1 - t) ln(1 - p)}, p = σ(z) rounded",
        right="L = Σ {max(z, 0) - z t + ln(1 + e^-|z|)}",
        consequence="at the seed-777 start the float32 loss is infinite",
        twin="zoo", manual=_side(zoo, forward=_f000_3), point=_zoo_start,
    ),
    SourceFault(
        "F000-4", "A1", "T",
        wrong="names a TensorFlow function that does not exist",
        right="sigmoid_cross_entropy_with_logits", why_not=TEXT,
    ),
    SourceFault(
        "F000-5", "A1", "T",
        wrong="seven independent sigmoids for seven exclusive classes",
        right="softmax would match; argmax is usable all the same", why_not=TEXT,
    ),
    SourceFault(
        "F000-6", "A1", "T",
        wrong="the last loop takes the label placeholder's name for its variable",
        right="another name", why_not=OPERATION,
    ),
    SourceFault(
        "F000-7", "A1", "T",
        wrong="N unused, σ of one layer evaluated three times, every 20th of the printed steps shown",
        right="none of it", why_not=TEXT,
    ),
    SourceFault(
        "F000-8", "A1", "T",
        wrong="the row of step k is measured after k + 1 updates",
        right="say so, or print before the update",
        consequence="a replay that compares after k updates misses", why_not=TEXT,
    ),
    SourceFault(
        "F001-1", "A16", "LG",
        wrong="E = -Σ t ln a1 + (1 - t) ln(1 - a1)",
        right="E = -Σ {t ln a1 + (1 - t) ln(1 - a1)}",
        consequence="the printed neuron gets E = -0.860 instead of +0.860",
        twin="neuron", manual=_side(neuron, forward=_f001_1),
    ),
    SourceFault(
        "F001-2", "A17", "S",
        wrong="db = D, an array of shape [B, 1]",
        right="db = Σ_n D_n",
        consequence="numpy broadcasts: one bias per example, and logistic regression then 'solves' XOR",
        twin="logistic", manual=_side(logistic, backward=_f001_2),
    ),
    SourceFault(
        "F001-3", "A17", "G",
        wrong="dW = Xᵀ D / B beside db = Σ D over every axis, not divided",
        right="one reduction for both, db over the batch axis",
        consequence="the XOR network ends at h = 0.342 0.334 0.991 0.333",
        twin="xor", manual=_side(xor, backward=_f001_3),
    ),
    SourceFault(
        "F001-4", "A16, A17", "GN",
        wrong="dl = (a1 - t) / (a1 (1 - a1) + 1e-7) · a1 (1 - a1)",
        right="dl = a1 - t",
        consequence="0.5768850 instead of 0.5768853 for the printed neuron",
        twin="neuron", manual=_side(neuron, backward=_f001_4),
    ),
    SourceFault(
        "F001-5", "A2", "T",
        wrong="σ written as 1 / (1 + e^(X W))", right="1 / (1 + e^-(X W + b))", why_not=TEXT,
    ),
    SourceFault(
        "F001-6", "A2 to A6", "T",
        wrong="prints the prediction under the label 'correct'", right="'predicted'", why_not=TEXT,
    ),
    SourceFault(
        "F001-7", "A9", "OR",
        wrong="summary and update fetched in one call: their order is not defined",
        right="evaluate first, then update", why_not=OPERATION,
    ),
    SourceFault("F001-8", "A9", "O", wrong="tunnel to 121.0.0.0", right="127.0.0.1", why_not=OPERATION),
    SourceFault("F001-9", "A9", "O", wrong="-logdir, or a long dash", right="--logdir", why_not=OPERATION),
    SourceFault(
        "F001-10", "A12", "O",
        wrong="the second run's writer gets the first run's folder", right="its own folder",
        consequence="two curves interleave in one folder", why_not=OPERATION,
    ),
    SourceFault(
        "F001-11", "A9", "OT",
        wrong="doubled quotes, a missing bracket, lost underscores", right="code that parses", why_not=TEXT,
    ),
    SourceFault(
        "F001-12", "A15", "GT",
        wrong="∂g/∂w = 1 for g = w x", right="∂g/∂w = x",
        twin="gates", manual=_side(gates, backward=_f001_12),
    ),
    SourceFault(
        "F001-13", "A16", "GT",
        wrong="∂E/∂a1 = a1 - t", right="∂E/∂a1 = (a1 - t) / (a1 (1 - a1))",
        consequence="0.577 instead of 2.363 for the printed neuron",
        twin="neuron", manual=_side(neuron, backward=_f001_13),
    ),
    SourceFault(
        "F001-14", "A16", "T",
        wrong="∂E/∂h, ∂E/∂v and ∂E/∂a where ∂E/∂b, ∂E/∂w and ∂E/∂o are meant",
        right="the letters of the formulas", why_not=TEXT,
    ),
    SourceFault(
        "F001-15", "A2 to A6", "NL",
        wrong="mean of -{t ln h + (1 - t) ln(1 - h)} with h rounded",
        right="from the logit",
        consequence="infinite in float32 at z = 20, t = 0",
        twin="xor", manual=_side(xor, forward=_f001_15), point=_xor_at_logit_20,
    ),
    SourceFault(
        "F001-16", "A11", "T",
        wrong="neither learning rate nor start of the second log are stated", right="0.01", why_not=TEXT,
    ),
    SourceFault(
        "F001-17", "A2, A4", "T",
        wrong="printed columns damaged, commas read as points", right="0, 1, 1, 0", why_not=TEXT,
    ),
    SourceFault(
        "F001-18", "A2 to A6", "R",
        wrong="no seed in any listing", right="seed 777",
        why_not="a missing seed is no formula; the replay of the printed digits shows the seed",
    ),
    SourceFault(
        "F002-1", "A21", "D",
        wrong="train, test = t10k, train: trains on the test set", right="train, test = train, t10k",
        consequence="all 120 printed rows replay only so",
        why_not="a fault of the data, not of a gradient; f002_1_swapped has it",
    ),
    SourceFault(
        "F002-2", "A19", "GN",
        wrong="y = -Σ t ln max(x, 1e-15), dx = -g t / max(x, 1e-15)",
        right="dx = -g t / x; behind a softmax the fused form",
        consequence="at x = 1e-20 backward gives -1e15, the truth is -1e20",
        twin="node_cross_entropy", manual=_node("node_cross_entropy", _ClampedCrossEntropy),
        point=_probability_1e_20,
    ),
    SourceFault(
        "F002-3", "A21", "G",
        wrong="upstream gradient = learning rate, so every delta is lr · gradient",
        right="upstream gradient = 1",
        consequence="a factor of 0.5 in any comparison",
        twin="softmax_regression", manual=_side(softmax_regression, backward=_f002_3),
    ),
    SourceFault(
        "F002-4", "A19", "T",
        wrong="y = xᵀ W + b, dx = W g, ∂ lost in denominators", right="y = x W + b, dx = g Wᵀ", why_not=TEXT,
    ),
    SourceFault(
        "F002-5", "A19", "GT",
        wrong="db = g", right="db = Σ_n g_n",
        consequence="as a program: F001-2",
        twin="node_linear", manual=_node("node_linear", _LinearWithoutBatchSum),
    ),
    SourceFault(
        "F002-6", "A19", "T",
        wrong="a parameter called variance", right="standard deviation", why_not=TEXT,
    ),
    SourceFault(
        "F002-7", "A21", "RT",
        wrong="a fresh permutation for every batch of an epoch", right="one permutation per epoch",
        consequence="about 63 % of the images are seen per such epoch",
        why_not="the order of batches is no formula of a twin",
    ),
    SourceFault(
        "F002-8", "A20", "G",
        wrong="a check with δ = 0.01 and tolerance 0.1: a CrossEntropy gradient 5 % off passes",
        right="seeded, δ about 1e-5, tolerance about 1e-7",
        twin="node_cross_entropy", manual=_node("node_cross_entropy", _CrossEntropyFivePercentOff),
    ),
    SourceFault(
        "F002-9", "A20", "N",
        wrong="the numerical check perturbs entries through a flattened view", right="index the array itself",
        consequence="numerical gradient 0 for an array that is not contiguous",
        why_not="a fault of the checker, not of a twin",
    ),
    SourceFault(
        "F002-10", "A21", "O",
        wrong="np.fromstring on the IDX body, files fetched without a checksum",
        right="np.frombuffer, known digests", why_not=OPERATION,
    ),
    SourceFault(
        "F002-11", "A21", "D",
        wrong="the last figure from 1000 random images of the other set", right="the whole set",
        consequence="noise of about 0.01 in the ratio", why_not="a fault of the data, not of a gradient",
    ),
    SourceFault(
        "F003-1", "A23", "G",
        wrong="relu'(z) = 1[z ≥ 0]", right="relu'(z) = 1[z > 0]",
        consequence="visible for a zero input row with b = 0",
        twin="relu_mlp", manual=_side(relu_mlp, backward=_f003_1),
        point=lambda: _relu_point(np.array([[0.0, 0.0], [1.0, 2.0]]), bias=0.5),
    ),
    SourceFault(
        "F003-2", "A23", "N",
        wrong="D = (-t/p + (1 - t)/(1 - p)) · p (1 - p)", right="D = p - t",
        consequence="NaN for z ≥ 37 in float64",
        twin="relu_mlp", manual=_side(relu_mlp, backward=_f003_2),
        point=lambda: _relu_point(np.array([[1.0, 1.0], [1.0, 2.0]]), bias=40.0),
    ),
    SourceFault(
        "F003-3", "A22, A23", "G",
        wrong="the loss is a mean, the gradients belong to the sum", right="one of the two",
        consequence="a factor of 10: 1.7297814 beside 17.297814",
        twin="relu_mlp", manual=_side(relu_mlp, forward=_f003_3),
    ),
    SourceFault("F003-4", "A23", "T", wrong="activation name compared with `is`", right="==", why_not=TEXT),
    SourceFault(
        "F003-5", "A22, A23", "R",
        wrong="nothing seeded, W and W2 not printed", right="seed and print",
        why_not="a missing seed is no formula; the weights are reconstructed as 003-W and 003-W2",
    ),
    SourceFault(
        "F003-6", "A23", "T",
        wrong="a bare Exception, transposes sample by sample",
        right="ValueError, one matrix product", why_not=TEXT,
    ),
    SourceFault(
        "F004-1", "A26", "RG",
        wrong="softmax(argument) reads a global named logits", right="softmax of its argument",
        twin="node_softmax", manual=_node("node_softmax", _SoftmaxOfAGlobal),
    ),
    SourceFault(
        "F004-2", "A26, A27", "LG",
        wrong="L = mean_j lse_j - mean_ij z[j, label_i], gradient (p - label frequencies) / B",
        right="L = mean_j {lse_j - z[j, label_j]}, gradient (p - t) / B",
        consequence="all 25 printed losses are wrong, and all 25 replay with the fault",
        twin="softmax_regression",
        manual=_side(softmax_regression, forward=_f004_2_forward, backward=_f004_2_backward),
    ),
    SourceFault(
        "F004-3", "A26", "R",
        wrong="the mean divides by a global batch size", right="by the array's own length",
        twin="softmax_regression", manual=_side(softmax_regression, forward=_f004_3),
    ),
    SourceFault(
        "F004-4", "A26, A27", "N",
        wrong="lse = ln Σ e^z without a shift", right="the row's maximum taken out",
        consequence="infinite above 709 in float64",
        twin="softmax_regression", manual=_side(softmax_regression, forward=_f004_4), point=_logit_800,
    ),
    SourceFault(
        "F004-5", "A24, A27", "R",
        wrong="weights redrawn at each forward pass", right="drawn once",
        consequence="no update can persist",
        twin="softmax_regression", manual=_side(softmax_regression, forward=_f004_5),
    ),
    SourceFault(
        "F004-6", "A24", "R",
        wrong="drawing weights reseeds numpy's global generator", right="a generator of its own",
        why_not="no gradient is wrong; that no side touches the global generator has a test of its own",
    ),
    SourceFault(
        "F004-7", "A26", "TN",
        wrong="exponents z + max z", right="z - max z",
        consequence="overflow from a maximum of 355 on in float64",
        twin="node_softmax", manual=_node("node_softmax", _SoftmaxPlusMaximum), point=_softmax_of_400,
    ),
    SourceFault(
        "F004-8", "A26", "TL",
        wrong="E = (1/n) Σ …", right="E = -(1/n) Σ …", consequence="a negative loss",
        twin="softmax_regression", manual=_side(softmax_regression, forward=_f004_8),
    ),
    SourceFault(
        "F004-9", "A26", "T",
        wrong="j names the sum's index and the free one", right="two letters", why_not=TEXT,
    ),
    SourceFault(
        "F004-10", "A24 to A27", "D",
        wrong="pixels 0 to 255", right="pixels / 255",
        consequence="the softmax is saturated from the start; a fresh net should start near ln 10",
        why_not="a fault of the data, not of a gradient",
    ),
    SourceFault(
        "F004-11", "A27", "S",
        wrong="the batcher indexes past the end where B does not divide n", right="cut the last range at n",
        consequence="IndexError", why_not="a fault of the batcher, not of a twin",
    ),
    SourceFault(
        "F004-12", "A27", "T",
        wrong="a sigmoid net and training are promised, neither is there", right="either", why_not=TEXT,
    ),
    SourceFault(
        "F004-13", "A26", "L",
        wrong="two losses compared with each other only; both contain F004-2",
        right="compare with an independent value",
        consequence="they differ by 7e-8 and are both wrong",
        why_not="a fault of the comparison; its losses are those of F004-2",
    ),
]  # fmt: skip

SOURCE_FAULTS = {fault.id: fault for fault in _FAULTS}
