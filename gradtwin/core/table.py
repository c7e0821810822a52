"""A table before it is drawn: the terminal, a notebook, a page and Markdown draw the same one, each in its way."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A head, rows of cells, and the columns of numbers, which are aligned to the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()

    def lines(self) -> Iterator[str]:
        """Draw it as plain text, with two blanks between columns and none at the ends of lines."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        for row in (self.head, *self.rows):
            yield "  ".join(self._aligned(cell, i, widths[i]) for i, cell in enumerate(row)).rstrip()

    def _aligned(self, cell: str, column: int, width: int) -> str:
        return cell.rjust(width) if column in self.numbers else cell.ljust(width)
