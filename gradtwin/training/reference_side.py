"""The reference side of a training: TensorFlow's variables, one traced function, an update rule."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradtwin.backend.differentiation import differentiate
from gradtwin.backend.tensorflow_side import load_tensorflow, named_values
from gradtwin.training.batches import Chunk
from gradtwin.twins.twin import Batch
from manual_grads import Array, Params


class ReferenceTrainer:
    """Train the reference as TensorFlow's users do: traced once, several steps in one call.

    Args:
        forward: `forward(params, *batch)` of the reference.
        start: the parameters to begin with.
        optimizer: "gd" or "adam".
        learning_rate: a float, taken in the dtype of the parameters.
        looped: whether a chunk has several steps; else each call is one step, without a loop and without
            copies of the parameters.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        start: Mapping[str, Array],
        *,
        optimizer: str,
        learning_rate: float,
        looped: bool,
    ) -> None:
        tf = load_tensorflow()
        self._forward = forward
        self._variables = {name: tf.Variable(value, name=name) for name, value in start.items()}
        self._update = _update_rule(optimizer, self._variables, learning_rate)
        self._looped = looped
        # After a loop the parameters are at hand; reading them out of the variables takes longer.
        self._at_hand: Params | None = None
        # The whole data set, where every step takes it, is handed over once.
        self._fixed: Batch | None = None
        self._fixed_tensors: list[Any] = []
        self._advance: Any = None
        self._evaluate: Any = None

    @property
    def traces(self) -> int:
        """How often TensorFlow had to trace: once for training, once for evaluation."""
        functions = [function for function in (self._advance, self._evaluate) if function is not None]
        return sum(function.experimental_get_tracing_count() for function in functions)

    def params(self) -> Params:
        """Copy the parameters out."""
        if self._at_hand is not None:
            return dict(self._at_hand)
        return {name: variable.numpy() for name, variable in self._variables.items()}

    def advance(self, chunk: Chunk) -> tuple[Array, Params]:
        """Take the chunk's steps.

        Returns:
            Each step's loss [count], before its update, and each parameter after every update,
            [count, *shape]. Read what you need of the parameters before the next call: they may be views
            of the variables, which TensorFlow has to copy as long as somebody holds them.
        """
        tf = load_tensorflow()
        if self._advance is None:
            signature = (
                tf.TensorSpec((), tf.int32),
                [tf.TensorSpec(array.shape, array.dtype) for array in chunk.fixed],
                [_open(array, 2) for array in chunk.varying],
            )
            steps = self._many_steps if self._looped else self._one_step
            self._advance = tf.function(steps, input_signature=signature, autograph=False)
        if chunk.fixed is not self._fixed:
            self._fixed, self._fixed_tensors = chunk.fixed, list(map(tf.constant, chunk.fixed))
        varying = list(map(tf.constant, chunk.varying))
        answer = self._advance(tf.constant(chunk.count), self._fixed_tensors, varying)
        if self._looped:
            losses, arrays = self._unpacked(np.asarray(answer))
            self._at_hand = {name: values[-1].copy() for name, values in arrays.items()}
            return losses, arrays
        losses, states = answer
        return np.asarray(losses), {name: np.asarray(values) for name, values in states.items()}

    def _unpacked(self, packed: Array) -> tuple[Array, Params]:
        """Cut the columns of [count, 1 + entries]: the loss, then each parameter."""
        arrays, end = {}, 1
        for name, variable in self._variables.items():
            begin, end = end, end + variable.shape.num_elements()
            arrays[name] = packed[:, begin:end].reshape(len(packed), *variable.shape)
        return packed[:, 0], arrays

    def evaluate(self, rows: Batch) -> Params:
        """Give every named value of a forward pass, without dropout and without a step."""
        tf = load_tensorflow()
        if self._evaluate is None:
            signature = ([_open(array, 1) for array in rows],)
            self._evaluate = tf.function(self._values, input_signature=signature, autograph=False)
        values = self._evaluate([tf.constant(array) for array in rows])
        return {name: np.asarray(value) for name, value in values.items()}

    def gradients(self, batch: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array | None]:
        """Give the gradients on a batch, without a step.

        They are taken operation by operation: tracing a function for the few times this is asked for would
        take longer.

        Args:
            batch: the batch's arrays by name.
            names: what to differentiate by; None where the loss does not depend on it.
        """
        return differentiate(self._forward, self.params(), batch, names).gradients

    def _values(self, batch: Any) -> Any:
        return named_values(self._forward({n: v.read_value() for n, v in self._variables.items()}, *batch))

    def _step(self, batch: Any) -> Any:
        """Evaluate, then update; give the loss before it and the parameters after it."""
        tf = load_tensorflow()
        params = {name: variable.read_value() for name, variable in self._variables.items()}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(params)
            loss = named_values(self._forward(params, *batch))["loss"]
        gradients = tape.gradient(loss, params, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        self._update(gradients)
        return loss, {name: variable.read_value() for name, variable in self._variables.items()}

    def _one_step(self, count: Any, fixed: Any, varying: Any) -> Any:
        tf = load_tensorflow()
        loss, params = self._step([*fixed, *(array[0] for array in varying)])
        return loss[None], {name: tf.expand_dims(value, 0) for name, value in params.items()}

    def _many_steps(self, count: Any, fixed: Any, varying: Any) -> Any:
        tf = load_tensorflow()

        def step(k: Any, packed: Any) -> Any:
            loss, params = self._step([*fixed, *(array[k] for array in varying)])
            return k + 1, packed.write(k, tf.concat([tf.reshape(p, [-1]) for p in (loss, *params.values())], 0))

        # One write a step, of all numbers together; an array for each parameter would cost more than the step.
        begin = (tf.constant(0), tf.TensorArray(next(iter(self._variables.values())).dtype, size=count))
        # One step needs the last one's parameters: nothing to run in parallel.
        _, packed = tf.while_loop(lambda k, _: k < count, step, begin, parallel_iterations=1)
        return packed.stack()


def _open(array: Array, axes: int) -> Any:
    """Describe an array whose first axes may have any length, so that a short batch is not traced anew."""
    tf = load_tensorflow()
    axes = min(axes, array.ndim)
    return tf.TensorSpec((None,) * axes + array.shape[axes:], array.dtype)


def _update_rule(optimizer: str, variables: Mapping[str, Any], learning_rate: float) -> Callable[[Any], None]:
    from tf_reference import optimizers

    if optimizer == "gd":
        return lambda gradients: optimizers.gradient_descent(variables, gradients, learning_rate)
    state = optimizers.adam_state(variables)
    return lambda gradients: optimizers.adam(variables, gradients, state, learning_rate)
