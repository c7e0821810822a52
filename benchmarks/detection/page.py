"""Tables in Markdown, and the generated parts of docs/detection.md, each between two markers."""

import re
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "detection.md"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def count_text(number: int) -> str:
    """Write a count with its thousands apart: 10,000."""
    return f"{number:,}"


def put(name: str, text: str, page: Path = PAGE) -> None:
    """Replace the generated part of that name.

    Raises:
        ValueError: the page has no such part.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    old = page.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(old):
        raise ValueError(f"{page.name} has no part between {begin} and {end}.")
    page.write_text(pattern.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", old), encoding="utf-8")
