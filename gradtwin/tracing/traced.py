"""Arrays that write down the numpy calls made with them."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from gradtwin.core.trees import mapped
from manual_grads import Array

LARGE = 4096
PYTHON_NUMBERS = (bool, int, float, complex)

# Functions of arrays alone that leave their arguments as they are, besides the universal functions.
FUNCTIONS: frozenset[Callable[..., Any]] = frozenset({
    np.where, np.mean, np.var, np.std, np.argmax, np.argmin, np.concatenate, np.stack, np.hstack, np.vstack, np.outer,
    np.einsum, np.tensordot, np.clip, np.cumsum, np.trace, np.diag, np.tile, np.repeat, np.roll, np.flip, np.inner,
    np.linalg.norm, np.full_like, np.zeros_like, np.ones_like, np.take_along_axis, np.broadcast_to, np.dot, np.round,
})  # fmt: skip
METHODS: dict[Callable[..., Any], str] = {
    np.sum: "sum", np.prod: "prod", np.max: "max", np.amax: "max", np.min: "min", np.amin: "min", np.any: "any",
    np.all: "all", np.transpose: "transpose", np.reshape: "reshape", np.ravel: "ravel", np.copy: "copy",
    np.squeeze: "squeeze", np.swapaxes: "swapaxes",
}  # fmt: skip
POWERS: dict[Any, np.ufunc] = {2: np.square, 1: np.positive, -1: np.reciprocal, 0.5: np.sqrt}


class NotTraceable(Exception):
    """The code does what a list of numpy calls cannot repeat, such as branching on a number."""


@dataclass(frozen=True, eq=False)
class Call:
    """One numpy call.

    Attributes:
        bound: `bound(*arguments, out)` gives the call without arguments that fills the array `out`.
        arguments: what it reads, traced arrays among them.
        result: the array it fills.
        entrywise: whether an entry of the result depends on the same entry of the arguments alone.
    """

    bound: Callable[..., Callable[[], Any]]
    arguments: tuple[Any, ...]
    result: "Traced"
    entrywise: bool = False

    @property
    def reads(self) -> "list[Traced]":
        """The traced arrays among the arguments, however deep."""
        found: list[Traced] = []
        _mapped(self.arguments, found.append)
        return found

    def ready(self) -> Callable[[], Any]:
        """Bind the call to the arrays where its arguments and its result lie now."""
        return self.bound(*_mapped(self.arguments, lambda traced: traced.place), self.result.place)


@dataclass(eq=False)
class Tape:
    """The calls made so far, each different one once."""

    calls: list[Call] = field(default_factory=list)
    _known: dict[Any, "Traced"] = field(default_factory=dict)

    def once(self, key: Any, make: Callable[[], "Traced"]) -> "Traced":
        """Give the result of an equal call made before, or make it."""
        try:
            if key not in self._known:
                self._known[key] = make()
        except TypeError:  # an argument that cannot be compared
            return make()
        return self._known[key]


class Traced(NDArrayOperatorsMixin):
    """An array, and how it came about.

    Args:
        tape: where calls are written down.
        value: the array, which the program will fill again in every run.
        base: the traced array this one is a view of, and `look` what gives the view.
    """

    __array_priority__ = 1000

    def __init__(
        self, tape: Tape, value: Array, base: "Traced | None" = None, look: Callable[[Array], Any] = np.asarray
    ) -> None:
        self.tape = tape
        self.value = value
        self.base = base
        self._look = look

    @property
    def place(self) -> Array:
        """The array in memory, also where that of the base was moved since."""
        return self.value if self.base is None else self._look(self.base.place)

    # ---- what is known without looking at a number -------------------------------------------------

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    dtype = property(lambda self: self.value.dtype)
    T = property(lambda self: self._view(lambda a: a.T, "T"))
    real = property(lambda self: self._view(lambda a: a.real, "real"))

    def __len__(self) -> int:
        return len(self.value)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise NotTraceable("a number is looked at, or an array is written to")

    __bool__ = __float__ = __int__ = __complex__ = __index__ = _refuse  # type: ignore[assignment]
    __array__ = __setitem__ = item = tolist = fill = __iter__ = _refuse  # type: ignore[assignment]

    # A name is bound to a new array. Where another name shall see the change, the proof of the trace will fail.
    __iadd__ = NDArrayOperatorsMixin.__add__
    __isub__ = NDArrayOperatorsMixin.__sub__
    __imul__ = NDArrayOperatorsMixin.__mul__
    __itruediv__ = NDArrayOperatorsMixin.__truediv__

    # ---- numpy's functions --------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc.nout != 1 or (method == "__call__" and options) or method not in ("__call__", "reduce"):
            return self._refuse()
        if method == "reduce":
            return inputs[0]._reduced(ufunc, *inputs[1:], **options)
        key = (ufunc, *map(_identity, inputs))
        return self.tape.once(key, lambda: self._called(ufunc, _in_the_loops_dtypes(ufunc, inputs)))

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: dict[str, Any]) -> Any:
        if function in METHODS and isinstance(arguments[0], Traced):
            return getattr(arguments[0], METHODS[function])(*arguments[1:], **options)
        if function not in FUNCTIONS or "out" in options:
            return self._refuse()
        return self._answered(function, arguments, options)

    def __pow__(self, exponent: Any) -> Any:
        known = type(exponent) in PYTHON_NUMBERS and exponent in POWERS
        return POWERS[exponent](self) if known else np.power(self, exponent)

    def __getitem__(self, index: Any) -> "Traced":
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, Traced | np.ndarray | list) for part in parts):
            return self._answered(lambda a, i: a[i], (self, index), {})
        return self._view(lambda a: a[index], repr(index))

    # ---- its methods --------------------------------------------------------------------------------

    def _reduced(
        self, ufunc: np.ufunc, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **more: Any
    ) -> "Traced":
        if out is not None or more:
            self._refuse()

        def fill(array: Array, out: Array) -> Callable[[], Any]:
            return functools.partial(ufunc.reduce, array, axis, dtype, out, keepdims)  # type: ignore[call-arg]

        def reduced() -> Traced:
            return self._noted(fill, (self,), ufunc.reduce(self.value, axis, dtype, keepdims=keepdims))

        return self.tape.once((ufunc, "reduce", _identity(self), repr((axis, dtype, keepdims))), reduced)

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> "Traced":
        return self._reduced(np.add, axis, dtype, out, keepdims)

    def prod(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> "Traced":
        return self._reduced(np.multiply, axis, dtype, out, keepdims)

    def max(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> "Traced":
        return self._reduced(np.maximum, axis, None, out, keepdims)

    def min(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> "Traced":
        return self._reduced(np.minimum, axis, None, out, keepdims)

    def any(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> "Traced":
        return self._reduced(np.logical_or, axis, None, out, keepdims)

    def all(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> "Traced":
        return self._reduced(np.logical_and, axis, None, out, keepdims)

    def mean(self, *arguments: Any, **options: Any) -> "Traced":
        return self._answered(np.mean, (self, *arguments), options)

    def argmax(self, *arguments: Any, **options: Any) -> "Traced":
        return self._answered(np.argmax, (self, *arguments), options)

    def dot(self, other: Any) -> Any:
        return np.dot(self, other)  # type: ignore[arg-type]

    def astype(self, dtype: Any) -> "Traced":
        def fill(array: Array, out: Array) -> Callable[[], Any]:
            return functools.partial(np.copyto, out, array, "unsafe")

        def converted() -> Traced:
            return self._noted(fill, (self,), self.value.astype(dtype), entrywise=True)

        return self.tape.once(("astype", _identity(self), np.dtype(dtype)), converted)

    def copy(self, order: str = "C") -> "Traced":
        """Give the array itself: nothing writes to it but its own call."""
        return self

    def transpose(self, *axes: Any) -> "Traced":
        return self._view(lambda a: a.transpose(*axes), f"transpose {axes}")

    def swapaxes(self, one: int, two: int) -> "Traced":
        return self._view(lambda a: a.swapaxes(one, two), f"swapaxes {one} {two}")

    def squeeze(self, axis: Any = None) -> "Traced":
        return self._view(lambda a: a.squeeze(axis), f"squeeze {axis}")

    def reshape(self, *shape: Any) -> "Traced":
        return self._view(lambda a: a.reshape(*shape), f"reshape {shape}")

    def ravel(self) -> "Traced":
        return self._view(lambda a: a.ravel(), "ravel")

    # ---- writing down -------------------------------------------------------------------------------

    def _noted(self, bound: Any, arguments: tuple[Any, ...], result: Any, entrywise: bool = False) -> "Traced":
        call = Call(bound, arguments, Traced(self.tape, np.array(result)), entrywise)
        self.tape.calls.append(call)
        return call.result

    def _view(self, look: Callable[[Array], Any], name: str) -> "Traced":
        """Look at the same memory in another way; where numpy has to copy, that is a call."""
        value = np.asarray(look(self.value))
        if np.may_share_memory(value, self.value):
            return self.tape.once((name, _identity(self)), lambda: Traced(self.tape, value, self, look))
        return self._answered(look, (self,), {})

    def _called(self, ufunc: np.ufunc, arguments: tuple[Any, ...]) -> "Traced":
        def fill(*arrays_and_out: Array) -> Callable[[], Any]:
            *arrays, out = arrays_and_out
            # A keyword takes longer, but these two want it.
            if ufunc in (np.maximum, np.minimum):
                return functools.partial(ufunc, *arrays, out=out)
            # For matrices both ask BLAS for the same product, and `dot` asks sooner.
            if ufunc is np.matmul and all(_is_matrix(a) for a in arrays_and_out):
                return functools.partial(np.dot, *arrays, out)
            return functools.partial(ufunc, *arrays, out)

        result = ufunc(*(_mapped(argument, _value_of) for argument in arguments))
        return self._noted(fill, arguments, result, entrywise=ufunc.signature is None)

    def _answered(self, function: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> "Traced":
        """Call a function that makes its own result, and copy that."""

        def fill(arguments: Any, options: Any, out: Array) -> Callable[[], Any]:
            return lambda: np.copyto(out, function(*arguments, **options))

        result = function(*_mapped(arguments, _value_of), **_mapped(options, _value_of))
        return self._noted(fill, (arguments, options), result)


def _is_matrix(array: Array) -> bool:
    return array.ndim == 2 and min(array.shape) > 1 and array.dtype.char in "fd"


def _value_of(traced: Traced) -> Array:
    return traced.value


def _mapped(tree: Any, change: Callable[[Traced], Any]) -> Any:
    """Change every traced array of nested arguments."""
    return mapped(tree, lambda leaf: change(leaf) if isinstance(leaf, Traced) else leaf)


def _identity(argument: Any) -> Any:
    """Tell arguments apart: arrays by being the same one, numbers by kind and value."""
    if isinstance(argument, Traced | np.ndarray):
        return type(argument), id(argument)
    return type(argument), repr(argument)


def _in_the_loops_dtypes(ufunc: np.ufunc, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Make arrays of Python's numbers once, in the dtype that numpy would give them in every call."""
    # numpy's own numbers, some of which are instances of Python's, have a dtype and keep it.
    arguments = tuple(np.asarray(a) if isinstance(a, np.generic) else a for a in arguments)
    if not any(type(a) in PYTHON_NUMBERS for a in arguments):
        return arguments
    kinds = (*(type(a) if type(a) in PYTHON_NUMBERS else np.dtype(a.dtype) for a in arguments), None)
    loop = ufunc.resolve_dtypes(kinds)
    shape = next((a.shape[-1:] for a in arguments if isinstance(a, Traced) and a.size > LARGE), ())
    # The larger of an array and a number is taken entry by entry, that of two arrays many entries at once.
    shape = shape if ufunc in (np.maximum, np.minimum) else ()
    both = zip(arguments, loop, strict=False)
    return tuple(np.full(shape, a, dtype) if type(a) in PYTHON_NUMBERS else a for a, dtype in both)
