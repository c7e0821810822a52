"""The wide and deep network for MNIST: relu layers with dropout, then softmax cross-entropy.

Forward     h0 = x;  for hidden layer i = 1 … L-1:
                zi = h(i-1) Wi + bi      ai = max(zi, 0)      hi = ai ∘ mi          [B, Hi]
            zL = h(L-1) WL + bL          p = softmax(zL)                            [B, C]
            E  = (1/B) Σ_n {lse(zL_n) - Σ_k t_nk zL_nk}, a mean over the B examples, from the logits

            mi is a given mask with entries 0 or 1/keep (inverted dropout), the same on the way back;
            without masks hi = ai, which is how the network is evaluated.

Backward    dzL = (p - t) / B
            for i = L … 1:   dWi = h(i-1)ᵀ dzi      dbi = Σ_n dzi_n      dh(i-1) = dzi Wiᵀ
                             da(i-1) = dh(i-1) ∘ m(i-1)      dz(i-1) = da(i-1) ∘ 1[z(i-1) > 0],   if i > 1
            dx = dh0

Shapes: x [B, D], t [B, C] one-hot, Wi [H(i-1), Hi], bi [Hi], mi [B, Hi].
Source: document 001, TensorBoard for MNIST and its exercises (A12, A13): 784-512-512-512-512-10.
"""

import numpy as np

from manual_grads import Array, Cache, Params
from manual_grads.activations import relu, relu_derivative, softmax
from manual_grads.losses import softmax_cross_entropy, softmax_cross_entropy_gradient


def init_params(
    rng: np.random.Generator, widths: tuple[int, ...] = (784, 512, 512, 512, 512, 10)
) -> Params:
    """Draw Wi [H(i-1), Hi] Glorot-uniform, U(-r, r) with r = √(6/(H(i-1)+Hi)), and bi [Hi] from N(0, 1)."""
    params = {}
    for i in range(1, len(widths)):
        limit = np.sqrt(6.0 / (widths[i - 1] + widths[i]))
        params[f"W{i}"] = rng.uniform(-limit, limit, (widths[i - 1], widths[i]))
        params[f"b{i}"] = rng.standard_normal(widths[i])
    return params


def forward(params: Params, x: Array, t: Array, *masks: Array) -> tuple[Array, Cache]:
    """Score x [B, D] against one-hot t [B, C], with one dropout mask [B, Hi] a hidden layer, or none."""
    depth = len(params) // 2
    cache = {"x": x, "t": t, "h0": x} | {f"mask{i}": mask for i, mask in enumerate(masks, start=1)}
    for i in range(1, depth):
        cache[f"z{i}"] = cache[f"h{i - 1}"] @ params[f"W{i}"] + params[f"b{i}"]      # [B, Hi]
        cache[f"a{i}"] = relu(cache[f"z{i}"])                                        # [B, Hi]
        cache[f"h{i}"] = cache[f"a{i}"] * masks[i - 1] if masks else cache[f"a{i}"]  # [B, Hi]
    z = cache[f"h{depth - 1}"] @ params[f"W{depth}"] + params[f"b{depth}"]           # [B, C]
    loss = softmax_cross_entropy(z, t).mean()                                        # ()
    return loss, cache | {f"z{depth}": z, "p": softmax(z)}


def backward(params: Params, cache: Cache) -> Params:
    """Walk forward upwards, layer L first."""
    depth, t = len(params) // 2, cache["t"]
    dz = softmax_cross_entropy_gradient(cache[f"z{depth}"], t) / len(t)              # dzL = (p - t)/B     [B, C]
    gradients = {}
    for i in range(depth, 0, -1):
        gradients[f"z{i}"] = dz                                                      # [B, Hi]
        gradients[f"W{i}"] = cache[f"h{i - 1}"].T @ dz                               # dWi = h(i-1)ᵀ dzi   [H(i-1), Hi]
        gradients[f"b{i}"] = dz.sum(axis=0)                                          # dbi = Σ_n dzi_n     [Hi]
        dh = dz @ params[f"W{i}"].T                                                  # dh(i-1) = dzi Wiᵀ   [B, H(i-1)]
        gradients[f"h{i - 1}" if i > 1 else "x"] = dh
        if i > 1:
            mask = cache.get(f"mask{i - 1}")
            da = dh * mask if mask is not None else dh.copy()                        # da(i-1) = dh(i-1) ∘ m(i-1)
            gradients[f"a{i - 1}"] = da
            dz = da * relu_derivative(cache[f"z{i - 1}"])                            # dz(i-1) = da(i-1) ∘ 1[z(i-1) > 0]
    return gradients
