"""Logistic regression: one sigmoid unit, mean binary cross-entropy. It cannot solve XOR.

Forward     z = x W + b                                  [B, 1]
            p = σ(z)                                     [B, 1]
            L = -(1/B) Σ_n {t ln p + (1 - t) ln(1 - p)}, a mean over the B examples, computed from z

Backward    dz = (p - t) / B
            dW = xᵀ dz        db = Σ_n dz_n        dx = dz Wᵀ

Shapes: x [B, D], t [B, 1], W [D, 1], b [1]. On XOR the best answer is p = 1/2 four times, L = ln 2.
Source: document 001, XOR by logistic regression (A2).
"""

import numpy as np

from manual_grads import Array, Cache, Params
from manual_grads.activations import sigmoid
from manual_grads.losses import sigmoid_cross_entropy, sigmoid_cross_entropy_gradient


def init_params(rng: np.random.Generator, inputs: int = 2) -> Params:
    """Draw W [D, 1] and b [1] from N(0, 1)."""
    return {"W": rng.standard_normal((inputs, 1)), "b": rng.standard_normal(1)}


def forward(params: Params, x: Array, t: Array) -> tuple[Array, Cache]:
    """Score x [B, D] against t [B, 1]; the loss is the mean cross-entropy."""
    z = x @ params["W"] + params["b"]                                  # [B, 1]
    loss = sigmoid_cross_entropy(z, t).sum() / t.size                  # ()
    return loss, {"x": x, "t": t, "z": z, "p": sigmoid(z)}


def backward(params: Params, cache: Cache) -> Params:
    """Walk forward upwards."""
    x, t, z = cache["x"], cache["t"], cache["z"]
    dz = sigmoid_cross_entropy_gradient(z, t) / t.size                 # L = mean BCE  ->  dz = (p - t)/B   [B, 1]
    dW = x.T @ dz                                                      # z = x W + b   ->  dW = xᵀ dz       [D, 1]
    db = dz.sum(axis=0)                                                #               ->  db = Σ_n dz_n    [1]
    dx = dz @ params["W"].T                                            #               ->  dx = dz Wᵀ       [B, D]
    return {"z": dz, "W": dW, "b": db, "x": dx}
