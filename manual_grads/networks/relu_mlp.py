"""A relu network, 2-16-1, sigmoid cross-entropy from logits.

Forward     z1 = x W1 + b1           a1 = max(z1, 0)     [B, H]
            z2 = a1 W2 + b2          p  = σ(z2)          [B, 1]
            L  = -c Σ_n {t ln p + (1 - t) ln(1 - p)}, computed from z2;
            a sum (c = 1), or with reduction="mean" a mean over the B examples (c = 1/B)

Backward    dz2 = c (p - t)
            dW2 = a1ᵀ dz2        db2 = Σ_n dz2_n        da1 = dz2 W2ᵀ
            dz1 = da1 ∘ 1[z1 > 0]                       at the kink z1 = 0 the derivative is 0
            dW1 = xᵀ dz1         db1 = Σ_n dz1_n        dx  = dz1 W1ᵀ

Shapes: x [B, 2], t [B, 1], W1 [2, H], b1 [H], W2 [H, 1], b2 [1], with H = 16.
Source: document 003, the TensorFlow graph and its numpy double (A22, A23), whose gradients belong to
the sum while its printed loss is a mean (F003-3).
"""

import numpy as np

from manual_grads import Array, Cache, Params
from manual_grads.activations import relu, relu_derivative, sigmoid
from manual_grads.losses import sigmoid_cross_entropy, sigmoid_cross_entropy_gradient


def init_params(rng: np.random.Generator, widths: tuple[int, int, int] = (2, 16, 1)) -> Params:
    """Draw W1 [2, H] and W2 [H, 1] from N(0, 1); the biases start at zero, as in the source."""
    inputs, hidden, outputs = widths
    return {
        "W1": rng.standard_normal((inputs, hidden)),
        "b1": np.zeros(hidden),
        "W2": rng.standard_normal((hidden, outputs)),
        "b2": np.zeros(outputs),
    }


def forward(params: Params, x: Array, t: Array, *, reduction: str = "sum") -> tuple[Array, Cache]:
    """Score x [B, 2] against t [B, 1]; `reduction` is "sum" or "mean"."""
    c = {"sum": 1.0, "mean": 1.0 / len(x)}[reduction]
    z1 = x @ params["W1"] + params["b1"]                               # [B, H]
    a1 = relu(z1)                                                      # [B, H]
    z2 = a1 @ params["W2"] + params["b2"]                              # [B, 1]
    loss = c * sigmoid_cross_entropy(z2, t).sum()                      # ()
    return loss, {"x": x, "t": t, "c": c, "z1": z1, "a1": a1, "z2": z2, "p": sigmoid(z2)}


def backward(params: Params, cache: Cache) -> Params:
    """Walk forward upwards."""
    x, t, c, z1, a1, z2 = (cache[name] for name in ("x", "t", "c", "z1", "a1", "z2"))
    dz2 = c * sigmoid_cross_entropy_gradient(z2, t)                    # L = c Σ BCE      ->  dz2 = c (p - t)  [B, 1]
    dW2 = a1.T @ dz2                                                   # z2 = a1 W2 + b2  ->  dW2 = a1ᵀ dz2    [H, 1]
    db2 = dz2.sum(axis=0)                                              #                  ->  db2 = Σ_n dz2_n  [1]
    da1 = dz2 @ params["W2"].T                                         #                  ->  da1 = dz2 W2ᵀ    [B, H]
    dz1 = da1 * relu_derivative(z1)                                    # a1 = relu(z1)    ->  dz1 = da1 ∘ 1[.] [B, H]
    dW1 = x.T @ dz1                                                    # z1 = x W1 + b1   ->  dW1 = xᵀ dz1     [2, H]
    db1 = dz1.sum(axis=0)                                              #                  ->  db1 = Σ_n dz1_n  [H]
    dx = dz1 @ params["W1"].T                                          #                  ->  dx = dz1 W1ᵀ     [B, 2]
    return {"z2": dz2, "W2": dW2, "b2": db2, "a1": da1, "z1": dz1, "W1": dW1, "b1": db1, "x": dx}
