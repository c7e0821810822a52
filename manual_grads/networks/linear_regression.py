"""Linear regression by gradient descent: half the mean squared error.

Forward     z = x W + b                                  [B, 1]
            r = z - y                                    [B, 1]
            L = 1/(2B) Σ_n r_n²                          half a mean over the B examples

Backward    dr = r / B
            dz = dr
            dW = xᵀ dz        db = Σ_n dz_n        dx = dz Wᵀ

Shapes: x [B, D], y [B, 1], W [D, 1], b [1]. Source: document 001, linear regression (A14).
"""

import numpy as np

from manual_grads import Array, Cache, Params
from manual_grads.losses import squared_error, squared_error_gradient


def init_params(rng: np.random.Generator, inputs: int = 1) -> Params:
    """Draw W [D, 1] and b [1] from N(0, 1)."""
    return {"W": rng.standard_normal((inputs, 1)), "b": rng.standard_normal(1)}


def forward(params: Params, x: Array, y: Array) -> tuple[Array, Cache]:
    """Predict y [B, 1] from x [B, D]; the loss is half the mean squared error."""
    z = x @ params["W"] + params["b"]                      # [B, 1]
    loss = squared_error(z, y).mean()                      # ()
    return loss, {"x": x, "y": y, "z": z, "r": z - y}


def backward(params: Params, cache: Cache) -> Params:
    """Walk forward upwards."""
    x, y, z = cache["x"], cache["y"], cache["z"]
    dr = squared_error_gradient(z, y) / len(x)             # L = 1/(2B) Σ r²  ->  dr = r / B       [B, 1]
    dz = dr                                                # r = z - y        ->  dz = dr          [B, 1]
    dW = x.T @ dz                                          # z = x W + b      ->  dW = xᵀ dz       [D, 1]
    db = dz.sum(axis=0)                                    #                  ->  db = Σ_n dz_n    [1]
    dx = dz @ params["W"].T                                #                  ->  dx = dz Wᵀ       [B, D]
    return {"r": dr, "z": dz.copy(), "W": dW, "b": db, "x": dx}
