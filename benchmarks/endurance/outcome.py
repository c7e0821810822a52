"""What came of one part: a row of the table."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """One part.

    Attributes:
        part: its name.
        done: what was done, in words.
        figures: what was measured, by name; the unit is in the name.
        broken: what did not hold, in words; empty where all did.
    """

    part: str
    done: str
    figures: dict[str, Any]
    broken: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether everything held."""
        return not self.broken

    def __str__(self) -> str:
        """Write the row."""
        figures = ", ".join(f"{name} {_worded(value)}" for name, value in self.figures.items())
        ending = "holds" if self.holds else f"DOES NOT HOLD: {'; '.join(self.broken)}"
        return f"{self.part:<10} {self.done}\n{'':<10} {figures}\n{'':<10} {ending}"


def _worded(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
