"""The report as Markdown, for a pull request: the tables and sentences of the page, and its charts in numbers."""

import itertools
import re
from collections.abc import Iterator, Sequence

import numpy as np

from gradtwin.core.report import label, tensor_table
from gradtwin.core.table import Table
from gradtwin.reporting import words
from gradtwin.reporting.dossier import Dossier, TwinPage
from manual_grads import Array


def markdown(dossier: Dossier) -> str:
    """Write the report as GitHub's Markdown.

    Args:
        dossier: the report; whatever a user wrote is escaped, so that it is text and nothing else.

    Returns:
        The document.
    """
    lines = [f"# {words.TITLE}", "", f"**{_text(words.headline(dossier))}**", ""]
    lines += [f"Gradtwin {dossier.versions.get('gradtwin', '')}, {dossier.date}. {words.explanation()}", ""]
    lines += ["## Verdicts", "", *_table(words.verdict_table(dossier.pages)), "", "## Twin by twin", ""]
    lines += itertools.chain.from_iterable(_twin(page) for page in dossier.pages)
    lines += [*_faults(dossier), *_repeat(dossier)]
    return "\n".join(lines) + "\n"


def _twin(page: TwinPage) -> Iterator[str]:
    yield f"### {_text(page.target)}"
    yield ""
    yield from _paragraph(page.about)
    yield from _failures(page)
    yield from _table(_with_equal_entries(tensor_table(page.reports), page))
    yield ""
    history = page.history
    if history is None:
        yield from _paragraph(page.untrained)
        return
    yield from _paragraph(words.training_sentence(history, page.twin))
    yield from _paragraph(history.note)
    yield from _table(words.score_table(history))
    yield ""
    yield from _paragraph("" if page.boundary is None else words.boundary_sentence(page.boundary))
    curves = (history.losses_manual, history.losses_tensorflow, history.gaps)
    names = [*(f"{side} loss" for side in words.SIDES), "gap"]
    yield from _fenced([f"{name:<14} {_sparks(curve)}" for name, curve in zip(names, curves, strict=True)])


def _with_equal_entries(table: Table, page: TwinPage) -> Table:
    """Put the share of equal entries, which the page shows on its maps, into a last column."""
    exact = {label(shown.name): f"{100 * shown.exact:.0f} %" for shown in page.maps}
    rows = tuple((*row, exact.get(row[0], "-")) for row in table.rows)
    return Table((*table.head, "equal entries"), rows, table.numbers)


def _sparks(values: Array, width: int = 60) -> str:
    """Draw a curve in eight heights, from its lowest to its highest value; values that are not finite leave gaps."""
    at = np.unique(np.linspace(0, len(values) - 1, min(width, len(values))).round().astype(int))
    shown = np.asarray(values, np.float64)[at]
    finite = shown[np.isfinite(shown)]
    if not finite.size:
        return "nothing finite"
    low, span = finite.min(), np.ptp(finite) or 1.0
    heights = ["▁▂▃▄▅▆▇█"[int(7 * (v - low) / span)] if np.isfinite(v) else " " for v in shown]
    return f"{''.join(heights)}  {shown[0]:.3g} to {shown[-1]:.3g}"


def _failures(page: TwinPage) -> Iterator[str]:
    for failure in words.failures(page):
        yield from _fenced([failure])
    notes = words.notes(page)
    yield from (f"- {_text(note)}" for note in notes)
    yield from [""] * bool(notes)


def _faults(dossier: Dossier) -> Iterator[str]:
    if dossier.faults:
        yield from ["## Planted faults", "", words.fault_sentence(dossier.faults), ""]
        yield from ["<details><summary>All of them</summary>", ""]
        yield from _table(words.fault_table(dossier.faults))
        yield from ["", "</details>", ""]


def _repeat(dossier: Dossier) -> Iterator[str]:
    yield from ["## How to repeat it", ""]
    yield from _fenced(words.commands(dossier))
    yield from _table(words.machine_table(dossier))


def _paragraph(text: str) -> list[str]:
    return [_text(text), ""] if text else []


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(table.head)} |"
    yield f"|{'|'.join('---:' if i in table.numbers else '---' for i in range(len(table.head)))}|"
    for row in table.rows:
        yield f"| {' | '.join(map(_text, row))} |"


def _fenced(lines: Sequence[str]) -> Iterator[str]:
    """Put lines between fences longer than any run of backticks in them."""
    text = "\n".join(lines)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    yield from [f"{fence}text", text, fence, ""]


def _text(text: str) -> str:
    """Escape what Markdown or HTML would interpret, and keep a cell on one line."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~$@])", r"\\\1", " ".join(escaped.split()))
