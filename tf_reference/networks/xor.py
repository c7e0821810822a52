"""The 2-2-1 sigmoid net that solves XOR, layer by layer.

    z1 = x W1 + b1        a1 = sigmoid(z1)
    z2 = a1 W2 + b2       p  = sigmoid(z2)
    loss = mean{ -t ln p - (1 - t) ln(1 - p) },  taken from z2

Shapes: W1 [2,2], b1 [2], W2 [2,1], b2 [1], x [N,2], t [N,1]; z1, a1 [N,2]; z2, p [N,1]; loss ().
Loss: the MEAN over the N examples.
Source: 001 (A4, A8, A11; the hand-set weights of A3 are another start of the same net).
"""

from collections.abc import Mapping

import tensorflow as tf


def forward(params: Mapping[str, tf.Tensor], x: tf.Tensor, t: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute both layers and the mean sigmoid cross-entropy.

    Args:
        params: `W1` [2,2], `b1` [2], `W2` [2,1], `b2` [1], float32 or float64.
        x: inputs [N,2] of the same dtype.
        t: targets [N,1] in 0..1, same dtype.

    Returns:
        `z1`, `a1` [N,2], `z2`, `p` [N,1] and `loss` (); p is there for predictions only.

    Source: 001 (A4).
    """
    with tf.name_scope("layer1"):
        z1 = tf.add(tf.linalg.matmul(x, params["W1"]), params["b1"], name="z1")  # [N,2]
        a1 = tf.sigmoid(z1, name="a1")  # [N,2]
    with tf.name_scope("layer2"):
        z2 = tf.add(tf.linalg.matmul(a1, params["W2"]), params["b2"], name="z2")  # [N,1]
        p = tf.sigmoid(z2, name="p")  # [N,1]
    with tf.name_scope("loss"):
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=t, logits=z2), name="loss")
    return {"z1": z1, "a1": a1, "z2": z2, "p": p, "loss": loss}
