"""Two gates of one computation graph, the smallest chain rule there is.

    g = w x          product gate
    f = g + b        sum gate
    loss = f

Shapes: w, b, x, g, f, loss are scalars, ().
Loss: the output f itself, no reduction.
Source: 001 (A15), customarily at w = -2, x = 5, b = 3, where g = -10 and f = -7.
"""

from collections.abc import Mapping

import tensorflow as tf


def forward(params: Mapping[str, tf.Tensor], x: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute f = w x + b gate by gate.

    Args:
        params: `w` () and `b` (), float32 or float64.
        x: () of the same dtype.

    Returns:
        `g` (), `f` () and `loss` () = f.

    Source: 001 (A15).
    """
    with tf.name_scope("layer1"):
        g = tf.multiply(params["w"], x, name="g")  # ()
        f = tf.add(g, params["b"], name="f")  # ()
    with tf.name_scope("loss"):
        loss = tf.identity(f, name="loss")  # ()
    return {"g": g, "f": f, "loss": loss}
