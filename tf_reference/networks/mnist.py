"""The wide and deep net for handwritten digits: relu layers with dropout, softmax on top.

    h0 = x
    zk = h(k-1) Wk + bk      ak = relu(zk)      hk = ak maskk      for k = 1 .. L-1
    zL = h(L-1) WL + bL      p  = softmax(zL)
    loss = mean over n { ln sum_k e^zL_nk - zL_n,label(n) },  taken from zL

Dropout is inverted: an entry of a mask is 0 or 1/keep, drawn by the caller, and evaluation gives no masks,
where hk = ak with no scaling left to do.

Shapes: with widths D0 .. DL, C = DL: Wk [D(k-1),Dk], bk [Dk], x [B,D0], t [B,C] one-hot, maskk [B,Dk];
zk, ak, hk [B,Dk]; p [B,C]; loss ().
Loss: the MEAN over the B examples of one cross-entropy per row.
Kink: tf.nn.relu passes the gradient where zk > 0, so nothing at zk = 0.
Source: 001 (A12: 784-512-512-512-512-10, A13).
"""

from collections.abc import Mapping

import tensorflow as tf


def forward(
    params: Mapping[str, tf.Tensor], x: tf.Tensor, t: tf.Tensor, *masks: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Compute every layer and the mean softmax cross-entropy.

    Args:
        params: `W1`, `b1`, .., `WL`, `bL`, float32 or float64; their number gives the depth L >= 1.
        x: pixels [B,D0] of the same dtype.
        t: one-hot classes [B,C], same dtype; every row adds up to 1.
        *masks: one per hidden layer, [B,Dk] with entries 0 or 1/keep, same dtype; none at all in
        evaluation.

    Returns:
        `z1`, `a1`, `h1`, .., `zL` [B,Dk], `p` [B,C] and `loss` (); p is there for predictions only.
        Without masks hk is the very tensor ak.

    Raises:
        ValueError: Some hidden layers have a mask and others none.

    Source: 001 (A12).
    """
    depth = len(params) // 2  # a weight and a bias per layer
    if masks and len(masks) != depth - 1:
        raise ValueError(f"Expected {depth - 1} masks, one per hidden layer, or none; got {len(masks)}.")
    tensors: dict[str, tf.Tensor] = {}
    h = x  # [B,D0]
    for k in range(1, depth):
        with tf.name_scope(f"layer{k}"):
            z = tf.add(tf.linalg.matmul(h, params[f"W{k}"]), params[f"b{k}"], name=f"z{k}")  # [B,Dk]
            a = tf.nn.relu(z, name=f"a{k}")  # [B,Dk]
            h = tf.multiply(a, masks[k - 1], name=f"h{k}") if masks else a  # [B,Dk]
        tensors |= {f"z{k}": z, f"a{k}": a, f"h{k}": h}
    with tf.name_scope(f"layer{depth}"):
        z = tf.add(tf.linalg.matmul(h, params[f"W{depth}"]), params[f"b{depth}"], name=f"z{depth}")  # [B,C]
        p = tf.nn.softmax(z, name="p")  # [B,C]
    with tf.name_scope("loss"):
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=t, logits=z), name="loss")
    return tensors | {f"z{depth}": z, "p": p, "loss": loss}
