"""How each figure is computed: data, start and number of updates; the maths is a side's.

A recipe takes a Bench, which is one side with the runs it has already made, and returns a value nested as
the figure's `values`. Both sides follow the same recipe.
"""

import functools
import hashlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gradtwin.faults.source_variants import f002_1_swapped
from gradtwin.replay.figures import document, figures
from gradtwin.replay.judging import agrees
from gradtwin.twins import catalog, datasets
from gradtwin.twins.datasets.dataset import one_hot
from gradtwin.twins.datasets.mnist import MnistArrays, MnistNotFound, mnist_arrays
from gradtwin.twins.philox import seed777_start
from manual_grads import Array, Params
from manual_grads.networks import neuron, xor

Recipe = Callable[["Bench"], Any]

ZOO_STEPS = (0, 20, 40, 60, 290, 300, 310)
LOG_STEPS = tuple(range(9400, 10001, 100))
# The figures of 003 that the reconstructed weights must give.
RESTS_ON_WEIGHTS = ("003-z0", "003-z2", "003-dW2", "003-dW", "003-db")


class Bench:
    """One side of the replay (`by_hand` or `by_tensorflow`) and the runs it has made so far."""

    def __init__(self, side: Any, mnist: Callable[[], MnistArrays]) -> None:
        self.side = side
        self._mnist = mnist
        self._last: dict[str, Params] = {}

    @cached_property
    def zoo(self) -> dict[int, Params]:
        """Parameters of 000's run by number of updates, in float32 as there."""
        return self._run("A1", _inputs("zoo", "float32"), 0.01, [step + 1 for step in ZOO_STEPS] + [500])

    @cached_property
    def xor(self) -> dict[int, Params]:
        """Parameters of A4 by number of updates; the log prints step k after k + 1 of them."""
        return self._run("A4", _inputs("xor"), 0.1, [step + 1 for step in LOG_STEPS])

    def last(self, system: str) -> Params:
        """Give the values of A2, A5 or A6 after 10,001 updates."""
        if system not in self._last:
            params = self._run(system, _inputs("xor"), 0.1, [10001])[10001]
            self._last[system] = self.side.values(_TWINS[system], params, _inputs("xor"))
        return self._last[system]

    def log2(self, start: str, updates: int) -> dict[str, Any]:
        """Go on from the printed state of A11."""
        params = {name: np.array(figures()[start]["values"][name]) for name in ("W1", "b1", "W2", "b2")}
        params = self.side.descend(_TWINS["A4"], params, _inputs("xor"), 0.01, updates)
        found = self.side.values(_TWINS["A4"], params, _inputs("xor"))
        return {"cost": found["loss"], "layer1": found["a1"], "h": found["p"]} | params

    @cached_property
    def softmax_run(self) -> tuple[Array, Array]:
        """Losses and match ratios of A21 before each update, trained on the test set (F002-1)."""
        data = f002_1_swapped(self._mnist())
        rng = np.random.RandomState(5)
        params = {"W": 0.1 * rng.randn(784, 10), "b": 0.1 * rng.randn(10)}
        rows = np.array([rng.permutation(len(data.train_images))[:100] for _ in range(986)])
        x, t = _rows(data.train_images) / 255, one_hot(data.train_labels, 10)
        return self.side.descend_in_batches(catalog.get("softmax_regression"), params, x, t, rows, 0.5)

    def losses_of_004(self, first: int, count: int, scale: float) -> tuple[Array, Array]:
        """Score raw training images with the weights 004 draws from seed 42."""
        data, rng = self._mnist(), np.random.RandomState(42)
        W, b = scale * rng.standard_normal((784, 10)), scale * rng.standard_normal((1, 10))
        images, labels = data.train_images[first : first + count], data.train_labels[first : first + count]
        params = {"W": W, "b": b[0]}
        batch = _rows(images).astype(float), one_hot(labels, 10)
        z = self.side.values(catalog.get("softmax_regression"), params, batch)["z"]
        return self.side.losses_as_004(z, labels.astype(np.int64))

    def relu(self, name: str, dtype: str) -> Array:
        """Give a value or a gradient (d<name>) of 003's network at the reconstructed weights."""
        twin, (params, batch) = catalog.get("relu_mlp"), _relu(dtype)
        if name.startswith("d"):
            return self.side.gradients(twin, params, batch)[name[1:]]
        return self.side.values(twin, params, batch)[name]

    def _run(self, system: str, batch: tuple[Array, ...], learning_rate: float, counts: list[int]) -> dict[int, Params]:
        """Descend from the seed-777 start and keep the parameters after each of the counts."""
        params, done, kept = seed777_start(system, str(batch[0].dtype)), 0, {}
        descend = functools.partial(self.side.descend, _TWINS[system])
        if system == "A1":
            descend = self.side.descend_as_000
        for count in counts:
            params = descend(params, batch, learning_rate, count - done)
            done, kept[count] = count, params
        return kept


def checked_mnist(data_dir: str | Path | None) -> MnistArrays:
    """Load MNIST and make sure that it is the documents'.

    Raises:
        MnistNotFound: there is none, or another data set in its format.
        InputError: the files are damaged.
    """
    arrays = mnist_arrays(data_dir)
    expected = list(document()["data"]["mnist_md5"].values())
    if [_md5_as_idx(array) for array in arrays] != expected:
        raise MnistNotFound("The MNIST found is not the documents': its digests differ.")
    return arrays


def _md5_as_idx(array: Array) -> str:
    """Give the digest of the IDX file the array comes from."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    header = bytes([0, 0, 8, array.ndim]) + sizes
    return hashlib.md5(header + array.tobytes(), usedforsecurity=False).hexdigest()


_TWINS = {
    system: catalog.get(name)
    for system, name in {"A1": "zoo", "A2": "logistic", "A4": "xor", "A5": "wide", "A6": "deep"}.items()
}


def _inputs(name: str, dtype: str = "float64") -> tuple[Array, Array]:
    data = datasets.load(name)
    return data.inputs.astype(dtype), data.targets.astype(dtype)


def _zoo_labels() -> Array:
    return _inputs("zoo")[1].argmax(axis=1)


def _relu(dtype: str) -> tuple[Params, tuple[Array, Array]]:
    W1, W2 = (np.array(figures()[name]["values"]) for name in ("003-W", "003-W2"))
    params = {"W1": W1, "b1": np.zeros(16), "W2": W2, "b2": np.zeros(1)}
    return {name: p.astype(dtype) for name, p in params.items()}, _inputs("relu_points", dtype)


def _rows(images: Array) -> Array:
    return images.reshape(len(images), -1)


def _start(figure_id: str) -> Recipe:
    def recipe(bench: Bench) -> Array:
        setting = figures()[figure_id]["setting"]
        return bench.side.normal(setting["seed"], setting["seed2"], tuple(setting["shape"]))

    return recipe


def _zoo_rows(bench: Bench) -> list[list[Any]]:
    labels, rows = _zoo_labels(), []
    for step in ZOO_STEPS:
        found = bench.side.values(_TWINS["A1"], bench.zoo[step + 1], _inputs("zoo", "float32"))
        accuracy = 100 * np.mean(found["p"].argmax(axis=1) == labels)
        rows.append([step, found["loss"], round(float(accuracy), 2)])  # printed with two decimals
    return rows


def _zoo_predictions(bench: Bench) -> list[list[Any]]:
    labels = _zoo_labels()
    predicted = bench.side.values(_TWINS["A1"], bench.zoo[500], _inputs("zoo", "float32"))["p"].argmax(axis=1)
    return [[bool(p == label), p, label] for p, label in zip(predicted[:4], labels[:4], strict=True)]


def _zoo_shapes(bench: Bench) -> list[list[int]]:
    x, _ = _inputs("zoo")
    return [list(x.shape), [len(_zoo_labels()), 1]]


def _predicted(found: Params) -> Array:
    """Threshold at 1/2; A2 ends at exactly 1/2, and its rounding is not to decide."""
    return (found["p"] > 0.5 + 1e-15).astype(float)


def _accuracy(found: Params) -> Array:
    return np.mean(_predicted(found) == _inputs("xor")[1])


def _final_xor(bench: Bench) -> Params:
    return bench.side.values(_TWINS["A4"], bench.xor[10001], _inputs("xor"))


def _xor_log(bench: Bench) -> list[list[Any]]:
    rows = []
    for step in LOG_STEPS:
        params = bench.xor[step + 1]
        cost = bench.side.values(_TWINS["A4"], params, _inputs("xor"))["loss"]
        rows.append([step, cost, params["W1"], params["W2"]])
    return rows


def _handset(bench: Bench) -> Array:
    return bench.side.values(_TWINS["A4"], xor.handset_params(), _inputs("xor"))["p"].ravel()


def _handset_numbers(bench: Bench) -> list[Array]:
    params = xor.handset_params()
    return [params["W1"][0], params["b1"]]


def _log2_6000(bench: Bench) -> dict[str, Any]:
    found = bench.log2("001-log2-4000", 2000)
    return {"cost": found["cost"], "layer1": found["layer1"], "h": found["h"][:2]}  # the rest is cut off


def _neuron_inputs(bench: Bench) -> dict[str, Any]:
    a0, t = _inputs("neuron")
    return _scalars({"a0": a0, "t": t} | neuron.source_params())


def _neuron(bench: Bench) -> dict[str, Any]:
    twin, params, batch = catalog.get("neuron"), neuron.source_params(), _inputs("neuron")
    found = bench.side.values(twin, params, batch)
    slopes = bench.side.gradients(twin, params, batch)
    after = bench.side.descend(twin, params, batch, 0.01, 1)
    one = (np.ones_like(found["l"]),)
    of_sigmoid = bench.side.gradients(catalog.get("node_sigmoid"), {"x": found["l"]}, one)["x"]
    return _scalars(
        {name: found[name] for name in ("o", "l", "a1")}
        | {"E": found["loss"], "da1/dl": of_sigmoid}
        | {f"dE/d{name}": slopes[name] for name in ("a1", "l", "b", "o", "w", "a0")}
        | {f"{name} after": after[name] for name in ("w", "b")}
    )


def _scalars(arrays: dict[str, Array]) -> dict[str, float]:
    return {name: float(array.item()) for name, array in arrays.items()}


def _softmax_rows(bench: Bench) -> list[list[Any]]:
    losses, ratios = bench.softmax_run
    printed = [row[0] for row in figures()["002-train"]["values"]]
    return [[i, losses[i], ratios[i]] for i in printed]


def _reconstructed(figure_id: str) -> Recipe:
    """Pass a reconstruction on if the printed figures that it was made from come out of it."""

    def recipe(bench: Bench) -> Any:
        kept = all(agrees(figures()[rest], RECIPES[rest](bench)) for rest in RESTS_ON_WEIGHTS)
        return figures()[figure_id]["values"] if kept else None

    return recipe


def _relu_recipes() -> dict[str, Recipe]:
    """Give the recipes of 003: numpy printed float64, TensorFlow float32; samples 0 of a and z."""

    def value(name: str, dtype: str, row: int | None) -> Recipe:
        return lambda bench: bench.relu(name, dtype)[0] if row == 0 else bench.relu(name, dtype)

    def flat(name: str, dtype: str) -> Recipe:
        return lambda bench: bench.relu(name, dtype).ravel()

    recipes: dict[str, Recipe] = {}
    for suffix, dtype in (("", "float64"), ("-tf", "float32")):
        recipes |= {
            f"003-a0{suffix}": value("a1", dtype, row=0),
            f"003-z0{suffix}": value("z1", dtype, row=0),
            f"003-z2{suffix}": flat("z2", dtype),
            f"003-dW2{suffix}": flat("dW2", dtype),
            f"003-db2{suffix}": flat("db2", dtype),
            f"003-dW{suffix}": value("dW1", dtype, row=None),
            f"003-db{suffix}": flat("db1", dtype),
        }
    return recipes | {"003-a2": flat("p", "float64")}


def _slope(bench: Bench) -> Array:
    return bench.side.slope_of_cross_entropy(bench.relu("p", "float64"), _relu("float64")[1][1]).ravel()


def _losses_of_004(bench: Bench) -> list[list[Any]]:
    losses = [bench.losses_of_004(2000 * batch, 2000, 0.01)[1] for batch in range(25)]
    return [[0, batch, loss] for batch, loss in enumerate(losses)]


def _difference_of_004(bench: Bench) -> Array:
    from_probabilities, from_logits = bench.losses_of_004(0, 1000, 0.05)
    return from_probabilities - from_logits


RECIPES: dict[str, Recipe] = {
    "philox-zero": lambda bench: bench.side.philox_words(0, 0, 1)[0],
    "philox-777-5": lambda bench: bench.side.philox_words(777, 5, 2),
    **{figure_id: _start(figure_id) for figure_id in figures() if figure_id.startswith("init-")},
    "000-train": _zoo_rows,
    "000-first-predictions": _zoo_predictions,
    "000-labels": lambda bench: np.unique(_zoo_labels()),
    "000-shapes": _zoo_shapes,
    "001-logistic-h": lambda bench: bench.last("A2")["p"],
    "001-logistic-predicted": lambda bench: _predicted(bench.last("A2")),
    "001-logistic-accuracy": lambda bench: _accuracy(bench.last("A2")),
    "001-nn-h": lambda bench: _final_xor(bench)["p"],
    "001-nn-accuracy": lambda bench: _accuracy(_final_xor(bench)),
    "001-wide-h": lambda bench: bench.last("A5")["p"],
    "001-wide-accuracy": lambda bench: _accuracy(bench.last("A5")),
    "001-deep-h": lambda bench: bench.last("A6")["p"],
    "001-deep-accuracy": lambda bench: _accuracy(bench.last("A6")),
    "001-handset": _handset_numbers,
    "001-handset-h": _handset,
    "001-nn-log": _xor_log,
    "001-log2-2000": lambda bench: bench.log2("001-log2-2000", 0),
    "001-log2-4000": lambda bench: bench.log2("001-log2-2000", 2000),
    "001-log2-6000": _log2_6000,
    "001-neuron-inputs": _neuron_inputs,
    "001-neuron": _neuron,
    "002-train": _softmax_rows,
    "003-inp": lambda bench: _inputs("relu_points")[0],
    "003-y": lambda bench: _inputs("relu_points")[1],
    "003-W": _reconstructed("003-W"),
    "003-W2": _reconstructed("003-W2"),
    **_relu_recipes(),
    "003-dL": _slope,
    "004-losses": _losses_of_004,
    "004-loss-difference": _difference_of_004,
}
