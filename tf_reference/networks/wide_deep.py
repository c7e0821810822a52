"""Sigmoid nets of any width and depth: the wide 2-10-1 and the deep 2-10-10-10-1 answer to XOR.

    a0 = x
    zk = a(k-1) Wk + bk      ak = sigmoid(zk)      for k = 1 .. L-1
    zL = a(L-1) WL + bL      p  = sigmoid(zL)
    loss = mean{ -t ln p - (1 - t) ln(1 - p) },  taken from zL

Shapes: with widths D0 .. DL: Wk [D(k-1),Dk], bk [Dk], x [N,D0], t [N,DL]; zk, ak [N,Dk]; p [N,DL]; loss ().
Loss: the MEAN over all N DL entries.
Source: 001 (A5 wide, A6 deep).
"""

from collections.abc import Mapping

import tensorflow as tf


def forward(params: Mapping[str, tf.Tensor], x: tf.Tensor, t: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute every layer and the mean sigmoid cross-entropy.

    Args:
        params: `W1`, `b1`, .., `WL`, `bL`, float32 or float64; their number gives the depth L >= 1.
        x: inputs [N,D0] of the same dtype.
        t: targets [N,DL] in 0..1, same dtype.

    Returns:
        `z1`, `a1`, .., `zL` [N,Dk], `p` [N,DL] and `loss` (); p is there for predictions only.

    Source: 001 (A5, A6).
    """
    depth = len(params) // 2  # a weight and a bias per layer
    tensors: dict[str, tf.Tensor] = {}
    a = x  # [N,D0]
    for k in range(1, depth):
        with tf.name_scope(f"layer{k}"):
            z = tf.add(tf.linalg.matmul(a, params[f"W{k}"]), params[f"b{k}"], name=f"z{k}")  # [N,Dk]
            a = tf.sigmoid(z, name=f"a{k}")  # [N,Dk]
        tensors |= {f"z{k}": z, f"a{k}": a}
    with tf.name_scope(f"layer{depth}"):
        z = tf.add(tf.linalg.matmul(a, params[f"W{depth}"]), params[f"b{depth}"], name=f"z{depth}")  # [N,DL]
        p = tf.sigmoid(z, name="p")  # [N,DL]
    with tf.name_scope("loss"):
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=t, logits=z), name="loss")
    return tensors | {f"z{depth}": z, "p": p, "loss": loss}
