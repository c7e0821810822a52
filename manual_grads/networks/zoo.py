"""The zoo classifier: seven independent sigmoid units, cross-entropy summed over every entry.

Forward     z = x W + b                                  [B, 7]
            p = σ(z)                                     [B, 7]
            L = -Σ_n Σ_k {t ln p + (1 - t) ln(1 - p)}, a sum over all B·7 entries, computed from z

Backward    dz = p - t
            dW = xᵀ dz        db = Σ_n dz_n (over the batch only: seven numbers)        dx = dz Wᵀ

Shapes: x [B, 16], t [B, 7], W [16, 7], b [7]. The seven units are independent, so the rows of p need not
add up to 1; the answer is the largest of them. Source: document 000 (A1), whose bias is summed over both
axes (F000-1) and whose dz carries an epsilon (F000-2); here both are right.
"""

import numpy as np

from manual_grads import Array, Cache, Params
from manual_grads.activations import sigmoid
from manual_grads.losses import sigmoid_cross_entropy, sigmoid_cross_entropy_gradient


def init_params(rng: np.random.Generator, widths: tuple[int, int] = (16, 7)) -> Params:
    """Draw W [16, 7] and b [7] from N(0, 1)."""
    inputs, classes = widths
    return {"W": rng.standard_normal((inputs, classes)), "b": rng.standard_normal(classes)}


def forward(params: Params, x: Array, t: Array) -> tuple[Array, Cache]:
    """Score x [B, 16] against one-hot t [B, 7]; the loss is a sum."""
    z = x @ params["W"] + params["b"]                      # [B, 7]
    loss = sigmoid_cross_entropy(z, t).sum()               # ()
    return loss, {"x": x, "t": t, "z": z, "p": sigmoid(z)}


def backward(params: Params, cache: Cache) -> Params:
    """Walk forward upwards."""
    x, t, z = cache["x"], cache["t"], cache["z"]
    dz = sigmoid_cross_entropy_gradient(z, t)              # L = Σ BCE    ->  dz = p - t       [B, 7]
    dW = x.T @ dz                                          # z = x W + b  ->  dW = xᵀ dz       [16, 7]
    db = dz.sum(axis=0)                                    #              ->  db = Σ_n dz_n    [7]
    dx = dz @ params["W"].T                                #              ->  dx = dz Wᵀ       [B, 16]
    return {"z": dz, "W": dW, "b": db, "x": dx}
