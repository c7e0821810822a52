"""Two gates and the chain rule: f = g + b, g = w x.

Forward     g = w x            one multiplication gate
            f = g + b          one addition gate
            L = f              the output itself is differentiated

Backward    df = 1
            dg = df · ∂f/∂g = df          db = df · ∂f/∂b = df
            dw = dg · ∂g/∂w = dg x        dx = dg · ∂g/∂x = dg w

All arrays are scalars, shape (). Source: document 001, "gates" (A15).
"""

import numpy as np

from manual_grads import Array, Cache, Params


def init_params(rng: np.random.Generator) -> Params:
    """Draw w and b, shape (), each N(0, 1)."""
    return {"w": np.asarray(rng.standard_normal()), "b": np.asarray(rng.standard_normal())}


def source_params() -> Params:
    """Give the customary numbers w = -2, b = 3 (with x = 5): g = -10, f = -7, dw = 5, dx = -2."""
    return {"w": np.array(-2.0), "b": np.array(3.0)}


def forward(params: Params, x: Array) -> tuple[Array, Cache]:
    """Pass x, shape (), through both gates; the loss is f."""
    g = params["w"] * x            # ()
    f = g + params["b"]            # ()
    return f, {"x": x, "g": g, "f": f}


def backward(params: Params, cache: Cache) -> Params:
    """Walk the gates upwards, one line a gate; all shapes are ()."""
    df = np.ones_like(cache["f"])  # L = f      ->  df = 1
    dg = df * 1                    # f = g + b  ->  dg = df
    db = df * 1                    #            ->  db = df
    dw = dg * cache["x"]           # g = w x    ->  dw = dg x
    dx = dg * params["w"]          #            ->  dx = dg w
    return {"f": df, "g": dg, "b": db, "w": dw, "x": dx}
