"""Seven independent sigmoid units that sort the animals of a zoo.

    z = x W + b
    p = sigmoid(z)
    loss = sum{ -t ln p - (1 - t) ln(1 - p) },  taken from z

Shapes: W [16,7], b [7], x [N,16], t [N,7] one-hot; z, p [N,7]; loss ().
Loss: the SUM over all N 7 entries; no epsilon, since logits need none. The rows of p need not add up to 1,
seven answers to seven questions; the largest one names the animal's class.
Source: 000 (A1).
"""

from collections.abc import Mapping

import tensorflow as tf


def forward(params: Mapping[str, tf.Tensor], x: tf.Tensor, t: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute logits, probabilities and the summed sigmoid cross-entropy.

    Args:
        params: `W` [16,7] and `b` [7], float32 or float64.
        x: features [N,16] of the same dtype.
        t: one-hot classes [N,7], same dtype.

    Returns:
        `z`, `p` [N,7] and `loss` (); p is there for predictions and lies beside the way of the loss.

    Source: 000 (A1).
    """
    with tf.name_scope("layer1"):
        z = tf.add(tf.linalg.matmul(x, params["W"]), params["b"], name="z")  # [N,7]
        p = tf.sigmoid(z, name="p")  # [N,7]
    with tf.name_scope("loss"):
        loss = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=t, logits=z), name="loss")
    return {"z": z, "p": p, "loss": loss}
