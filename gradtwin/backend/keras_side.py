"""A Keras model with a Keras loss as a reference: parameters by their Keras paths, stateless, in either precision.

    reference = gradtwin.keras_reference(model, keras.losses.BinaryCrossentropy(from_logits=True))
    gradtwin.check_gradients(manual, reference, gradtwin.keras_params(model), x, t)

The model is called with the parameters it is given and keeps its own. It is called in the precision of
these parameters: a model that was made in float32 computes in float64 for float64 parameters, its layers, its
inputs and its loss. What is not trained (a moving mean) keeps the model's value.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtwin.backend.tensorflow_side import load_tensorflow
from gradtwin.core.errors import InputError, did_you_mean
from manual_grads import Params

REDUCTIONS = {
    "sum_over_batch_size": "mean",
    "mean": "mean",
    "mean_with_sample_weight": "mean",
    "sum": "sum",
}


def keras_params(model: Any, dtype: str = "float64") -> Params:
    """Give a model's trainable variables by their paths, as arrays of their own.

    Args:
        model: a built Keras model.
        dtype: "float64" or "float32".

    Returns:
        A dictionary such as {"sequential/dense/kernel": [3, 4], "sequential/dense/bias": [4]}, in the
        order of `model.trainable_variables`.

    Raises:
        InputError: no Keras model with trainable variables, or two variables of one path.
    """
    paths = _paths(model)
    values = (variable.numpy() for variable in model.trainable_variables)
    return {path: np.array(value, dtype=dtype) for path, value in zip(paths, values, strict=True)}


def keras_reference(
    model: Any, loss: Any, *, reduction: str | None = None, training: bool = False
) -> "KerasReference":
    """Make a reference of a Keras model and a Keras loss.

    The loss is the reduced Keras loss plus whatever regularisers and `add_loss` add to it, as `fit` would
    compute it. Keras itself rounds a regulariser's factor to float32.

    Args:
        model: a built Keras model.
        loss: a `keras.losses.Loss`, which states its reduction; or a function (y_true, y_pred) or the name
            of one, with `reduction`.
        reduction: "mean" or "sum" over the per-example values; for a function, unless it gives a scalar.
        training: the phase the model is called in.

    Returns:
        `reference(params, *inputs, targets)`, for `check_gradients` or a `Twin`; its `reduction` says what is
        done with the per-example values.

    Raises:
        InputError: no Keras model that is built, a loss without a reduction, or a backend other than TensorFlow.
    """
    stated, values = _loss_of(loss, reduction)
    return KerasReference(model, values, stated, tuple(_paths(model)), training)


@dataclass(frozen=True, eq=False)
class KerasReference:
    """The loss of a Keras model as a function of its parameters.

    Attributes:
        model: the Keras model.
        values: the loss as a function of targets and outputs, before its reduction.
        reduction: "mean", "sum" or "none" (the loss is one number as it comes).
        paths: the names of the parameters.
        training: the phase the model is called in.
    """

    model: Any
    values: Callable[[Any, Any], Any]
    reduction: str
    paths: tuple[str, ...]
    training: bool = False

    def __call__(self, params: Mapping[str, Any], *batch: Any) -> Any:
        """Compute the loss for parameters by path and a batch of the model's inputs, then the targets."""
        trained = self._in_order(params)
        if len(batch) < 2:
            raise InputError(f"The Keras reference: expected a batch of inputs and targets, got {len(batch)} arrays.")
        *inputs, targets = batch
        with _computing_in(self.model, trained[0].dtype.name):
            outputs, losses = self._call(trained, inputs)
            values = self.values(targets, outputs)
        return self._reduce(values) + sum(losses)

    def _in_order(self, params: Mapping[str, Any]) -> list[Any]:
        for path in self.paths:
            if path not in params:
                near = did_you_mean(path, params)
                raise InputError(f"The Keras reference: params lack {path!r}.{near} gradtwin.keras_params gives them.")
        for name in params:
            if name not in self.paths:
                near = did_you_mean(name, self.paths)
                raise InputError(f"The Keras reference: the model has no trainable variable {name!r}.{near}")
        return [params[path] for path in self.paths]

    def _call(self, trained: list[Any], inputs: list[Any]) -> tuple[Any, list[Any]]:
        tf = load_tensorflow()
        kept = [_cast(variable.value, trained[0].dtype) for variable in self.model.non_trainable_variables]
        values = [*zip(self.model.trainable_variables, trained, strict=True)]
        values += zip(self.model.non_trainable_variables, kept, strict=True)
        with _load_keras().StatelessScope(state_mapping=values, collect_losses=True):
            outputs = self.model(inputs[0] if len(inputs) == 1 else inputs, training=self.training)
            return outputs, [tf.cast(loss, trained[0].dtype) for loss in self.model.losses]

    def _reduce(self, values: Any) -> Any:
        tf = load_tensorflow()
        if self.reduction == "none":
            if values.shape.rank != 0:
                raise InputError(
                    f"The Keras loss gives values of shape {tuple(values.shape)}: state reduction='sum' or 'mean'."
                )
            return values
        return tf.reduce_mean(values) if self.reduction == "mean" else tf.reduce_sum(values)


def _cast(value: Any, dtype: Any) -> Any:
    """Bring what is a float to the dtype; the state of a random generator stays."""
    return load_tensorflow().cast(value, dtype) if value.dtype.is_floating else value


def _paths(model: Any) -> list[str]:
    keras = _load_keras()
    if not isinstance(model, keras.layers.Layer):
        raise InputError(f"Expected a Keras model, got a {type(model).__name__}.")
    paths = [variable.path for variable in model.trainable_variables]
    if not paths:
        raise InputError(
            f"The Keras model {model.name!r} has no trainable variables: build it first, by model.build(shape) or "
            "by calling it once."
        )
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise InputError(f"The Keras model {model.name!r} has two variables {twice!r}: give its layers other names.")
    return paths


def _loss_of(loss: Any, reduction: str | None) -> tuple[str, Callable[[Any, Any], Any]]:
    """Take a loss apart into its reduction and the per-example values that are reduced."""
    keras = _load_keras()
    if reduction not in (None, "sum", "mean"):
        raise InputError(f"reduction: expected 'sum' or 'mean', got {reduction!r}.")
    if isinstance(loss, str):
        loss = _named_loss(loss)
    if isinstance(loss, keras.losses.Loss):
        stated = REDUCTIONS.get(str(loss.reduction))
        if reduction is None and stated is None:
            raise InputError(f"The Keras loss {loss.name!r} has reduction {loss.reduction!r}: state 'sum' or 'mean'.")
        return reduction or stated or "", loss.call
    if not callable(loss):
        raise InputError(f"loss: expected a keras.losses.Loss or a function, got a {type(loss).__name__}.")
    return reduction or "none", loss


def _named_loss(name: str) -> Any:
    try:
        return _load_keras().losses.get(name)
    except ValueError:
        raise InputError(f"Keras knows no loss {name!r}: name one of keras.losses.") from None


def _load_keras() -> Any:
    load_tensorflow()  # in silence, before Keras does
    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(f"Keras runs on {keras.backend.backend()}: set KERAS_BACKEND=tensorflow.")
    return keras


@contextlib.contextmanager
def _computing_in(model: Any, dtype: str) -> Iterator[None]:
    """Let every layer of a model, and every input it converts, be of a dtype for as long as the body runs."""
    layers = list(model._flatten_layers(include_self=True, recursive=True))
    converted = [one for layer in layers for one in _float_inputs(layer)]  # a model rounds what comes in,
    converted += [one for one in model.variables if "float" in one.dtype]  # and values for its variables
    policies = [layer.dtype_policy for layer in layers]
    dtypes = [one._dtype for one in converted]
    try:
        _set("dtype_policy", layers, [dtype] * len(layers))
        _set("_dtype", converted, [dtype] * len(converted))
        yield
    finally:
        _set("dtype_policy", layers, policies)
        _set("_dtype", converted, dtypes)


def _set(attribute: str, things: list[Any], values: list[Any]) -> None:
    for thing, value in zip(things, values, strict=True):
        setattr(thing, attribute, value)


def _float_inputs(layer: Any) -> list[Any]:
    """Give what knows the dtype a functional model converts its arguments to."""
    functional = getattr(layer, "_functional", None) or layer  # a Sequential has one inside
    inputs = list(getattr(functional, "_inputs", None) or [])
    if isinstance(layer, _load_keras().layers.InputLayer):
        inputs.append(layer)
    return [one for one in inputs if "float" in one.dtype]
