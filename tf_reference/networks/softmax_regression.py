"""Softmax regression: one affine layer, one of C classes.

    z = x W + b
    p = softmax(z),  p_nk = e^z_nk / sum_j e^z_nj
    loss = mean over n { ln sum_k e^z_nk - z_n,label(n) },  taken from z

Shapes: W [D,C], b [C], x [N,D], t [N,C] one-hot; z, p [N,C]; loss ().
Loss: the MEAN over the N examples of one cross-entropy per row.
Source: 002 (A21), 004 (A24, A26, A27).
"""

from collections.abc import Mapping

import tensorflow as tf


def forward(params: Mapping[str, tf.Tensor], x: tf.Tensor, t: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute logits, probabilities and the mean softmax cross-entropy.

    Args:
        params: `W` [D,C] and `b` [C], float32 or float64.
        x: inputs [N,D] of the same dtype.
        t: one-hot classes [N,C], same dtype; every row adds up to 1.

    Returns:
        `z`, `p` [N,C] and `loss` (); p is there for predictions and lies beside the way of the loss.

    Source: 002 (A21).
    """
    with tf.name_scope("layer1"):
        z = tf.add(tf.linalg.matmul(x, params["W"]), params["b"], name="z")  # [N,C]
        p = tf.nn.softmax(z, name="p")  # [N,C]
    with tf.name_scope("loss"):
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=t, logits=z), name="loss")
    return {"z": z, "p": p, "loss": loss}
