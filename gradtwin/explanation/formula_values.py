"""Compute a formula as a page writes it: `dz2 W2ᵀ`, `da1 ∘ σ(z1) σ(-z1)`, `Σ_n dz2_n`.

The notation is that of the derivations. Two names side by side are a matrix product (`x W`); beside a bracket, a
function or a name with an index, the product is taken entry by entry (`σ(z) σ(-z)`, `t_k ln x_k`), as `∘` and `·` say.
`Σ_n` sums over the rows of all that follows in its term, `Σ_k` over the columns, `Σ_n Σ_k` over everything.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from manual_grads import Array

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*)|(?P<sum>Σ(?:_[a-z])?)|(?P<name>[A-Za-z][A-Za-z0-9]*|σ)(?P<index>_[a-z]+)?|(?P<sign>\S))"
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def _lse(z: Array) -> Array:
    highest = z.max(axis=-1)
    return highest + np.log(np.exp(z - highest[..., None]).sum(axis=-1))


_FUNCTIONS: dict[str, Any] = {
    "σ": lambda z: np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z))),
    "softmax": lambda z: np.exp(z - _lse(z)[..., None]),
    "lse": _lse,
    "ln": np.log,
    "max": np.maximum,
    "relu": lambda z: np.maximum(z, 0),
}


class NotComputed(Exception):
    """The formula has a word or a sign that is no part of the notation, or a tensor nobody knows."""


def value_of(expression: str, values: Mapping[str, Any]) -> Array | None:
    """Compute an expression of the derivations' notation.

    Args:
        expression: such as `a1ᵀ dz2`.
        values: every tensor by its name, and the counts such as B.

    Returns:
        Its value, or None where it is not written in the notation or the shapes do not fit.
    """
    try:
        with np.errstate(all="ignore"):
            return np.asarray(_Reader(expression, values).read())
    except (NotComputed, ValueError, TypeError):
        return None


class _Reader:
    """One pass over an expression, from left to right."""

    def __init__(self, expression: str, values: Mapping[str, Any]) -> None:
        self._tokens = [m for m in _TOKEN.finditer(expression) if m[0].strip()]
        self._values = values
        self._at = 0

    def read(self) -> Any:
        """Compute everything."""
        value = self._sum()
        if self._at < len(self._tokens):
            raise NotComputed(self._tokens[self._at][0])
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

    def _sum(self) -> Any:
        negative = self._sign("-", "+") == "-"
        value = -self._term() if negative else self._term()
        while sign := self._sign("+", "-"):
            value = value + self._term() if sign == "+" else value - self._term()
        return value

    def _term(self) -> Any:
        """Compute a product: factors with ∘, · or / between them, or nothing."""
        token = self._next()
        if token is not None and token["sum"]:
            return self._summed()
        value, is_symbol = self._factor()
        while True:
            sign = self._sign("∘", "·", "/")
            token = self._next()
            if token is not None and token["sum"] and sign != "/":
                return value * self._summed()
            if sign is None and not self._starts_a_factor(token):
                return value
            factor, another = self._factor()
            if sign == "/":
                value = value / factor
            elif sign is None and is_symbol and another and np.ndim(value) == 2 and np.ndim(factor) == 2:
                value = value @ factor
            else:
                value = value * factor
            is_symbol = another if sign is None else False

    def _summed(self) -> Any:
        """Take Σ_n or Σ_k with the product behind it."""
        token = self._tokens[self._at]
        self._at += 1
        term = self._term()
        axis = {"Σ_n": 0, "Σ_k": -1, "Σ_j": -1}.get(token["sum"])
        return np.sum(term, axis=axis if np.ndim(term) else None)

    def _starts_a_factor(self, token: re.Match[str] | None) -> bool:
        return token is not None and bool(token["number"] or token["name"] or token["sign"] in tuple(_CLOSING))

    def _factor(self) -> tuple[Any, bool]:
        """Take one factor; say besides whether it is a bare name."""
        value, is_symbol = self._atom()
        while sign := self._sign("ᵀ", "²"):
            value = np.transpose(value) if sign == "ᵀ" else value**2
        return value, is_symbol

    def _atom(self) -> tuple[Any, bool]:
        token = self._next()
        if token is None:
            raise NotComputed("the formula ends too early")
        self._at += 1
        if token["number"]:
            if token["number"] == "1" and self._sign("["):
                return self._condition(), False
            return float(token["number"]), False
        if token["sign"] in tuple(_CLOSING):
            return self._inside(_CLOSING[token["sign"]])[0], False
        if token["name"] == "e" and self._sign("^"):
            negative = bool(self._sign("-"))
            power = self._factor()[0]
            return np.exp(-power if negative else power), False
        if token["name"] in _FUNCTIONS:
            arguments = self._inside(")") if self._sign("(") else [self._factor()[0]]
            return _FUNCTIONS[token["name"]](*arguments), False
        if token["name"] in self._values:
            return self._values[token["name"]], not token["index"]
        raise NotComputed(token[0])

    def _inside(self, closing: str) -> list[Any]:
        parts = [self._sum()]
        while self._sign(","):
            parts.append(self._sum())
        if not self._sign(closing):
            raise NotComputed(f"no {closing}")
        return parts

    def _condition(self) -> Any:
        left = self._sum()
        if not self._sign(">"):
            raise NotComputed("expected >")
        right = self._sum()
        if not self._sign("]"):
            raise NotComputed("no ]")
        return (np.asarray(left) > right).astype(float)
