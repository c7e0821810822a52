"""TensorFlow's part of a check of `tf.custom_gradient`: arguments, upstream gradients, eager and graph runs.

TensorFlow is loaded inside the functions, as everywhere in gradtwin.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtwin.backend.tensorflow_side import load_tensorflow
from gradtwin.core.errors import InputError
from gradtwin.core.plain import listed
from gradtwin.core.precision import is_floating
from manual_grads import Array, Params

MODES = ("eager", "graph")
Scalar = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Arguments:
    """A function's arguments: those that are differentiated, by name, and those that are passed on as they are.

    Attributes:
        point: the float arrays, by name.
        positional: for each positional argument its name in `point`, or None and the value.
        keywords: the same for keyword arguments.
    """

    point: Params
    positional: tuple[tuple[str | None, Any], ...]
    keywords: dict[str, tuple[str | None, Any]]

    @property
    def by_keyword(self) -> frozenset[str]:
        """The names of `point` that are passed by keyword."""
        return frozenset(name for name, _ in self.keywords.values() if name is not None)

    def outputs(self, function: Callable[..., Any], values: Mapping[str, Any]) -> list[Any]:
        """Call the function with these values, and give its float outputs as one list."""
        tf = load_tensorflow()
        args = [other if name is None else values[name] for name, other in self.positional]
        keywords = {key: other if name is None else values[name] for key, (name, other) in self.keywords.items()}
        flat = [tf.convert_to_tensor(y) for y in tf.nest.flatten(function(*args, **keywords))]
        return [y for y in flat if y.dtype.is_floating or y.dtype.is_complex]


def arguments_of(function: Callable[..., Any], args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Arguments:
    """Name the arguments after the function's parameters, and separate the float arrays from the rest.

    Raises:
        InputError: no float array, or floats of several dtypes.
    """
    names = _argument_names(function, len(args))
    given = dict(zip(names, args, strict=True)) | {k: v for k, v in keywords.items() if not _takes_any_dtype(v)}
    floats = {name: array for name, arg in given.items() if (array := _float_array(arg)) is not None}
    if not floats:
        raise InputError("check_custom_gradient: expected at least one float array among the arguments, got none.")
    dtypes = {str(array.dtype) for name, array in floats.items() if not _takes_any_dtype(given[name])}
    if len(dtypes) > 1:
        raise InputError(
            f"check_custom_gradient: expected float arguments of one dtype, got {listed(sorted(dtypes))}; cast them."
        )
    dtype = dtypes.pop() if dtypes else "float64"
    if dtype not in ("float32", "float64"):
        raise InputError(f"check_custom_gradient: expected float32 or float64 arguments, got {dtype}; cast them.")
    return Arguments(
        point={name: np.asarray(array, dtype) for name, array in floats.items()},
        positional=tuple((name if name in floats else None, arg) for name, arg in zip(names, args, strict=True)),
        keywords={key: (key if key in floats else None, arg) for key, arg in keywords.items()},
    )


def _takes_any_dtype(argument: Any) -> bool:
    """Whether this is a Python float, or a list of them, which takes the dtype of the other arrays."""
    return isinstance(argument, float | list) and not isinstance(argument, np.generic)


def _float_array(argument: Any) -> Array | None:
    try:
        array = np.asarray(argument.numpy() if hasattr(argument, "numpy") else argument)
    except ValueError:  # a ragged list
        return None
    return array if is_floating(array) else None


def _argument_names(function: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return names[:count] + [f"argument{i}" for i in range(len(names), count)]


def upstream_gradients(arguments: Arguments, function: Callable[..., Any], rng: np.random.Generator) -> list[Array]:
    """Draw an upstream gradient for each output: random sign times U[0.5, 1.5], never all ones."""
    outputs = arguments.outputs(function, tensors(arguments.point))
    if not outputs:
        raise InputError("check_custom_gradient: expected a function with a float output, got none.")
    return [rng.choice([-1.0, 1.0], y.shape) * rng.uniform(0.5, 1.5, y.shape) for y in outputs]


def contracted(arguments: Arguments, function: Callable[..., Any], weights: list[Array]) -> Scalar:
    """Make the scalar Σ c ∘ y of a function's outputs; its gradient is the function's under upstream c."""

    def scalar(values: Mapping[str, Any]) -> Any:
        tf = load_tensorflow()
        outputs = arguments.outputs(function, values)
        return tf.add_n([tf.reduce_sum(tf.cast(c, y.dtype) * y) for c, y in zip(weights, outputs, strict=True)])

    return scalar


def gradient_contracted(
    arguments: Arguments,
    function: Callable[..., Any],
    weights: list[Array],
    curvature: list[Array] | None,
    direction: Params,
) -> Scalar:
    """Make the scalar Σ v ∘ ∇q of q = Σ c ∘ y + ½ Σ e ∘ y²; its gradient is a Hessian-vector product.

    The square lets the upstream gradient depend on the arguments, as behind any later layer; without it
    (no curvature) it is constant.
    """

    def scalar(values: Mapping[str, Any]) -> Any:
        tf = load_tensorflow()
        with tf.GradientTape() as tape:
            tape.watch(list(values.values()))
            outputs = arguments.outputs(function, values)
            q = tf.add_n([tf.reduce_sum(tf.cast(c, y.dtype) * y) for c, y in zip(weights, outputs, strict=True)])
            for e, y in zip(curvature or [], outputs, strict=False):
                q += tf.reduce_sum(tf.cast(e, y.dtype) * y * y) / 2
        found = tape.gradient(q, dict(values))
        parts = [tf.reduce_sum(tf.cast(direction[k], g.dtype) * g) for k, g in found.items() if g is not None]
        return tf.add_n(parts) if parts else tf.zeros_like(q)

    return scalar


@dataclass(frozen=True)
class TapeRun:
    """One run's loss, gradients (None where TensorFlow has none) and the variables it read."""

    loss: Array
    gradients: dict[str, Array | None]
    variables: tuple[str, ...] = ()


def run(scalar: Scalar, point: Mapping[str, Array], mode: str) -> TapeRun:
    """Differentiate a scalar by a tape, eagerly or inside `tf.function`."""
    tf = load_tensorflow()
    differentiate, read = _differentiator(scalar, mode)
    loss, found = differentiate(tensors(point))
    gradients = {name: tf.convert_to_tensor(found[name]).numpy() if name in found else None for name in point}
    return TapeRun(loss.numpy(), gradients, tuple(dict.fromkeys(read)))


@functools.lru_cache(maxsize=32)
def _differentiator(scalar: Scalar, mode: str) -> tuple[Callable[..., Any], list[str]]:
    """Make the function that differentiates, traced once, and the list of the variables it reads."""
    tf = load_tensorflow()
    read: list[str] = []

    def differentiate(values: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        with tf.GradientTape() as tape:
            tape.watch(list(values.values()))
            loss = scalar(values)
        read.extend(variable.name for variable in tape.watched_variables())
        found = tape.gradient(loss, values)
        return loss, {name: g for name, g in found.items() if g is not None}

    return (differentiate if mode == "eager" else tf.function(differentiate)), read


def value(scalar: Scalar, point: Mapping[str, Array]) -> Any:
    """Evaluate a scalar at arrays of any float dtype; TensorFlow has none beyond double."""
    return scalar(tensors({name: _narrowed(array) for name, array in point.items()})).numpy()


def evaluator(scalar: Scalar, point: Mapping[str, Array], *, complex_too: bool) -> Callable[[Mapping[str, Array]], Any]:
    """Make a scalar ready for many calls: traced, if that gives the same value.

    Args:
        scalar: the function.
        point: where the two ways are compared.
        complex_too: try it on complex numbers; not for what holds a gradient, which TensorFlow conjugates.

    Returns:
        A function of named arrays that raises TypeError for complex ones it does not take.
    """
    quick = _traced(scalar, point)
    refused = not complex_too

    def evaluate(point: Mapping[str, Array]) -> Any:
        nonlocal refused
        if not any(np.asarray(array).dtype.kind == "c" for array in point.values()):
            return value(quick, point)
        try:
            if not refused:
                return value(quick, point)
        except Exception:  # whatever an operation without complex numbers raises
            refused = True
        raise TypeError("no complex numbers")

    return evaluate


def _traced(scalar: Scalar, point: Mapping[str, Array]) -> Scalar:
    graph = load_tensorflow().function(scalar)
    try:
        same = value(scalar, point) == value(graph, point)
    except Exception:  # it asks for numpy arrays, or for the mode it runs in
        return scalar
    return graph if same else scalar


def tensors(point: Mapping[str, Array]) -> dict[str, Any]:
    """Turn arrays into tensors."""
    tf = load_tensorflow()
    return {name: tf.convert_to_tensor(np.asarray(array)) for name, array in point.items()}


def _narrowed(array: Array) -> Array:
    kinds = {np.dtype(np.longdouble): np.float64, np.dtype(np.clongdouble): np.complex128}
    return np.asarray(array).astype(kinds.get(np.asarray(array).dtype, np.asarray(array).dtype))
