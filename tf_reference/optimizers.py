"""The two update rules, as TensorFlow's own kernels apply them to a dict of variables.

Gradient descent

    p := p - lr dL/dp

Adam, with g = dL/dp and t = 1, 2, .. the number of this update

    m := beta1 m + (1 - beta1) g
    v := beta2 v + (1 - beta2) g^2
    p := p - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon)

Both change the variables in place, take every gradient at the old p because the caller brings them all
along, and work eagerly, inside tf.function and compiled by XLA. A Python float is read in the dtype of the
variable it acts on: 0.1 is 0.1 to the last bit of float64, never 0.1 rounded to float32 on the way.
Source: 001 (A2 .. A12 for gradient descent, A12 for Adam).
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf


def gradient_descent(
    variables: Mapping[str, tf.Variable], gradients: Mapping[str, tf.Tensor], learning_rate: float | tf.Tensor
) -> None:
    """Update every variable in place: p := p - lr dL/dp.

    Args:
        variables: name -> variable, float32 or float64.
        gradients: name -> tensor of the variable's shape and dtype; further names are ignored.
        learning_rate: a float, or a scalar tensor of the variables' dtype.

    Raises:
        KeyError: A variable has no gradient.

    Source: 001 (A4).
    """
    for name, variable in variables.items():
        lr = tf.convert_to_tensor(learning_rate, variable.dtype)  # ()
        tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=lr, delta=gradients[name])


def adam_state(variables: Mapping[str, tf.Variable]) -> dict[str, Any]:
    """Make the state of Adam before its first update; to be called outside any tf.function.

    Args:
        variables: name -> variable, float32 or float64.

    Returns:
        `step` () int64, updates made so far; `m` and `v`, each name -> variable of zeros, shaped and typed
        as its namesake.

    Source: 001 (A12).
    """
    return {
        "step": tf.Variable(0, dtype=tf.int64, trainable=False, name="step"),
        "m": {name: _zeros_like(variable, f"m_{name}") for name, variable in variables.items()},
        "v": {name: _zeros_like(variable, f"v_{name}") for name, variable in variables.items()},
    }


def adam(
    variables: Mapping[str, tf.Variable],
    gradients: Mapping[str, tf.Tensor],
    state: Mapping[str, Any],
    learning_rate: float | tf.Tensor,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> None:
    """Update every variable and the state in place by one step of Adam.

    In float32 the kernel forms 1 - beta2 from a beta2 already rounded, so v is 1.3e-5 off its formula. The
    powers are taken of the same rounded beta2, so that the two errors cancel in the step of p.

    Args:
        variables: name -> variable, float32 or float64.
        gradients: name -> tensor of the variable's shape and dtype; further names are ignored.
        state: from `adam_state` of the same variables.
        learning_rate: a float, or a scalar tensor of the variables' dtype.
        beta1: decay of the mean of the gradients.
        beta2: decay of the mean of their squares.
        epsilon: added to sqrt(v), after the root.

    Raises:
        KeyError: A variable has no gradient or no state.

    Source: 001 (A12).
    """
    step = state["step"].assign_add(1)  # () t, from 1
    for name, variable in variables.items():
        dtype = variable.dtype
        first, second = tf.constant(beta1, dtype), tf.constant(beta2, dtype)  # ()
        t = tf.cast(step, dtype)  # ()
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=state["m"][name].handle,
            v=state["v"][name].handle,
            beta1_power=tf.pow(first, t),
            beta2_power=tf.pow(second, t),
            lr=tf.convert_to_tensor(learning_rate, dtype),
            beta1=first,
            beta2=second,
            epsilon=tf.constant(epsilon, dtype),
            grad=gradients[name],
        )


def _zeros_like(variable: tf.Variable, name: str) -> tf.Variable:
    return tf.Variable(tf.zeros(variable.shape, variable.dtype), trainable=False, name=name)
