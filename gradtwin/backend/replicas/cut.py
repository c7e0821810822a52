"""How a batch is cut along its examples into shards, one for each replica.

Unequal shards by default: a mean of the replicas' means is the mean of all examples when the shards are equal,
and a wrong one when they are not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradtwin.core.errors import InputError
from manual_grads import Array, Params

REPLICAS = 2


class NotByExample(InputError):
    """What is to be checked has no examples, or its loss is not put together from theirs."""


@dataclass(frozen=True)
class Cut:
    """The cut of one batch.

    Attributes:
        sizes: how many examples each shard has, in their order.
        arrays: the names of the arrays that are cut; every replica gets the others whole.
        replicas: how many shards are computed at once; more shards than that take several steps.
    """

    sizes: tuple[int, ...]
    arrays: tuple[str, ...]
    replicas: int = REPLICAS

    @property
    def rows(self) -> int:
        """The number N of examples."""
        return sum(self.sizes)

    @property
    def shares(self) -> tuple[float, ...]:
        """Each shard's share of the examples, n_r / N."""
        return tuple(size / self.rows for size in self.sizes)

    def shards(self, batch: Mapping[str, Array]) -> list[Params]:
        """Cut a batch; a shard's arrays have the batch's names and order."""
        ends = np.cumsum(self.sizes)
        return [
            {k: v[end - size : end] if k in self.arrays else v for k, v in batch.items()}
            for end, size in zip(ends, self.sizes, strict=True)
        ]

    def told(self, whole: Sequence[str] = ()) -> str:
        """Say for the report how the batch was cut; `whole` names the arrays that were not."""
        at_once = "" if len(self.sizes) == self.replicas else f", {self.replicas} at once"
        rest = f"; every replica had {', '.join(whole)} whole" if whole else ""
        return f"The batch of {self.rows} examples was cut into shards of {listed(self.sizes)}{at_once}{rest}."


def cut_of(batch: Mapping[str, Array], sizes: Sequence[int] | None = None, replicas: int = REPLICAS) -> Cut:
    """Cut a batch along its examples, the rows of its first array that has any.

    Args:
        batch: the batch's arrays, by name.
        sizes: how many examples each shard gets; by default unequal ones, as near each other as they can be.
        replicas: how many shards are computed at once.

    Raises:
        NotByExample: no array has rows, or there is only one.
        InputError: the sizes do not add up to the rows.
    """
    rows = rows_of(batch.values())
    if rows is None:
        raise NotByExample("A data-parallel check cuts the batch along its examples: no array of it has rows to cut.")
    if rows < 2:
        raise NotByExample("A data-parallel check needs at least two examples, one for each replica, got 1.")
    sizes = unequal(rows, replicas) if sizes is None else _validated(sizes, rows)
    return Cut(sizes, tuple(name for name, array in batch.items() if np.ndim(array) and len(array) == rows), replicas)


def rows_of(batch: Iterable[Array]) -> int | None:
    """Count the examples of a batch: the rows of its first array that has any."""
    return next((len(array) for array in batch if np.ndim(array)), None)


def unequal(rows: int, parts: int) -> tuple[int, ...]:
    """Cut a number of rows into parts that are not all equal, 101 into 51 and 50, 4 into 3 and 1, where it can be."""
    parts = min(rows, parts)
    sizes = [rows // parts + (part < rows % parts) for part in range(parts)]
    if sizes[0] == sizes[-1] > 1:
        sizes[0], sizes[-1] = sizes[0] + 1, sizes[-1] - 1
    return tuple(sizes)


def listed(numbers: Sequence[object]) -> str:
    """Write numbers as a list in words: 3, 2 and 2."""
    *head, last = map(str, numbers)
    return f"{', '.join(head)} and {last}" if head else last


def _validated(sizes: Sequence[int], rows: int) -> tuple[int, ...]:
    whole = isinstance(sizes, Sequence) and all(isinstance(size, int | np.integer) for size in sizes)
    if not whole or len(sizes) < 2 or any(size < 1 for size in sizes) or sum(sizes) != rows:
        raise InputError(
            f"shards: expected two or more numbers of at least 1 that add up to the {rows} examples of the batch, "
            f"got {sizes!r}."
        )
    return tuple(int(size) for size in sizes)
