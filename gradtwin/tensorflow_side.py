"""The one place of gradtwin that loads TensorFlow: arrays in, automatic gradients, arrays out.

Three routes differentiate a reference:

    tape        tf.GradientTape, operation by operation (eager)
    gradients   tf.gradients, in a traced graph
    xla         tf.GradientTape in a function compiled by XLA
"""

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradtwin.chatter import silence_tensorflow
from manual_grads import Array, Params

ROUTES = ("tape", "gradients", "xla")
LOSS_THROUGH = "loss_through_"


@functools.cache
def load_tensorflow() -> Any:
    """Import TensorFlow without its start-up chatter, and return the module."""
    silence_tensorflow()
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    return tf


def resolve(reference: Any) -> Callable[..., Any]:
    """Turn a reference side into its forward function.

    Args:
        reference: `"package.module"` or `"package.module:function"`, loaded here and not before; an
            object with a `forward`; or the function itself.

    Returns:
        `forward(params, *batch)`.
    """
    if isinstance(reference, str):
        load_tensorflow()  # in silence, before the reference imports it
        module, _, function = reference.partition(":")
        return getattr(importlib.import_module(module), function or "forward")
    return getattr(reference, "forward", reference)


@dataclass(frozen=True)
class ReferenceRun:
    """What TensorFlow says: the loss, every named value, and the gradients that were asked for.

    A gradient of None means that the loss does not depend on that tensor; a name without an entry is not
    known to the reference.
    """

    loss: Array
    values: Params
    gradients: dict[str, Array | None]


def differentiate(
    forward: Callable[..., Any],
    params: Mapping[str, Array],
    batch: Mapping[str, Array],
    names: Sequence[str],
    *,
    route: str = "tape",
) -> ReferenceRun:
    """Differentiate the reference's loss with respect to the named tensors.

    Args:
        forward: `forward(params, *batch)`, a dictionary of tensors with `loss` among them, or the loss alone.
        params: the parameters, by name.
        batch: the batch's arrays, by name, in the order of the call.
        names: parameters, batch arrays or intermediates. The gradient of `a` is taken of the value
            `loss_through_a` where the reference returns one, else of `loss`.
        route: "tape", "gradients" or "xla".

    Returns:
        The loss, all named values and the gradients, as numpy arrays.
    """
    load_tensorflow()
    function = _differentiator(forward, route, tuple(names), tuple(batch))
    values, gradients = function(_tensors(params), list(_tensors(batch).values()))
    return ReferenceRun(
        loss=values["loss"].numpy(),
        values={name: value.numpy() for name, value in values.items()},
        gradients={
            name: gradients[name].numpy() if name in gradients else None
            for name in names
            if name in params or name in batch or name in values
        },
    )


def _tensors(arrays: Mapping[str, Array]) -> dict[str, Any]:
    tf = load_tensorflow()
    return {name: tf.convert_to_tensor(array) for name, array in arrays.items()}


@functools.lru_cache(maxsize=128)
def _differentiator(
    forward: Callable[..., Any], route: str, names: tuple[str, ...], batch_names: tuple[str, ...]
) -> Callable[..., Any]:
    """Build the function that evaluates and differentiates; traced functions are kept and reused."""
    tf = load_tensorflow()

    def by_tape(params: Any, batch: Any) -> Any:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([params, batch])
            values = named_values(forward(params, *batch))
        sources = values | dict(zip(batch_names, batch, strict=True)) | params
        return values, _by_loss(names, values, sources, tape.gradient)

    def by_tf_gradients(params: Any, batch: Any) -> Any:
        values = named_values(forward(params, *batch))
        sources = values | dict(zip(batch_names, batch, strict=True)) | params
        return values, _by_loss(names, values, sources, tf.gradients)

    if route == "tape":
        return by_tape
    if route == "gradients":
        return tf.function(by_tf_gradients, reduce_retracing=False)
    return tf.function(by_tape, jit_compile=True)


def named_values(values: Any) -> dict[str, Any]:
    """Give a reference's bare loss the name `loss`; a dictionary passes as it is."""
    return dict(values) if isinstance(values, Mapping) else {"loss": values}


def _by_loss(
    names: Sequence[str],
    values: Mapping[str, Any],
    sources: Mapping[str, Any],
    gradients: Callable[[Any, list[Any]], Sequence[Any]],
) -> dict[str, Any]:
    """Differentiate the loss once for all names, and each by-passed name through its own expression."""
    tf = load_tensorflow()
    through = [name for name in names if LOSS_THROUGH + name in values]
    direct = [name for name in names if name in sources and name not in through]
    found = dict(zip(direct, gradients(values["loss"], [sources[name] for name in direct]), strict=True))
    for name in through:
        found[name] = gradients(values[LOSS_THROUGH + name], [sources[name]])[0]
    return {name: tf.convert_to_tensor(gradient) for name, gradient in found.items() if gradient is not None}
