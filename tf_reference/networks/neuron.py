"""One logistic neuron, or K of them side by side, for one example or a batch.

    o  = a0 w                                           product
    l  = o + b                                          bias
    a1 = sigmoid(l)
    E  = -sum{ t ln a1 + (1 - t) ln(1 - a1) }           cross-entropy

Shapes: w [D,K], b [K], a0 [N,D], t [N,K]; o, l, a1 [N,K]; loss ().
Loss: the SUM over all N K entries. `loss` takes E from the logits l, where it stays finite for every l.
`loss_through_a1` is the same number by the explicit logarithms: the logits form by-passes a1, so dE/da1 can
only be had from this one. It is infinite where a1 has rounded to the wrong end, and so is dE/da1.
Source: 001 (A16: D = K = N = 1; A17: matrices).
"""

from collections.abc import Mapping

import tensorflow as tf


def forward(params: Mapping[str, tf.Tensor], a0: tf.Tensor, t: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute the neuron and its cross-entropy, once from the logits and once from the activations.

    Args:
        params: `w` [D,K] and `b` [K], float32 or float64.
        a0: inputs [N,D] of the same dtype.
        t: targets [N,K] in 0..1, same dtype.

    Returns:
        `o`, `l`, `a1` [N,K]; `loss` () and `loss_through_a1` (), two expressions of one number.

    Source: 001 (A16, A17).
    """
    with tf.name_scope("layer1"):
        o = tf.linalg.matmul(a0, params["w"], name="o")  # [N,K]
        logits = tf.add(o, params["b"], name="l")  # [N,K]
        a1 = tf.sigmoid(logits, name="a1")  # [N,K]
    with tf.name_scope("loss"):
        loss = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=t, logits=logits), name="loss")
    with tf.name_scope("loss_through_a1"):
        # 0 ln 0 = 0 in xlogy and xlog1py, in the value as in the slope: a target that a1 meets exactly
        # costs nothing.
        log_likelihood = tf.math.xlogy(t, a1) + tf.math.xlog1py(1 - t, -a1)  # [N,K]
        loss_through_a1 = tf.negative(tf.reduce_sum(log_likelihood), name="loss_through_a1")
    return {"o": o, "l": logits, "a1": a1, "loss": loss, "loss_through_a1": loss_through_a1}
