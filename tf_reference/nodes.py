"""The nodes of a computation graph, one TensorFlow operation each.

    linear                   y = x W + b
    sigmoid                  y = 1 / (1 + e^-x)
    relu                     y = max(x, 0)
    softmax                  y_nk = e^x_nk / sum_j e^x_nj
    cross_entropy            y_n = -sum_k t_nk ln x_nk
    mean                     y = sum x / M over all M entries
    dropout                  y = x mask
    softmax_cross_entropy    y_n = ln sum_k e^x_nk - sum_k t_nk x_nk

A node's output is an array, a gradient needs a scalar. Each function therefore also takes a cotangent g of
y's shape, last in its batch, and its loss is sum(g y): the gradient of that is g times the node's Jacobian,
which a random g shows in full and an all-ones g hides in part.

Every function is `(params, *batch) -> {"y": .., "loss": ..}`. What is differentiated stands in `params` (x,
and W and b where there are some), what is given stands in the batch (targets, mask, cotangent); all of one
dtype, float32 or float64. Source: 002 (A19), 004 (A25); relu and dropout from 001 (A12).
"""

from collections.abc import Mapping

import tensorflow as tf


def linear(params: Mapping[str, tf.Tensor], g: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute y = x W + b.

    Args:
        params: `x` [N,D], `W` [D,K], `b` [K].
        g: cotangent [N,K].

    Returns:
        `y` [N,K] and `loss` () = sum(g y).

    Source: 002 (A19).
    """
    with tf.name_scope("layer1"):
        y = tf.add(tf.linalg.matmul(params["x"], params["W"]), params["b"], name="y")
    return _contracted(y, g)


def sigmoid(params: Mapping[str, tf.Tensor], g: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute y = 1 / (1 + e^-x), entry by entry.

    Args:
        params: `x` of any shape.
        g: cotangent of x's shape.

    Returns:
        `y` of x's shape and `loss` () = sum(g y).

    Source: 002 (A19), 004 (A25).
    """
    with tf.name_scope("layer1"):
        y = tf.sigmoid(params["x"], name="y")
    return _contracted(y, g)


def relu(params: Mapping[str, tf.Tensor], g: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute y = max(x, 0), entry by entry.

    Kink: at x = 0, and at -0, TensorFlow takes the slope 0.

    Args:
        params: `x` of any shape.
        g: cotangent of x's shape.

    Returns:
        `y` of x's shape and `loss` () = sum(g y).

    Source: 001 (A12), 003 (A22).
    """
    with tf.name_scope("layer1"):
        y = tf.nn.relu(params["x"], name="y")
    return _contracted(y, g)


def softmax(params: Mapping[str, tf.Tensor], g: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute y_nk = e^x_nk / sum_j e^x_nj, row by row.

    Args:
        params: `x` [N,C].
        g: cotangent [N,C].

    Returns:
        `y` [N,C] and `loss` () = sum(g y).

    Source: 002 (A19).
    """
    with tf.name_scope("layer1"):
        y = tf.nn.softmax(params["x"], name="y")
    return _contracted(y, g)


def cross_entropy(params: Mapping[str, tf.Tensor], t: tf.Tensor, g: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute y_n = -sum_k t_nk ln x_nk, one number per row of probabilities.

    No clamp stands before the logarithm: it would flatten the forward pass without the backward pass
    knowing. Behind a softmax use `softmax_cross_entropy`. 0 ln x counts as 0 for every x.

    Args:
        params: `x` [N,C], all entries > 0.
        t: targets [N,C].
        g: cotangent [N].

    Returns:
        `y` [N] and `loss` () = sum(g y).

    Source: 002 (A19).
    """
    with tf.name_scope("layer1"):
        y = tf.negative(tf.reduce_sum(tf.math.xlogy(t, params["x"]), axis=1), name="y")
    return _contracted(y, g)


def mean(params: Mapping[str, tf.Tensor], g: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute y = the mean over all entries.

    Args:
        params: `x` of any shape.
        g: cotangent ().

    Returns:
        `y` () and `loss` () = g y.

    Source: 002 (A19).
    """
    with tf.name_scope("layer1"):
        y = tf.reduce_mean(params["x"], name="y")
    return _contracted(y, g)


def dropout(params: Mapping[str, tf.Tensor], mask: tf.Tensor, g: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute y = x mask with a mask that was drawn elsewhere.

    Args:
        params: `x` of any shape.
        mask: x's shape, entries 0 or 1/keep.
        g: cotangent of x's shape.

    Returns:
        `y` of x's shape and `loss` () = sum(g y).

    Source: 001 (A12).
    """
    with tf.name_scope("layer1"):
        y = tf.multiply(params["x"], mask, name="y")
    return _contracted(y, g)


def softmax_cross_entropy(
    params: Mapping[str, tf.Tensor], t: tf.Tensor, g: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Compute y_n = ln sum_k e^x_nk - sum_k t_nk x_nk, one number per row of logits.

    Args:
        params: `x` [N,C], any logits.
        t: targets [N,C]; every row adds up to 1, or TensorFlow's gradient is not that of its value.
        g: cotangent [N].

    Returns:
        `y` [N] and `loss` () = sum(g y).

    Source: 002 (A19, A21), 004 (A26).
    """
    with tf.name_scope("layer1"):
        y = tf.nn.softmax_cross_entropy_with_logits(labels=t, logits=params["x"], name="y")
    return _contracted(y, g)


def _contracted(y: tf.Tensor, g: tf.Tensor) -> dict[str, tf.Tensor]:
    with tf.name_scope("loss"):
        return {"y": y, "loss": tf.reduce_sum(tf.multiply(g, y), name="loss")}
