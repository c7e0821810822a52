"""A 2-16-1 net with a relu layer.

    z1 = x W1 + b1        a1 = relu(z1) = max(z1, 0)
    z2 = a1 W2 + b2       p  = sigmoid(z2)
    loss = sum (or mean){ -t ln p - (1 - t) ln(1 - p) },  taken from z2

Shapes: W1 [2,16], b1 [16], W2 [16,1], b2 [1], x [N,2], t [N,1]; z1, a1 [N,16]; z2, p [N,1]; loss ().
Loss: the SUM over the N examples; the mean on request.
Kink: tf.nn.relu passes the gradient where z1 > 0, so nothing at z1 = 0 nor at -0.
Source: 003 (A22, A23).
"""

from collections.abc import Mapping

import tensorflow as tf

REDUCTIONS = {"sum": tf.reduce_sum, "mean": tf.reduce_mean}


def forward(
    params: Mapping[str, tf.Tensor], x: tf.Tensor, t: tf.Tensor, *, reduction: str = "sum"
) -> dict[str, tf.Tensor]:
    """Compute both layers and the sigmoid cross-entropy.

    Args:
        params: `W1` [2,16], `b1` [16], `W2` [16,1], `b2` [1], float32 or float64.
        x: inputs [N,2] of the same dtype.
        t: targets [N,1] in 0..1, same dtype.
        reduction: "sum" or "mean" over the N examples.

    Returns:
        `z1`, `a1` [N,16], `z2`, `p` [N,1] and `loss` (); p is there for predictions only.

    Raises:
        ValueError: `reduction` is neither of the two.

    Source: 003 (A22).
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be 'sum' or 'mean', not {reduction!r}.")
    with tf.name_scope("layer1"):
        z1 = tf.add(tf.linalg.matmul(x, params["W1"]), params["b1"], name="z1")  # [N,16]
        a1 = tf.nn.relu(z1, name="a1")  # [N,16]
    with tf.name_scope("layer2"):
        z2 = tf.add(tf.linalg.matmul(a1, params["W2"]), params["b2"], name="z2")  # [N,1]
        p = tf.sigmoid(z2, name="p")  # [N,1]
    with tf.name_scope("loss"):
        entropies = tf.nn.sigmoid_cross_entropy_with_logits(labels=t, logits=z2)  # [N,1]
        loss = REDUCTIONS[reduction](entropies, name="loss")
    return {"z1": z1, "a1": a1, "z2": z2, "p": p, "loss": loss}
