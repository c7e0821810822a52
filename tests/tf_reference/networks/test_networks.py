"""What holds for every network of the reference side, whatever it computes."""

import ast
import importlib
import pathlib
from dataclasses import dataclass, field

import numpy as np
import pytest
import tensorflow as tf

import tf_reference

N = 5
AFFINE_AND_P = {"z": "layer1", "p": "layer1"}


@dataclass(frozen=True)
class Case:
    """A page at random numbers: which shapes go in, which named tensors come out, in which scope."""

    page: str
    params: dict[str, tuple[int, ...]]
    batch: list[tuple[int, ...]]
    shapes: dict[str, tuple[int, ...]]
    scopes: dict[str, str]
    beside_the_loss: set[str] = field(default_factory=lambda: {"p"})

    @property
    def forward(self):
        return importlib.import_module(f"tf_reference.networks.{self.page}").forward

    def drawn(self):
        """Draw parameters and a batch; targets lie in 0..1, and several in a row add up to 1."""
        rng = np.random.default_rng(3)
        params = {name: rng.normal(size=shape) for name, shape in self.params.items()}
        batch = [rng.normal(size=shape) for shape in self.batch]
        for index, shape in enumerate(self.batch[1:], start=1):
            batch[index] = rng.dirichlet(np.ones(shape[1]), shape[0]) if shape[1] > 1 else rng.random(shape)
        return params, tuple(batch)

    @property
    def on_the_path(self):
        return [name for name in self.shapes if name not in self.beside_the_loss]


def stack(widths, dropout=False):
    """Return parameters, tensors and scopes of a stack of layers."""
    depth = len(widths) - 1
    params = {f"W{k}": (widths[k - 1], widths[k]) for k in range(1, depth + 1)}
    params |= {f"b{k}": (widths[k],) for k in range(1, depth + 1)}
    shapes, scopes = {}, {}
    for k in range(1, depth + 1):
        for letter in "z" if k == depth else "zah" if dropout else "za":
            shapes[f"{letter}{k}"], scopes[f"{letter}{k}"] = (N, widths[k]), f"layer{k}"
    return params, shapes | {"p": (N, widths[-1])}, scopes | {"p": f"layer{depth}"}


def stacked(page, widths, masks=False, dropout=False):
    """Return the case of a stack of layers."""
    params, shapes, scopes = stack(widths, dropout)
    batch = [(N, widths[0]), (N, widths[-1])]
    batch += [(N, width) for width in widths[1:-1]] if masks else []
    return Case(page, params, batch, shapes, scopes)


def affine(page, inputs, outputs):
    """Return the case of a single layer with predictions."""
    weights = {"W": (inputs, outputs), "b": (outputs,)}
    batch = [(N, inputs), (N, outputs)]
    return Case(page, weights, batch, {"z": (N, outputs), "p": (N, outputs)}, AFFINE_AND_P)


CASES = {
    "gates": Case(
        "gates", {"w": (), "b": ()}, [()], {"g": (), "f": ()}, {"g": "layer1", "f": "layer1"}, set()
    ),
    "neuron": Case(
        "neuron",
        {"w": (3, 2), "b": (2,)},
        [(N, 3), (N, 2)],
        {"o": (N, 2), "l": (N, 2), "a1": (N, 2), "loss_through_a1": ()},
        {"o": "layer1", "l": "layer1", "a1": "layer1", "loss_through_a1": "loss_through_a1"},
        {"a1", "loss_through_a1"},
    ),
    "linear_regression": Case(
        "linear_regression",
        {"W": (3, 1), "b": (1,)},
        [(N, 3), (N, 1)],
        {"z": (N, 1), "r": (N, 1)},
        {"z": "layer1", "r": "loss"},
        set(),
    ),
    "logistic": affine("logistic", 3, 1),
    "xor": stacked("xor", [2, 2, 1]),
    "wide": stacked("wide_deep", [2, 10, 1]),
    "deep": stacked("wide_deep", [2, 10, 10, 10, 1]),
    "wide_deep with one layer and three outputs": stacked("wide_deep", [2, 3]),
    "zoo": affine("zoo", 16, 7),
    "relu_mlp": stacked("relu_mlp", [2, 16, 1]),
    "softmax_regression": affine("softmax_regression", 6, 4),
    "mnist in evaluation": stacked("mnist", [7, 6, 5, 4], dropout=True),
    "mnist with masks": stacked("mnist", [7, 6, 5, 4], masks=True, dropout=True),
    "mnist without hidden layers": stacked("mnist", [7, 4]),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request):
    """Run a test once per network."""
    return request.param


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forward_returns_exactly_the_named_tensors_in_shape_and_dtype(case, dtype, as_tensors):
    """The names, shapes and dtype of the formulas come out, one scalar loss among them."""
    params, batch = as_tensors(case.drawn(), dtype)
    tensors = case.forward(params, *batch)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == case.shapes | {"loss": ()}
    assert {tensor.dtype.name for tensor in tensors.values()} == {dtype}


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-6), ("float64", 1e-14)])
def test_forward_gives_the_same_numbers_eagerly_traced_and_compiled_and_with_variables(
    case, dtype, bound, as_tensors
):
    """Eager, tf.function, XLA and variables instead of constants: one value, up to rounding."""
    params, batch = as_tensors(case.drawn(), dtype)
    variables = {name: tf.Variable(value) for name, value in params.items()}
    expected = case.forward(params, *batch)
    for got in (
        case.forward(variables, *batch),
        tf.function(case.forward)(params, *batch),
        tf.function(lambda *batch: case.forward(variables, *batch))(*batch),
        tf.function(case.forward, jit_compile=True)(params, *batch),
        tf.function(lambda *batch: case.forward(variables, *batch), jit_compile=True)(*batch),
    ):
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(got[name], value, rtol=20 * bound, atol=bound, err_msg=name)


def test_every_tensor_on_the_path_has_a_gradient_and_all_routes_agree_on_it(case, routes, as_tensors):
    """Eager tape, tf.gradients and a compiled tape: the same derivatives, none of them missing or zero."""
    params, batch = as_tensors(case.drawn())
    by_tape, *others = (route(case.forward, params, batch, case.on_the_path) for route in routes.values())
    assert by_tape.keys() == params.keys() | {"x"} | set(case.on_the_path)
    for name, value in by_tape.items():
        assert np.abs(value).max() > 0, name
        for other in others:
            np.testing.assert_allclose(other[name], value, rtol=1e-12, atol=1e-15, err_msg=name)


def test_the_graph_shows_every_tensor_in_its_layers_scope(case, as_tensors):
    """In TensorBoard z1 is found under layer1, the loss under loss, and no operation lies outside a scope."""
    params, batch = as_tensors(case.drawn())
    traced = tf.function(case.forward).get_concrete_function(params, *batch)
    operations = traced.graph.get_operations()
    scoped = {operation.name for operation in operations if "/" in operation.name}
    masked = len(case.batch) > 2  # without masks h1 is a1 itself and has no operation of its own
    assert scoped >= {f"{scope}/{name}" for name, scope in case.scopes.items() if masked or name[0] != "h"}
    assert {name.split("/")[0] for name in scoped} == {*case.scopes.values(), "loss"}
    outside = {operation.type for operation in operations if "/" not in operation.name}
    assert outside <= {"Placeholder", "Identity"}  # the function's arguments and results


def test_a_batch_of_unknown_size_can_be_traced(case, as_tensors):
    """Nothing in a page reads N from the trace: one graph serves a full batch and a remainder."""
    params, batch = as_tensors(case.drawn())
    free = [
        tf.TensorSpec([None, *value.shape[1:]] if value.shape.rank else [], value.dtype) for value in batch
    ]
    traced = tf.function(lambda *batch: case.forward(params, *batch)["loss"], input_signature=free)
    for rows in (N, 2):
        part = [value[:rows] if value.shape.rank else value for value in batch]
        np.testing.assert_allclose(traced(*part), case.forward(params, *part)["loss"], rtol=1e-14)


def test_every_page_is_covered_here():
    """A page added to the folder without a case in this table is noticed."""
    pages = {path.stem for path in pages_of(tf_reference) if path.parent.name == "networks"} - {"__init__"}
    assert pages == {case.page for case in CASES.values()}


def pages_of(package):
    """Return every source file of a package."""
    return sorted(pathlib.Path(package.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", pages_of(tf_reference), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_page_imports_nothing_but_tensorflow_and_derives_nothing(path):
    """The reference side knows neither the other side nor how to differentiate."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    froms = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert froms | plain <= {"tensorflow", "collections.abc", "typing"}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not attributes & {"GradientTape", "gradients", "custom_gradient", "stop_gradient", "numpy"}
    assert ast.get_docstring(tree)
