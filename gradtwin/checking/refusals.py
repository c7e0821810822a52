"""What a check refuses: settings, a point or answers that cannot be compared."""

from collections.abc import Mapping

import numpy as np

from gradtwin.backend.tensorflow_side import ReferenceRun
from gradtwin.core.blocks import all_finite
from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.core.plain import kind_of, listed
from gradtwin.core.precision import DTYPES, is_floating
from gradtwin.core.routes import PARALLEL_ROUTES, ROUTES
from gradtwin.referee.evidence import ManualRun
from manual_grads import Params


def require(value: str, allowed: tuple[str, ...], what: str) -> None:
    """Refuse a word that is not one of the allowed ones."""
    if value not in allowed:
        raise InputError(
            f"{what}: expected {listed(allowed, 'or')}, got {value!r}.{did_you_mean(str(value), allowed)}"
        )


def require_route(route: str, dtype: str) -> None:
    """Refuse an unknown route, and one that cannot compute in the dtype."""
    require(route, ROUTES + PARALLEL_ROUTES, "route")
    if route in PARALLEL_ROUTES and dtype == "bfloat16":
        raise InputError(
            f"route {route}: TensorFlow cannot gather bfloat16 from replicas. Use float64, float32 or float16, or "
            "route tape, gradients or xla."
        )


def require_point(params: Params, batch: Params) -> None:
    """Refuse a point with a name that stands twice, with what is not a number, or without entries."""
    both = sorted(set(params) & set(batch))
    if both:
        raise InputError(f"{both[0]!r} is both a parameter and a batch argument; rename one.")
    for name, array in (params | batch).items():
        array = np.asarray(array)
        if name in params and str(array.dtype) not in DTYPES:
            raise InputError(
                f"params[{name!r}]: expected a {listed(DTYPES, 'or')} array, got {array.dtype}; cast it."
            )
        if not is_floating(array) and array.dtype.kind not in "iub":
            raise InputError(f"{name}: expected an array of numbers, got dtype {array.dtype}.")
        if array.size == 0:
            raise InputError(f"{name}: expected at least one entry, got an empty array of shape {array.shape}.")
        if not all_finite(array):
            raise InputError(f"{name}: expected finite numbers, got NaN or infinity.")


def require_gradients(manual: ManualRun, params: Params, batch: Params) -> None:
    """Refuse manual gradients with missing or surplus names, or with other shapes or dtypes than their tensors."""
    gradients = manual.gradients
    if not isinstance(gradients, Mapping):
        raise InputError(f"The manual gradients: expected a dictionary of arrays, got {kind_of(gradients)}.")
    missing = [name for name in params if name not in gradients]
    if missing:
        raise InputError(f"The manual gradients lack {', '.join(missing)}; expected one for each parameter.")
    known = params | batch | {k: v for k, v in manual.cache.items() if isinstance(v, np.ndarray | np.generic)}
    for name, gradient in gradients.items():
        if name not in known:
            raise InputError(f"The manual gradients hold {name!r}, which is not a parameter, input or intermediate.")
        gradient, tensor = np.asarray(gradient), np.asarray(known[name])
        if gradient.shape != tensor.shape:
            raise InputError(f"Gradient of {name}: expected shape {tensor.shape}, got {gradient.shape}.")
        if gradient.dtype != tensor.dtype:
            raise InputError(
                f"Gradient of {name}: expected dtype {tensor.dtype}, got {gradient.dtype}. Cast it, or look for "
                + _where_the_dtype_changes(str(tensor.dtype))
            )


def _where_the_dtype_changes(dtype: str) -> str:
    if dtype == "bfloat16":
        return "a product or a Python number, which numpy computes in float32; write (x @ w).astype(x.dtype)."
    return "a numpy scalar such as np.sqrt(3), which is float64; float(np.sqrt(3)) takes the array's dtype."


def require_reference(manual: ManualRun, reference: ReferenceRun) -> None:
    """Refuse a reference whose loss is not a scalar, or whose gradients have other shapes."""
    if reference.loss.shape != ():
        raise InputError(
            f"The reference's loss: expected one scalar, got shape {reference.loss.shape}; take the sum or the mean."
        )
    for name, gradient in manual.gradients.items():
        theirs = reference.gradients.get(name)
        if theirs is not None and theirs.shape != np.shape(gradient):
            raise InputError(
                f"{name}: the manual gradient has shape {np.shape(gradient)}, the reference's {theirs.shape}; use the "
                "name for the same tensor on both sides."
            )
