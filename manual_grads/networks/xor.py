"""The XOR network, 2-2-1, all sigmoid, written out layer by layer.

Forward     z1 = x W1 + b1           a1 = σ(z1)          [B, H]
            z2 = a1 W2 + b2          p  = σ(z2)          [B, 1]
            L  = -(1/B) Σ_n {t ln p + (1 - t) ln(1 - p)}, a mean over the B examples, computed from z2

Backward    dz2 = (p - t) / B
            dW2 = a1ᵀ dz2        db2 = Σ_n dz2_n        da1 = dz2 W2ᵀ
            dz1 = da1 ∘ σ(z1) σ(-z1)
            dW1 = xᵀ dz1         db1 = Σ_n dz1_n        dx  = dz1 W1ᵀ

Shapes: x [B, 2], t [B, 1], W1 [2, H], b1 [H], W2 [H, 1], b2 [1], with H = 2.
Source: document 001, the XOR network (A4), its logs (A8, A11) and the hand-set solution (A3).
"""

import numpy as np

from manual_grads import Array, Cache, Params
from manual_grads.activations import sigmoid, sigmoid_derivative
from manual_grads.losses import sigmoid_cross_entropy, sigmoid_cross_entropy_gradient


def init_params(rng: np.random.Generator) -> Params:
    """Draw W1 [2, 2], b1 [2], W2 [2, 1], b2 [1] from N(0, 1), in this order."""
    shapes = {"W1": (2, 2), "b1": (2,), "W2": (2, 1), "b2": (1,)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def handset_params() -> Params:
    """Give a solution set by hand: the hidden units are AND and NOR, the output is neither of them.

    The source prints the first layer's weights [5, -7] and biases [-8, 3]; the second layer completes it.
    """
    return {
        "W1": np.array([[5.0, -7.0], [5.0, -7.0]]),
        "b1": np.array([-8.0, 3.0]),
        "W2": np.array([[-11.0], [-11.0]]),
        "b2": np.array([6.0]),
    }


def forward(params: Params, x: Array, t: Array) -> tuple[Array, Cache]:
    """Score x [B, 2] against t [B, 1]; the loss is the mean cross-entropy."""
    z1 = x @ params["W1"] + params["b1"]                               # [B, H]
    a1 = sigmoid(z1)                                                   # [B, H]
    z2 = a1 @ params["W2"] + params["b2"]                              # [B, 1]
    loss = sigmoid_cross_entropy(z2, t).sum() / t.size                 # ()
    return loss, {"x": x, "t": t, "z1": z1, "a1": a1, "z2": z2, "p": sigmoid(z2)}


def backward(params: Params, cache: Cache) -> Params:
    """Walk forward upwards."""
    x, t, z1, a1, z2 = (cache[name] for name in ("x", "t", "z1", "a1", "z2"))
    dz2 = sigmoid_cross_entropy_gradient(z2, t) / t.size               # L = mean BCE     ->  dz2 = (p - t)/B  [B, 1]
    dW2 = a1.T @ dz2                                                   # z2 = a1 W2 + b2  ->  dW2 = a1ᵀ dz2    [H, 1]
    db2 = dz2.sum(axis=0)                                              #                  ->  db2 = Σ_n dz2_n  [1]
    da1 = dz2 @ params["W2"].T                                         #                  ->  da1 = dz2 W2ᵀ    [B, H]
    dz1 = da1 * sigmoid_derivative(z1)                                 # a1 = σ(z1)       ->  dz1 = da1 ∘ σ'   [B, H]
    dW1 = x.T @ dz1                                                    # z1 = x W1 + b1   ->  dW1 = xᵀ dz1     [2, H]
    db1 = dz1.sum(axis=0)                                              #                  ->  db1 = Σ_n dz1_n  [H]
    dx = dz1 @ params["W1"].T                                          #                  ->  dx = dz1 W1ᵀ     [B, 2]
    return {"z2": dz2, "W2": dW2, "b2": db2, "a1": da1, "z1": dz1, "W1": dW1, "b1": db1, "x": dx}
