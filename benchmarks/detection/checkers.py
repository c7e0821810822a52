"""The checkers people use, each as its documentation says, at its defaults, and Gradtwin beside them.

A checker takes a problem and returns its objection, or None when it is satisfied. Each peer is fed the same two
numpy functions through its own way of giving an operation a hand-written derivative.
"""

import importlib.metadata
import importlib.util
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.detection.problems import Problem
from gradtwin.checking.check import check
from gradtwin.core.errors import InputError
from manual_grads import Array


@dataclass(frozen=True)
class Objection:
    """What a checker says against a gradient: the tensor and the cause it names, if it names any."""

    text: str
    tensor: str | None = None
    cause: str | None = None


@dataclass(frozen=True)
class Checker:
    """One checker.

    Attributes:
        name: what its users call it.
        package: the distribution it comes with.
        module: what has to be importable.
        rule: when it objects, with the defaults in numbers.
        object_to: asks it about a problem.
    """

    name: str
    package: str
    module: str
    rule: str
    object_to: Callable[[Problem], Objection | None]

    @property
    def version(self) -> str | None:
        """The installed version, None where it is not installed."""
        if importlib.util.find_spec(self.module) is None:
            return None
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return "of this checkout"


def _named(problem: Problem, arrays: Any) -> dict[str, Array]:
    return dict(zip(problem.params, (np.asarray(a) for a in arrays), strict=True))


# ---- PyTorch ---------------------------------------------------------------------------------------


def _torch_gradcheck(problem: Problem, fast_mode: bool) -> Objection | None:
    import torch

    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            ctx.save_for_backward(*tensors)
            return torch.tensor(problem.loss(_named(problem, [x.detach().numpy() for x in tensors])))

        @staticmethod
        def backward(ctx: Any, *upstream: Any) -> Any:
            params = _named(problem, [x.detach().numpy() for x in ctx.saved_tensors])
            return tuple(upstream[0] * torch.from_numpy(np.array(d)) for d in problem.gradients(params).values())

    inputs = [torch.tensor(value, requires_grad=True) for value in problem.params.values()]
    try:
        torch.autograd.gradcheck(ByHand.apply, inputs, fast_mode=fast_mode)
    except RuntimeError as error:
        number = re.search(r"with respect to input (\d+)", str(error))
        tensor = list(problem.params)[int(number.group(1))] if number else None
        return Objection(str(error), tensor)
    return None


# ---- JAX, and chex on top of it --------------------------------------------------------------------


def _jax_function(problem: Problem) -> tuple[Any, tuple[Any, ...]]:
    import jax

    jax.config.update("jax_enable_x64", True)
    arrays = tuple(jax.numpy.asarray(value) for value in problem.params.values())
    shapes = tuple(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays)

    def value(*arrays: Any) -> Any:
        scalar = jax.ShapeDtypeStruct((), "float64")
        return jax.pure_callback(lambda *a: problem.loss(_named(problem, a)), scalar, *arrays)

    def gradients(*arrays: Any) -> tuple[Array, ...]:
        return tuple(np.array(d) for d in problem.gradients(_named(problem, arrays)).values())

    by_hand = jax.custom_vjp(value)
    by_hand.defvjp(
        lambda *a: (value(*a), a),
        lambda saved, g: tuple(g * d for d in jax.pure_callback(gradients, shapes, *saved)),
    )
    return by_hand, arrays


def _jax_check_grads(problem: Problem) -> Objection | None:
    from jax.test_util import check_grads

    function, arrays = _jax_function(problem)
    return _assertion(lambda: check_grads(function, arrays, order=1, modes=("rev",)))


def _chex(problem: Problem) -> Objection | None:
    import chex

    function, arrays = _jax_function(problem)
    return _assertion(lambda: chex.assert_numerical_grads(function, arrays, order=1, modes=("rev",)))


def _assertion(asserts: Callable[[], Any]) -> Objection | None:
    try:
        asserts()
    except AssertionError as error:
        return Objection(str(error))
    return None


# ---- HIPS autograd ---------------------------------------------------------------------------------


def _autograd(problem: Problem) -> Objection | None:
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    by_hand = primitive(lambda params: float(problem.loss(params)))

    def pull_back(value: Any, params: Mapping[str, Array]) -> Callable[[Any], Any]:
        return lambda g: {name: g * np.array(d) for name, d in problem.gradients(dict(params)).items()}

    defvjp(by_hand, pull_back)
    # A 0-dimensional array is no vector to autograd; a float is.
    params = {name: value if value.ndim else float(value) for name, value in problem.params.items()}
    return _assertion(lambda: check_grads(by_hand, modes=["rev"], order=1)(params))


# ---- TensorFlow ------------------------------------------------------------------------------------


def _tensorflow(problem: Problem) -> Objection | None:
    import tensorflow as tf

    def gradients(*arrays: Any) -> list[Array]:
        return [np.asarray(d) for d in problem.gradients(_named(problem, arrays)).values()]

    @tf.custom_gradient
    def by_hand(*tensors: Any) -> Any:
        loss = tf.numpy_function(lambda *a: problem.loss(_named(problem, a)), tensors, tf.float64)

        def pull_back(g: Any) -> Any:
            found = tf.nest.flatten(tf.numpy_function(gradients, tensors, [x.dtype for x in tensors]))
            return [g * tf.reshape(d, x.shape) for d, x in zip(found, tensors, strict=True)]

        return tf.reshape(loss, ()), pull_back

    theoretical, numerical = tf.test.compute_gradient(by_hand, list(problem.params.values()))
    objection = _assertion(lambda: tf.test.TestCase().assertAllClose(theoretical, numerical))
    number = re.search(r"a\[(\d+)\] is different", objection.text) if objection else None
    return replace(objection, tensor=list(problem.params)[int(number[1])]) if objection and number else objection


# ---- SciPy -----------------------------------------------------------------------------------------

SCIPY_THRESHOLD = 1e-5


def _scipy(problem: Problem) -> Objection | None:
    from scipy.optimize import check_grad

    shapes = {name: value.shape for name, value in problem.params.items()}

    def unpacked(flat: Array) -> dict[str, Array]:
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
        parts = np.split(np.asarray(flat, np.float64), ends[:-1])
        return {name: part.reshape(shape) for part, (name, shape) in zip(parts, shapes.items(), strict=True)}

    def packed(arrays: Mapping[str, Array]) -> Array:
        return np.concatenate([np.ravel(a) for a in arrays.values()])

    error = check_grad(
        lambda flat: float(problem.loss(unpacked(flat))),
        lambda flat: packed(problem.gradients(unpacked(flat))),
        packed(problem.params),
    )
    return Objection(f"{error:.3g}") if not error <= SCIPY_THRESHOLD else None


# ---- Gradtwin --------------------------------------------------------------------------------------


def _gradtwin(problem: Problem) -> Objection | None:
    try:
        report = check(problem.twin)
    except InputError as error:
        return Objection(str(error))
    if report.agrees and report.verdict != "kink":
        return None
    first = report.first_wrong or next(row.name for row in report.tensors if row.verdict != "agree")
    return Objection(str(report), first, report.cause_id or None)


CHECKERS = (
    Checker(
        "torch.autograd.gradcheck", "torch", "torch",
        "every entry by central differences, step 1e-6: abs(a - n) <= 1e-5 + 1e-3 abs(n)",
        lambda problem: _torch_gradcheck(problem, fast_mode=False),
    ),
    Checker(
        "torch.autograd.gradcheck, fast_mode", "torch", "torch",
        "one random direction an input, the same rule with the tolerance fitted to the direction",
        lambda problem: _torch_gradcheck(problem, fast_mode=True),
    ),
    Checker(
        "jax.test_util.check_grads", "jax", "jax",
        "order 1, reverse mode; one random direction, step 1e-4, float64: abs(a - n) <= 1e-5 + 1e-5 abs(n)",
        _jax_check_grads,
    ),
    Checker(
        "chex.assert_numerical_grads", "chex", "chex",
        "jax's check with an absolute tolerance of 0.01 times the size of the first argument",
        _chex,
    ),
    Checker(
        "autograd.test_util.check_grads", "autograd", "autograd",
        "order 1, reverse mode; one random direction, step 1e-6: abs(a - n) < 1e-6 or < 1e-6 abs(a + n)",
        _autograd,
    ),
    Checker(
        "tf.test.compute_gradient", "tensorflow", "tensorflow",
        "every entry by central differences, step 1/1024, then assertAllClose: abs(a - n) <= 1e-6 + 1e-6 abs(n)",
        _tensorflow,
    ),
    Checker(
        "scipy.optimize.check_grad", "scipy", "scipy",
        "every entry by forward differences, step 1.5e-8: the norm of the difference is at most 1e-5",
        _scipy,
    ),
    Checker(
        "Gradtwin", "gradtwin", "gradtwin",
        "against TensorFlow's own derivative, in units of measured rounding; witnesses where the two differ",
        _gradtwin,
    ),
)  # fmt: skip
