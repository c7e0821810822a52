"""A sigmoid network of any widths and depth, the same step for each layer.

Forward     a0 = x;  for layer i = 1 … L:   zi = a(i-1) Wi + bi      ai = σ(zi)
            p = aL
            E = -(1/(B·K)) Σ_n Σ_k {t ln p + (1 - t) ln(1 - p)}, a mean over all entries, computed from zL

Backward    dzL = (p - t) / (B·K)
            for i = L … 1:   dWi = a(i-1)ᵀ dzi      dbi = Σ_n dzi_n      da(i-1) = dzi Wiᵀ
                             dz(i-1) = da(i-1) ∘ σ(z(i-1)) σ(-z(i-1)),   if i > 1
            dx = da0

Shapes: x [B, D], t [B, K], Wi [H(i-1), Hi], bi [Hi], with H0 = D and HL = K.
Source: document 001, the wide 2-10-1 and the deep 2-10-10-10-1 network (A5, A6).
"""

import numpy as np

from manual_grads import Array, Cache, Params
from manual_grads.activations import sigmoid, sigmoid_derivative
from manual_grads.losses import sigmoid_cross_entropy, sigmoid_cross_entropy_gradient


def init_params(rng: np.random.Generator, widths: tuple[int, ...] = (2, 10, 1)) -> Params:
    """Draw Wi [H(i-1), Hi] and bi [Hi] from N(0, 1), layer by layer; `widths` is (D, H1, …, K)."""
    params = {}
    for i in range(1, len(widths)):
        params[f"W{i}"] = rng.standard_normal((widths[i - 1], widths[i]))
        params[f"b{i}"] = rng.standard_normal(widths[i])
    return params


def forward(params: Params, x: Array, t: Array) -> tuple[Array, Cache]:
    """Score x [B, D] against t [B, K]; the loss is the mean cross-entropy."""
    depth = len(params) // 2
    cache = {"x": x, "t": t, "a0": x}
    for i in range(1, depth + 1):
        cache[f"z{i}"] = cache[f"a{i - 1}"] @ params[f"W{i}"] + params[f"b{i}"]      # [B, Hi]
        cache[f"a{i}"] = sigmoid(cache[f"z{i}"])                                     # [B, Hi]
    cache["p"] = cache.pop(f"a{depth}")                                              # [B, K]
    loss = sigmoid_cross_entropy(cache[f"z{depth}"], t).sum() / t.size               # ()
    return loss, cache


def backward(params: Params, cache: Cache) -> Params:
    """Walk forward upwards, layer L first."""
    depth, t = len(params) // 2, cache["t"]
    dz = sigmoid_cross_entropy_gradient(cache[f"z{depth}"], t) / t.size              # dzL = (p - t)/(B·K)
    gradients = {}
    for i in range(depth, 0, -1):
        gradients[f"z{i}"] = dz                                                      # [B, Hi]
        gradients[f"W{i}"] = cache[f"a{i - 1}"].T @ dz                               # dWi = a(i-1)ᵀ dzi   [H(i-1), Hi]
        gradients[f"b{i}"] = dz.sum(axis=0)                                          # dbi = Σ_n dzi_n     [Hi]
        da = dz @ params[f"W{i}"].T                                                  # da(i-1) = dzi Wiᵀ   [B, H(i-1)]
        gradients[f"a{i - 1}" if i > 1 else "x"] = da
        if i > 1:
            dz = da * sigmoid_derivative(cache[f"z{i - 1}"])                         # dz(i-1) = da(i-1) ∘ σ'
    return gradients
