"""One logistic neuron, all its gates.

Forward     o  = a0 w                                    [B, K]
            l  = o + b                                   [B, K]
            a1 = σ(l)                                    [B, K]
            E  = -Σ_n Σ_k {t ln a1 + (1 - t) ln(1 - a1)}, a sum over all entries, computed from l

Backward    da1 = (a1 - t) / (a1 (1 - a1)) = (1 - t)/(1 - a1) - t/a1 = (1 - t)(1 + e^l) - t (1 + e^-l)
            dl  = da1 ∘ a1 (1 - a1) = a1 - t             the two factors cancel: no division, no epsilon
            do  = dl                  db  = Σ_n dl_n
            dw  = a0ᵀ do              da0 = do wᵀ

Shapes: a0 [B, D], w [D, K], b [K], t [B, K]. The scalar neuron is B = D = K = 1.
da1 belongs to an unstable quantity and overflows where the true value e^|l| does; nothing is computed from it.
Source: document 001, the logistic neuron and its matrix form (A16, A17).
"""

import numpy as np

from manual_grads import Array, Cache, Params
from manual_grads.activations import sigmoid
from manual_grads.losses import sigmoid_cross_entropy, sigmoid_cross_entropy_gradient


def init_params(rng: np.random.Generator, widths: tuple[int, int] = (3, 2)) -> Params:
    """Draw w [D, K] and b [K] from N(0, 1)."""
    inputs, outputs = widths
    return {"w": rng.standard_normal((inputs, outputs)), "b": rng.standard_normal(outputs)}


def source_params() -> Params:
    """Give the source's scalar neuron: w = 0.1, b = 0.3 (with a0 = 0.1 and t = 0)."""
    return {"w": np.array([[0.1]]), "b": np.array([0.3])}


def forward(params: Params, a0: Array, t: Array) -> tuple[Array, Cache]:
    """Pass a0 [B, D] through the five gates and sum the cross-entropy against t [B, K]."""
    o = a0 @ params["w"]                               # [B, K]
    l = o + params["b"]                                # [B, K]
    a1 = sigmoid(l)                                    # [B, K]
    E = sigmoid_cross_entropy(l, t).sum()              # ()
    return E, {"a0": a0, "t": t, "o": o, "l": l, "a1": a1}


def backward(params: Params, cache: Cache) -> Params:
    """Walk the gates upwards."""
    a0, t, l = cache["a0"], cache["t"], cache["l"]
    da1 = _slope_in_a1(l, t)                           # E = -Σ{t ln a1 + (1-t) ln(1-a1)}   [B, K]
    dl = sigmoid_cross_entropy_gradient(l, t)          # a1 = σ(l)   ->  dl = a1 - t        [B, K]
    do = dl                                            # l = o + b   ->  do = dl            [B, K]
    db = dl.sum(axis=0)                                #             ->  db = Σ_n dl_n      [K]
    dw = a0.T @ do                                     # o = a0 w    ->  dw = a0ᵀ do        [D, K]
    da0 = do @ params["w"].T                           #             ->  da0 = do wᵀ        [B, D]
    return {"a1": da1, "l": dl, "o": do.copy(), "b": db, "w": dw, "a0": da0}


def _slope_in_a1(l: Array, t: Array) -> Array:
    """(1 - t)/(1 - a1) - t/a1 from l; a term whose weight is zero is left out before it overflows."""
    with np.errstate(over="ignore"):
        rising = np.where(t < 1, (1 - t) * (1 + np.exp(np.where(t < 1, l, 0))), 0)
        falling = np.where(t > 0, t * (1 + np.exp(np.where(t > 0, -l, 0))), 0)
    return rising - falling
