"""Linear regression by least squares.

    z = x W + b
    r = z - y                       residual
    loss = (1 / 2m) sum r^2         m = N examples

Shapes: W [D,1], b [1], x [N,D], y [N,1]; z, r [N,1]; loss ().
Loss: half the mean of the squared residuals. The half belongs to the loss, so the gradient at z is r / m.
Source: 001 (A14).
"""

from collections.abc import Mapping

import tensorflow as tf


def forward(params: Mapping[str, tf.Tensor], x: tf.Tensor, y: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute predictions, residuals and half their mean square.

    Args:
        params: `W` [D,1] and `b` [1], float32 or float64.
        x: inputs [N,D] of the same dtype.
        y: measured values [N,1], same dtype.

    Returns:
        `z`, `r` [N,1] and `loss` ().

    Source: 001 (A14).
    """
    with tf.name_scope("layer1"):
        z = tf.add(tf.linalg.matmul(x, params["W"]), params["b"], name="z")  # [N,1]
    with tf.name_scope("loss"):
        r = tf.subtract(z, y, name="r")  # [N,1]
        m = tf.cast(tf.shape(r)[0], r.dtype)  # ()
        loss = tf.divide(tf.nn.l2_loss(r), m, name="loss")  # l2_loss is sum r^2 / 2, the half included
    return {"z": z, "r": r, "loss": loss}
