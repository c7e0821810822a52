"""Softmax regression: one linear layer, softmax and cross-entropy fused, a mean over the batch.

Forward     z = x W + b                                  [B, C]
            p = softmax(z)                               [B, C]
            L = (1/B) Σ_n {lse(z_n) - Σ_k t_nk z_nk}, a mean over the B examples, from the logits

Backward    dz = (p - t) / B
            dW = xᵀ dz        db = Σ_n dz_n        dx = dz Wᵀ

Shapes: x [B, D], t [B, C] one-hot, W [D, C], b [C]. Source: document 002, MNIST by nodes (A21), and
document 004, whose backward passes are empty (A24 to A27).
"""

import numpy as np

from manual_grads import Array, Cache, Params
from manual_grads.activations import softmax
from manual_grads.losses import softmax_cross_entropy, softmax_cross_entropy_gradient


def init_params(rng: np.random.Generator, widths: tuple[int, int] = (784, 10)) -> Params:
    """Draw W [D, C] and b [C] from N(0, 0.1²), a standard deviation of 0.1."""
    inputs, classes = widths
    return {"W": 0.1 * rng.standard_normal((inputs, classes)), "b": 0.1 * rng.standard_normal(classes)}


def forward(params: Params, x: Array, t: Array) -> tuple[Array, Cache]:
    """Score x [B, D] against one-hot t [B, C]; the loss is a mean over the batch."""
    z = x @ params["W"] + params["b"]                      # [B, C]
    loss = softmax_cross_entropy(z, t).sum() / len(x)      # ()
    return loss, {"x": x, "t": t, "z": z, "p": softmax(z)}


def backward(params: Params, cache: Cache) -> Params:
    """Walk forward upwards."""
    x, t, z = cache["x"], cache["t"], cache["z"]
    dz = softmax_cross_entropy_gradient(z, t) / len(x)     # L = mean CE  ->  dz = (p - t)/B   [B, C]
    dW = x.T @ dz                                          # z = x W + b  ->  dW = xᵀ dz       [D, C]
    db = dz.sum(axis=0)                                    #              ->  db = Σ_n dz_n    [C]
    dx = dz @ params["W"].T                                #              ->  dx = dz Wᵀ       [B, D]
    return {"z": dz, "W": dW, "b": db, "x": dx}
