"""The table of built-in twins, one entry each: the list of contents of Gradtwin."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.twins import outside_twins
from gradtwin.twins.philox import seed777_start
from gradtwin.twins.twin import Batch, Generator, TrainingDefaults, Twin, node_side
from manual_grads import Params, nodes
from manual_grads.networks import (
    gates,
    linear_regression,
    logistic,
    mnist,
    neuron,
    relu_mlp,
    softmax_regression,
    wide_deep,
    xor,
    zoo,
)

XOR_INPUTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR_TARGETS = np.array([[0.0], [1.0], [1.0], [0.0]])


def are_built_in(twins: Iterable[Twin]) -> bool:
    """Whether all of some twins are the built-in ones, whose pages are plain functions and can run side by side."""
    return all(_TWINS.get(twin.name) is twin for twin in twins)


def get(name: str) -> Twin:
    """Look a twin up by name, among the built-in ones and those of installed packages.

    Raises:
        InputError: there is none of that name (the nearest one is suggested), or the package's does not load.
    """
    outside = outside_twins.declared()
    if name in outside:
        return outside_twins.load(name, _TWINS)
    if name not in _TWINS:
        near = did_you_mean(name, [*_TWINS, *outside])
        raise InputError(f"Unknown twin {name!r}.{near} gradtwin list names them all.")
    return _TWINS[name]


def names() -> list[str]:
    """Name all twins: networks, then nodes, then those of installed packages."""
    return [*_TWINS, *outside_twins.names(_TWINS)]


def twins() -> list[Twin]:
    """Give all twins in the order of `names`."""
    return [*_TWINS.values(), *(outside_twins.load(name, _TWINS) for name in outside_twins.names(_TWINS))]


# ---- operating points: what a check runs on --------------------------------------------------------


def _one_hot(rng: Generator, rows: int, classes: int) -> np.ndarray:
    return np.eye(classes)[rng.integers(classes, size=rows)]


def _binary(rng: Generator, rows: int, columns: int) -> np.ndarray:
    return rng.integers(2, size=(rows, columns)).astype(float)


def _binary_targets(rng: Generator, rows: int, columns: int) -> np.ndarray:
    """Draw 0 or 1, both of them in every column: where all targets are equal, mixed-up rows do not show."""
    t = _binary(rng, rows, columns)
    one_class = (t == t[0]).all(axis=0)
    t[0, one_class] = 1 - t[0, one_class]
    return t


def _normal_and_classes(rows: int, inputs: int, classes: int) -> Callable[[Generator], Batch]:
    return lambda rng: (rng.standard_normal((rows, inputs)), _one_hot(rng, rows, classes))


def _normal_and_binary(rows: int, inputs: int, outputs: int) -> Callable[[Generator], Batch]:
    return lambda rng: (rng.standard_normal((rows, inputs)), _binary_targets(rng, rows, outputs))


def _zoo_batch(rng: Generator) -> Batch:
    """Draw 20 animals-to-be: binary features, a number of legs, one of seven classes."""
    x = _binary(rng, 20, 16)
    x[:, 12] = rng.choice([0.0, 2.0, 4.0, 5.0, 6.0, 8.0], size=20)
    return x, _one_hot(rng, 20, 7)


def _images_with_masks(rows: int, widths: tuple[int, ...], keep: float) -> Callable[[Generator], Batch]:
    def draw(rng: Generator) -> Batch:
        masks = [nodes.Dropout.draw_mask(rng, (rows, hidden), keep) for hidden in widths[1:-1]]
        return rng.random((rows, widths[0])), _one_hot(rng, rows, widths[-1]), *masks

    return draw


# ---- networks of any width -------------------------------------------------------------------------


def _sized(template: Twin, init: Callable[..., Params], batch: Callable[..., Callable[[Generator], Batch]]) -> Twin:
    """Make the twin of a network that can be had in other widths."""

    def resize(widths: tuple[int, ...]) -> Twin:
        if len(widths) < 2 or any(width < 1 for width in widths):
            raise InputError(
                f"Widths of twin {template.name!r}: expected two or more numbers of at least 1, got "
                f"{', '.join(map(str, widths)) or 'none'}."
            )
        return replace(
            template,
            init=functools.partial(init, widths=widths),
            batch=batch(widths),
            widths=widths,
            source_start=template.source_start if widths == template.widths else None,
            resize=resize,
        )

    assert template.widths is not None
    return resize(template.widths)


_MEAN_BCE = "-(1/N) Σ {t ln p + (1 - t) ln(1 - p)}, p = σ(z)"
_MEAN_CE = "(1/B) Σ_n {lse(z_n) - Σ_k t_nk z_nk}"


def _sigmoid_network(name: str, widths: tuple[int, ...], source: str, start: Callable[[], Params]) -> Twin:
    template = Twin(
        name=name,
        manual=wide_deep,
        reference="tf_reference.networks.wide_deep",
        batch=(),
        source_start=start,
        loss=_MEAN_BCE,
        reduction="mean",
        data="xor",
        source=source,
        task="binary",
        output="p",
        training=TrainingDefaults(learning_rate=0.1, steps=10_001),
        widths=widths,
    )
    return _sized(template, wide_deep.init_params, lambda w: _normal_and_binary(6, w[0], w[-1]))


def _networks() -> list[Twin]:
    return [
        Twin(
            name="gates",
            manual=gates,
            reference="tf_reference.networks.gates",
            batch=(np.array(5.0),),
            init=lambda rng: gates.source_params(),
            loss="f = w x + b",
            reduction="none",
            data="fixed",
            source="001 (A15)",
            output="f",
            training=TrainingDefaults(learning_rate=0.01, steps=10),
        ),
        Twin(
            name="neuron",
            manual=neuron,
            reference="tf_reference.networks.neuron",
            batch=_normal_and_binary(5, 3, 2),
            source_start=neuron.source_params,
            loss="-Σ {t ln a1 + (1 - t) ln(1 - a1)}, a1 = σ(a0 w + b)",
            reduction="sum",
            data="neuron",
            source="001 (A16, A17)",
            task="binary",
            output="a1",
            training=TrainingDefaults(learning_rate=0.01, steps=1000),
        ),
        Twin(
            name="linear_regression",
            manual=linear_regression,
            reference="tf_reference.networks.linear_regression",
            batch=lambda rng: (rng.standard_normal((7, 3)), rng.standard_normal((7, 1))),
            init=lambda rng: linear_regression.init_params(rng, inputs=3),
            source_start=lambda: {"W": np.zeros((1, 1)), "b": np.zeros(1)},
            loss="1/(2B) Σ (x W + b - y)²",
            reduction="mean",
            data="stopping_distances",
            source="001 (A14)",
            task="regression",
            output="z",
            training=TrainingDefaults(learning_rate=0.005, steps=10_000),
        ),
        Twin(
            name="logistic",
            manual=logistic,
            reference="tf_reference.networks.logistic",
            batch=_normal_and_binary(6, 2, 1),
            source_start=functools.partial(seed777_start, "A2"),
            loss=_MEAN_BCE,
            reduction="mean",
            data="xor",
            source="001 (A2)",
            task="binary",
            output="p",
            training=TrainingDefaults(learning_rate=0.1, steps=10_001),
        ),
        Twin(
            name="xor",
            manual=xor,
            reference="tf_reference.networks.xor",
            batch=(XOR_INPUTS, XOR_TARGETS),
            source_start=functools.partial(seed777_start, "A4"),
            loss=_MEAN_BCE,
            reduction="mean",
            data="xor",
            source="001 (A3, A4, A8 to A11, A18)",
            task="binary",
            output="p",
            training=TrainingDefaults(learning_rate=0.1, steps=10_001),
        ),
        _sigmoid_network("wide", (2, 10, 1), "001 (A5)", functools.partial(seed777_start, "A5")),
        _sigmoid_network("deep", (2, 10, 10, 10, 1), "001 (A6)", functools.partial(seed777_start, "A6")),
        _sized(
            Twin(
                name="zoo",
                manual=zoo,
                reference="tf_reference.networks.zoo",
                batch=(),
                source_start=functools.partial(seed777_start, "A1"),
                loss="-Σ_n Σ_k {t ln p + (1 - t) ln(1 - p)}, p = σ(x W + b)",
                reduction="sum",
                data="zoo",
                source="000 (A1)",
                task="multiclass",
                output="p",
                training=TrainingDefaults(learning_rate=0.01, steps=500),
                widths=(16, 7),
            ),
            zoo.init_params,
            lambda w: _zoo_batch if w == (16, 7) else _normal_and_classes(20, *w),
        ),
        Twin(
            name="relu_mlp",
            manual=relu_mlp,
            reference="tf_reference.networks.relu_mlp",
            kinks="reference",
            batch=_normal_and_binary(10, 2, 1),
            loss="-Σ {t ln p + (1 - t) ln(1 - p)}, p = σ(z2)",
            reduction="sum",
            data="relu_points",
            source="003 (A22, A23)",
            task="binary",
            output="p",
            training=TrainingDefaults(learning_rate=0.01, steps=1000),
        ),
        _sized(
            Twin(
                name="softmax_regression",
                manual=softmax_regression,
                reference="tf_reference.networks.softmax_regression",
                batch=(),
                loss=_MEAN_CE,
                reduction="mean",
                data="mnist",
                source="002 (A21), 004 (A24 to A27)",
                task="multiclass",
                output="p",
                training=TrainingDefaults(learning_rate=0.5, steps=1000, batch_size=100),
                widths=(784, 10),
            ),
            softmax_regression.init_params,
            lambda w: lambda rng: (rng.random((12, w[0])), _one_hot(rng, 12, w[-1])),
        ),
        _sized(
            Twin(
                name="mnist",
                manual=mnist,
                reference="tf_reference.networks.mnist",
                kinks="reference",
                batch=(),
                loss=_MEAN_CE + ", dropout with a given mask",
                reduction="mean",
                data="mnist",
                source="001 (A12, A13)",
                task="multiclass",
                output="p",
                training=TrainingDefaults(learning_rate=1e-3, steps=1800, batch_size=100, optimizer="adam", keep=0.7),
                widths=(784, 512, 512, 512, 512, 10),
            ),
            mnist.init_params,
            lambda w: _images_with_masks(12, w, keep=0.7),
        ),
    ]


# ---- nodes -----------------------------------------------------------------------------------------


def _node(name: str, node: type, arguments: dict[str, tuple[int, ...]], batch: Callable[[Generator], Batch]) -> Twin:
    def init(rng: Generator) -> Params:
        # A19's cross-entropy takes probabilities; every other node takes any numbers.
        if name == "cross_entropy":
            return {argument: rng.uniform(0.1, 1.0, shape) for argument, shape in arguments.items()}
        return {argument: rng.standard_normal(shape) for argument, shape in arguments.items()}

    return Twin(
        name=f"node_{name}",
        manual=node_side(node, init),
        reference=f"tf_reference.nodes:{name}",
        batch=batch,
        kinks="reference",
        loss="Σ g ∘ y, g a random cotangent",
        reduction="sum",
        source="002 (A19), 004 (A24, A25)",
    )


def _nodes() -> list[Twin]:
    def g(*shape: int) -> Callable[[Generator], Batch]:
        return lambda rng: (rng.standard_normal(shape),)

    return [
        _node("linear", nodes.Linear, {"x": (5, 6), "W": (6, 4), "b": (4,)}, g(5, 4)),
        _node("sigmoid", nodes.Sigmoid, {"x": (5, 6)}, g(5, 6)),
        _node("relu", nodes.Relu, {"x": (5, 6)}, g(5, 6)),
        _node("softmax", nodes.Softmax, {"x": (5, 6)}, g(5, 6)),
        _node(
            "cross_entropy", nodes.CrossEntropy, {"x": (5, 6)},
            lambda rng: (rng.dirichlet(np.ones(6), size=5), rng.standard_normal(5)),
        ),
        _node("mean", nodes.Mean, {"x": (5, 6)}, lambda rng: (np.asarray(rng.standard_normal()),)),
        _node(
            "dropout", nodes.Dropout, {"x": (5, 6)},
            lambda rng: (nodes.Dropout.draw_mask(rng, (5, 6), 0.7), rng.standard_normal((5, 6))),
        ),
        _node(
            "softmax_cross_entropy", nodes.SoftmaxCrossEntropy, {"x": (5, 6)},
            lambda rng: (rng.dirichlet(np.ones(6), size=5), rng.standard_normal(5)),
        ),
    ]  # fmt: skip


_TWINS = {twin.name: twin for twin in _networks() + _nodes()}
