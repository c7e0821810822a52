"""The one place of gradtwin that loads TensorFlow: arrays in, automatic gradients, arrays out.

`gradtwin.core.routes` names the routes; those on several replicas are taken only if asked for.
"""

import contextlib
import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from gradtwin.backend.compiled import captures_no_variable, in_session
from gradtwin.backend.devices import device_of, on_its_device
from gradtwin.core.chatter import silence_tensorflow, stderr_held_back
from gradtwin.core.errors import InputError
from gradtwin.core.user_code import described
from manual_grads import Array, Params

LOSS_THROUGH = "loss_through_"

P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def load_tensorflow() -> Any:
    """Import TensorFlow without its start-up chatter, and return the module."""
    silence_tensorflow()
    with stderr_held_back():
        import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    _two_logical_processors(tf)
    return tf


def _two_logical_processors(tf: Any) -> None:
    """Give TensorFlow's CPU two logical devices, for the replicas of route mirrored, as long as that can be done.

    They share all threads, and an operation runs on the first unless it is placed; the other routes' numbers and
    speed are the same with and without. What the user has set, or a TensorFlow that has started, stays as it is.
    """
    with contextlib.suppress(RuntimeError):
        processor = tf.config.list_physical_devices("CPU")[0]
        if tf.config.get_logical_device_configuration(processor) is None:
            tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)


def resolve(reference: Any) -> Callable[..., Any]:
    """Turn a reference side into its forward function.

    Args:
        reference: `"package.module"` or `"package.module:function"`, loaded here and not before; an
            object with a `forward`; or the function itself.

    Returns:
        `forward(params, *batch)`.

    Raises:
        InputError: there is no such module or function, it does not import, or it cannot be called.
    """
    if isinstance(reference, str):
        load_tensorflow()  # in silence, before the reference imports it
        return _imported(*reference.partition(":")[::2])
    forward = getattr(reference, "forward", reference)
    if not callable(forward):
        raise InputError(f"The reference: expected a function of (params, *batch), got a {type(reference).__name__}.")
    return forward


def _imported(module: str, function: str) -> Callable[..., Any]:
    """Import a reference's forward."""
    try:
        return getattr(importlib.import_module(module), function or "forward")
    except AttributeError:
        raise InputError(f"The reference: module {module!r} has no {function or 'forward'!r}.") from None
    except Exception as error:
        raise InputError(f"The reference {module!r} does not import: {described(error)}") from error


@dataclass(frozen=True)
class ReferenceRun:
    """What TensorFlow says: the loss, every named value, and the gradients that were asked for.

    A gradient of None means that the loss does not depend on that tensor; a name without an entry is not
    known to the reference.
    """

    loss: Array
    values: Params
    gradients: dict[str, Array | None]


def differentiate_here(
    forward: Callable[..., Any],
    params: Mapping[str, Array],
    batch: Mapping[str, Array],
    names: Sequence[str],
    route: str,
) -> ReferenceRun:
    """Differentiate by one of `ROUTES`, in this process and on one device; see `differentiation.differentiate`."""
    tf = load_tensorflow()
    theirs, given = _tensors(params), _tensors(batch)
    with on_its_device(tf, forward):
        if route == "tape":
            function = _differentiator(forward, route, tuple(names), tuple(batch))
        else:
            function = _traced(forward, route, tuple(names), _specs(theirs), _specs(given))
        values, gradients = function(theirs, list(given.values()))
    return ReferenceRun(
        loss=_array(values["loss"]),
        values={name: _array(value) for name, value in values.items()},
        gradients={
            name: _array(gradients[name]) if name in gradients else None
            for name in names
            if name in params or name in batch or name in values
        },
    )


def _tensors(arrays: Mapping[str, Array]) -> dict[str, Any]:
    tf = load_tensorflow()
    return {name: tf.convert_to_tensor(array) for name, array in arrays.items()}


def _array(value: Any) -> Array:
    return value.numpy() if load_tensorflow().is_tensor(value) else value


def _differentiator(
    forward: Callable[..., Any], route: str, names: tuple[str, ...], batch_names: tuple[str, ...]
) -> Callable[..., Any]:
    """Build the function that evaluates and differentiates."""
    tf = load_tensorflow()

    def by_tape(params: Any, batch: Any) -> Any:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([params, batch])
            values = named_values(forward(params, *batch))
        sources = values | dict(zip(batch_names, batch, strict=True)) | params
        return values, by_loss(names, values, sources, tape.gradient)

    def by_tf_gradients(params: Any, batch: Any) -> Any:
        values = named_values(forward(params, *batch))
        sources = values | dict(zip(batch_names, batch, strict=True)) | params
        return values, by_loss(names, values, sources, tf.gradients)

    return by_tf_gradients if route == "gradients" else by_tape


# Each holds on to a stranger's function and all that it closes over: not too many, whatever their shapes.
@functools.lru_cache(maxsize=128)
def _traced(
    forward: Callable[..., Any],
    route: str,
    names: tuple[str, ...],
    params: tuple[tuple[str, Any], ...],
    batch: tuple[tuple[str, Any], ...],
) -> Callable[..., Any]:
    """Trace the function that evaluates and differentiates, for tensors like these, which are `TensorSpec`s by name."""
    function = _differentiator(forward, route, names, tuple(name for name, _ in batch))
    arguments = dict(params), [spec for _, spec in batch]
    if route == "gradients":
        return _graph(function, arguments)
    graph = _graph(function, arguments, jit_compile=True)
    # A session has the CPU only.
    alone = device_of(forward) is None and captures_no_variable(load_tensorflow(), graph)
    return in_session(load_tensorflow(), graph, arguments) if alone else graph


def _graph(function: Callable[..., Any], arguments: tuple[Any, ...], **options: Any) -> Any:
    """Trace a function; AutoGraph, which takes longer than all the rest, only rewrites code that cannot do without.

    What needs rewriting says so: a tensor in a graph refuses to be a condition or to be iterated over.
    """
    tf = load_tensorflow()
    try:
        return tf.function(function, autograph=False, **options).get_concrete_function(*arguments)
    except tf.errors.OperatorNotAllowedInGraphError:
        return tf.function(function, **options).get_concrete_function(*arguments)


def _specs(tensors: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    tf = load_tensorflow()
    return tuple((name, tf.TensorSpec(tensor.shape, tensor.dtype)) for name, tensor in tensors.items())


def named_values(values: Any) -> dict[str, Any]:
    """Give a reference's bare loss the name `loss`; a dictionary passes as it is."""
    named = dict(values) if isinstance(values, Mapping) else {"loss": values}
    if named.get("loss") is None:
        got = f"the keys {', '.join(map(str, named))}" if isinstance(values, Mapping) else "None"
        raise InputError(f"The reference: expected a scalar tensor, or a dictionary with one as 'loss', got {got}.")
    return named | {"loss": load_tensorflow().convert_to_tensor(named["loss"])}


def by_loss(
    names: Sequence[str],
    values: Mapping[str, Any],
    sources: Mapping[str, Any],
    gradients: Callable[[Any, list[Any]], Sequence[Any]],
) -> dict[str, Any]:
    """Differentiate the loss once for all names, and each by-passed name through its own expression.

    Args:
        names: what to differentiate by; a name without a source is passed over.
        values: the reference's named values, the loss among them.
        sources: tensors by name.
        gradients: `gradients(of, by)`, a list.

    Returns:
        The gradients, by name; none for what the loss does not depend on.
    """
    tf = load_tensorflow()
    through = [name for name in names if LOSS_THROUGH + name in values]
    direct = [name for name in names if name in sources and name not in through]
    found = dict(zip(direct, gradients(values["loss"], [sources[name] for name in direct]), strict=True))
    for name in through:
        found[name] = gradients(values[LOSS_THROUGH + name], [sources[name]])[0]
    return {name: tf.convert_to_tensor(gradient) for name, gradient in found.items() if gradient is not None}


def _placed(function: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Compute all of a function of a forward on that forward's device."""

    @functools.wraps(function)
    def on_device(forward: Any, *args: P.args, **keywords: P.kwargs) -> R:
        with on_its_device(load_tensorflow(), forward):
            return function(forward, *args, **keywords)

    return on_device


@_placed
def evaluate(forward: Callable[..., Any], params: Mapping[str, Array], batch: Mapping[str, Array]) -> Params:
    """Run the reference's forward alone, and give all its named values, `loss` among them."""
    values = named_values(forward(_tensors(params), *_tensors(batch).values()))
    return {name: value.numpy() for name, value in values.items()}


@_placed
def slopes(
    forward: Callable[..., Any],
    params: Mapping[str, Array],
    batch: Mapping[str, Array],
    pairs: Sequence[tuple[str, str]],
) -> dict[tuple[str, str], Array]:
    """Differentiate one named value of the reference in another, without going on to the loss.

    Args:
        forward: `forward(params, *batch)`.
        params: the parameters, by name.
        batch: the batch's arrays, by name, in the order of the call.
        pairs: (y, x), two names each.

    Returns:
        ∂(Σ y)/∂x for each pair, of the shape of x: where y is x taken entry by entry, the slope at each entry. A pair
        the reference has no names for, or between which nothing flows, is missing.
    """
    tf = load_tensorflow()
    theirs, given = _tensors(params), _tensors(batch)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([theirs, given])
        values = named_values(forward(theirs, *given.values()))
    known = values | given | theirs
    found = {(y, x): tape.gradient(known[y], known[x]) for y, x in pairs if y in known and x in known}
    return {pair: slope.numpy() for pair, slope in found.items() if slope is not None}


# ---- second order and forward mode -----------------------------------------------------------------


@_placed
def hessian_vector_products(
    forward: Callable[..., Any],
    params: Mapping[str, Array],
    batch: Mapping[str, Array],
    directions: Mapping[str, Array],
) -> dict[str, Array]:
    """Multiply the reference's Hessian with a direction, by a tape around a tape.

    H v = ∇(∇L · v)

    Args:
        forward: `forward(params, *batch)`.
        params: the parameters, by name.
        batch: the batch's arrays, by name, in the order of the call.
        directions: v, by name: one array for each parameter or batch array that moves.

    Returns:
        H v, by the same names; zeros where the slope does not depend on a tensor.
    """
    tf = load_tensorflow()
    theirs, given, moving = _moving(params, batch, directions)
    with tf.GradientTape() as outer:
        outer.watch(moving)
        with tf.GradientTape() as inner:
            inner.watch(moving)
            loss = named_values(forward(theirs, *given.values()))["loss"]
        gradients = inner.gradient(loss, moving, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        slope = tf.add_n([tf.reduce_sum(gradients[name] * v) for name, v in directions.items()])
    products = outer.gradient(slope, moving, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return {name: product.numpy() for name, product in products.items()}


@_placed
def directional_derivative(
    forward: Callable[..., Any],
    params: Mapping[str, Array],
    batch: Mapping[str, Array],
    directions: Mapping[str, Array],
) -> float:
    """Differentiate the reference's loss along a direction in forward mode, ∇L · v without any ∇L.

    Args:
        forward: `forward(params, *batch)`.
        params: the parameters, by name.
        batch: the batch's arrays, by name, in the order of the call.
        directions: v, by name: one array for each parameter or batch array that moves.

    Returns:
        The derivative, 0 where the loss does not depend on what moves.
    """
    tf = load_tensorflow()
    theirs, given, moving = _moving(params, batch, directions)
    tangents = [tf.convert_to_tensor(directions[name]) for name in moving]
    with tf.autodiff.ForwardAccumulator(list(moving.values()), tangents) as accumulator:
        loss = named_values(forward(theirs, *given.values()))["loss"]
    return float(accumulator.jvp(loss, unconnected_gradients=tf.UnconnectedGradients.ZERO))


def _moving(
    params: Mapping[str, Array], batch: Mapping[str, Array], directions: Mapping[str, Array]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Give the parameters, the batch, and those tensors of both that move."""
    theirs, given = _tensors(params), _tensors(batch)
    return theirs, given, {name: (given | theirs)[name] for name in directions}
