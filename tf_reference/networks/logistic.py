"""Logistic regression: one sigmoid unit, which no weights can make solve XOR.

    z = x W + b
    p = sigmoid(z)
    loss = mean{ -t ln p - (1 - t) ln(1 - p) },  taken from z

Shapes: W [D,1], b [1], x [N,D], t [N,1]; z, p [N,1]; loss ().
Loss: the MEAN over the N examples. On XOR it tends to ln 2 with p = 1/2 everywhere.
Source: 001 (A2).
"""

from collections.abc import Mapping

import tensorflow as tf


def forward(params: Mapping[str, tf.Tensor], x: tf.Tensor, t: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute logits, probabilities and the mean sigmoid cross-entropy.

    Args:
        params: `W` [D,1] and `b` [1], float32 or float64.
        x: inputs [N,D] of the same dtype.
        t: targets [N,1] in 0..1, same dtype.

    Returns:
        `z`, `p` [N,1] and `loss` (); p is there for predictions and lies beside the way of the loss.

    Source: 001 (A2).
    """
    with tf.name_scope("layer1"):
        z = tf.add(tf.linalg.matmul(x, params["W"]), params["b"], name="z")  # [N,1]
        p = tf.sigmoid(z, name="p")  # [N,1]
    with tf.name_scope("loss"):
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=t, logits=z), name="loss")
    return {"z": z, "p": p, "loss": loss}
