"""Poison: NaN written into an array that was returned, to see whether it comes back."""

from dataclasses import dataclass

import numpy as np

from gradtwin.core.precision import is_floating
from manual_grads import Array

SAMPLE = 1024
"""How many entries of a large array are poisoned, or looked at, unless all are asked for."""


def step_over(array: Array, thorough: bool = False) -> int:
    """Give the stride that visits at most about 1,000 entries, or all of them."""
    return 1 if thorough else max(1, -(-array.size // SAMPLE))


def sampled(array: Array, thorough: bool = False) -> Array:
    """Give a flat copy of the entries at that stride."""
    return _every(array, step_over(array, thorough)).copy()


def _every(array: Array, step: int) -> Array:
    """Give every step-th entry: a view of contiguous memory, where numpy is quickest, else a copy."""
    return array.reshape(-1)[::step] if array.flags.c_contiguous else np.asarray(array.flat[::step])


@dataclass(frozen=True, eq=False)
class Poison:
    """NaN in a returned gradient, and what stood there before.

    Attributes:
        name: the gradient's name.
        array: the array with NaN in it.
        step: the stride of the poisoned entries; 1 is all of them.
        values: what they were [about 1,000, or all].
    """

    name: str
    array: Array
    step: int
    values: Array

    @classmethod
    def spread(cls, name: str, array: object, thorough: bool = False) -> "Poison | None":
        """Write NaN into an array; None for what cannot be written to or holds no floating-point numbers."""
        if not isinstance(array, np.ndarray) or not is_floating(array):
            return None
        if not array.flags.writeable or not array.size:
            return None
        values, step = sampled(array, thorough), step_over(array, thorough)
        array.flat[::step] = np.nan
        return cls(name, array, step, values)

    def sample(self, array: Array) -> Array:
        """Give the entries of an array of the same shape that stand where the poison was put."""
        return _every(array, self.step).copy()

    def cure(self) -> None:
        """Put the values back."""
        self.array.flat[:: self.step] = self.values

    def original(self) -> Array:
        """Copy the array with the values back in place, whatever was written into it since."""
        answer = self.array.copy()
        answer.flat[:: self.step] = self.values
        return answer
