"""Compute a formula as a page writes it: `dz2 W2ᵀ`, `da1 ∘ σ(z1) σ(-z1)`, `Σ_n dz2_n`, `(x - m) / √(v + ε)`.

CONTRIBUTING.md has the grammar for those who write a page. Two names side by side are a matrix product (`x W`); beside
a bracket, a function or a name with an index, the product is taken entry by entry (`σ(z) σ(-z)`, `t_k ln x_k`), as `∘`
and `·` say. A sum or a mean takes in all that follows in its term. The axis it runs over stays, one entry long, until
the formula ends, so that `x - mean_k x_k` subtracts from every row its own mean.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manual_grads import Array

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*)|(?P<sum>(?:Σ|mean(?![A-Za-z0-9]))(?:_[a-z])?)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9]*|[σ√])(?P<index>_[a-z]+)?|(?P<sign>\S))"
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "ε": "eps", "λ": "lambda", "μ": "mu"}


class CannotRead(Exception):
    """The text cannot be read as a formula of this grammar, or names a tensor that does not exist."""


@dataclass(frozen=True)
class _Value:
    """A part of a formula, computed.

    Attributes:
        array: its value.
        summed: the axes, counted from the last, that a sum has made one entry long.
        is_name: whether it is a plain name, two of which side by side are a matrix product.
    """

    array: Array
    summed: frozenset[int] = frozenset()
    is_name: bool = False


def compute(
    expression: str, values: Mapping[str, Any], shape: tuple[int, ...] | None = None, *, keep_axes: bool = False
) -> Array:
    """Compute an expression of the derivations' notation.

    Args:
        expression: such as `a1ᵀ dz2`.
        values: every tensor by its name, and the counts such as B.
        shape: that of the tensor it stands for. Where it asks for them, axes that were summed stay, and a number is
            repeated for every entry.
        keep_axes: keep the axes that were summed, one entry long.

    Raises:
        CannotRead: it is not written in the notation, a name is unknown, or the shapes do not fit.
    """
    with np.errstate(all="ignore"):
        value = _Reader(spelled_out(expression), values).read()
    if keep_axes or value.array.shape == shape:
        return value.array
    array = np.squeeze(value.array, axis=tuple(value.summed))
    return np.broadcast_to(array, shape) if shape is not None and array.ndim == 0 else array


def value_of(
    expression: str, values: Mapping[str, Any], shape: tuple[int, ...] | None = None, *, keep_axes: bool = False
) -> Array | None:
    """Compute an expression as `compute` does; None where it cannot be read."""
    try:
        return compute(expression, values, shape, keep_axes=keep_axes)
    except CannotRead:
        return None


def spelled_out(expression: str) -> str:
    """Write Greek letters as code does, `γ` as `gamma`."""
    return "".join(GREEK.get(sign, sign) for sign in expression)


# ---- operations --------------------------------------------------------------------------------------


def _apply(operation: Callable[..., Any], *values: _Value) -> _Value:
    """Apply an operation entry by entry; an axis counts as summed where it is in all that have it."""
    try:
        array = np.asarray(operation(*(value.array for value in values)))
    except (ValueError, TypeError):
        shapes = " and ".join(str(value.array.shape) for value in values)
        raise CannotRead(f"the shapes {shapes} do not fit (a vector with a number for each row is v_n)") from None
    having = {axis: [v for v in values if v.array.ndim >= -axis] for axis in range(-array.ndim, 0)}
    return _Value(array, frozenset(axis for axis, all_ in having.items() if all(axis in v.summed for v in all_)))


def _beside(left: _Value, right: _Value) -> _Value:
    """Multiply two factors with nothing between them."""
    if left.is_name and right.is_name and left.array.ndim == right.array.ndim == 2:
        return replace(_apply(np.matmul, left, right), summed=frozenset(), is_name=True)
    return replace(_apply(np.multiply, left, right), is_name=right.is_name)


def _transposed(value: _Value) -> _Value:
    flipped = frozenset(-1 - axis - value.array.ndim for axis in value.summed)
    return replace(value, array=value.array.T, summed=flipped)


def _reduced(reduction: Callable[..., Any], value: _Value, letter: str) -> _Value:
    """Sum or average over the rows (n), the columns (any other letter) or everything (no letter)."""
    count = value.array.ndim
    axes = tuple(range(-count, 0)) if not letter else ((-count if letter == "n" else -1),) if count else ()
    return _Value(np.asarray(reduction(value.array, axis=axes, keepdims=True)), value.summed | set(axes))


def _log_sum_exp(z: Array, **options: Any) -> Any:
    highest = z.max(axis=-1, keepdims=True)
    return highest + np.log(np.exp(z - highest).sum(**options))


def _lse(value: _Value) -> _Value:
    if not value.array.ndim:
        raise CannotRead("lse needs rows")
    return _reduced(_log_sum_exp, value, "k")


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "σ": lambda z: np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z))),
    "√": np.sqrt,
    "softmax": lambda z: np.exp(z - _log_sum_exp(z, axis=-1, keepdims=True)),
    "ln": np.log,
    "tanh": np.tanh,
    "cosh": np.cosh,
    "max": np.maximum,
    "relu": lambda z: np.maximum(z, 0),
}
_PRODUCTS = {"∘": np.multiply, "·": np.multiply, "/": np.divide}


class _Reader:
    """One pass over an expression, from left to right."""

    def __init__(self, expression: str, values: Mapping[str, Any]) -> None:
        self._tokens = [m for m in _TOKEN.finditer(expression) if m[0].strip()]
        self._values = values
        self._at = 0

    def read(self) -> _Value:
        """Compute everything."""
        value = self._sum()
        token = self._next()
        if token is not None:
            raise CannotRead(f"{token[0].strip()!r} is not expected there")
        return value

    def _next(self) -> re.Match[str] | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _sign(self, *signs: str) -> str | None:
        """Take the next token if it is one of these signs."""
        token = self._next()
        if token is None or token["sign"] not in signs:
            return None
        self._at += 1
        return token["sign"]

    def _require(self, sign: str) -> None:
        if not self._sign(sign):
            raise CannotRead(f"{sign!r} is missing")

    def _sum(self) -> _Value:
        negative = self._sign("-", "+") == "-"
        value = _apply(np.negative, self._term()) if negative else self._term()
        while sign := self._sign("+", "-"):
            value = _apply(np.add if sign == "+" else np.subtract, value, self._term())
        return value

    def _term(self) -> _Value:
        """Compute a product: factors with ∘, · or / between them, or nothing."""
        if self._at_reduction():
            return self._reduction()
        value = self._factor()
        while True:
            sign = self._sign(*_PRODUCTS)
            if self._at_reduction():
                return _apply(_PRODUCTS[sign or "·"], value, self._reduction())
            if sign is not None:
                value = _apply(_PRODUCTS[sign], value, self._factor())
            elif self._at_factor():
                value = _beside(value, self._factor())
            else:
                return value

    def _at_reduction(self) -> bool:
        """Whether a sum or a mean follows; a tensor called `mean` is a name."""
        token = self._next()
        return token is not None and bool(token["sum"]) and token["sum"] not in self._values

    def _reduction(self) -> _Value:
        """Take Σ_n, Σ_k, mean_n or mean_k with the product behind it."""
        name, _, letter = self._tokens[self._at]["sum"].partition("_")
        self._at += 1
        return _reduced(np.sum if name == "Σ" else np.mean, self._term(), letter)

    def _at_factor(self) -> bool:
        token = self._next()
        return token is not None and bool(token["number"] or token["name"] or token["sum"] or token["sign"] in _CLOSING)

    def _factor(self) -> _Value:
        """Take one factor, with what is raised behind it."""
        value = self._atom()
        while sign := self._sign("ᵀ", "²"):
            value = _transposed(value) if sign == "ᵀ" else replace(_apply(np.square, value), is_name=value.is_name)
        return value

    def _atom(self) -> _Value:
        token = self._next()
        if token is None:
            raise CannotRead("it ends too early")
        self._at += 1
        if token["number"]:
            return self._condition() if token["number"] == "1" and self._sign("[") else _number(token["number"])
        if token["sign"] in _CLOSING:
            return replace(self._inside(_CLOSING[token["sign"]])[0], is_name=False)
        if token["name"] == "e" and self._sign("^"):
            exponential = np.exp if not self._sign("-") else lambda power: np.exp(-power)
            return _apply(exponential, self._factor())
        name = token["name"] or token["sum"]
        if name == "lse":
            return _lse(self._factor())
        if name in _FUNCTIONS:
            return _apply(_FUNCTIONS[name], *(self._inside(")") if self._sign("(") else [self._factor()]))
        return self._named(name or token[0].strip(), token["index"] or "")

    def _named(self, name: str, index: str) -> _Value:
        """Look a tensor up; a vector with the index n is a column, one number for each row."""
        if name not in self._values:
            raise CannotRead(f"{name!r} is not the name of a tensor")
        array = np.asarray(self._values[name])
        if array.dtype.kind not in "biufc":
            raise CannotRead(f"{name!r} holds no numbers")
        if index == "_n" and array.ndim == 1:
            return _Value(array[:, np.newaxis], frozenset({-1}))
        return _Value(array, is_name=not index)

    def _inside(self, closing: str) -> list[_Value]:
        parts = [self._sum()]
        while self._sign(","):
            parts.append(self._sum())
        self._require(closing)
        return parts

    def _condition(self) -> _Value:
        left = self._sum()
        self._require(">")
        right = self._sum()
        self._require("]")
        return _apply(lambda a, b: (a > b).astype(float), left, right)


def _number(digits: str) -> _Value:
    return _Value(np.asarray(float(digits)))
