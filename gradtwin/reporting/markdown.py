"""The report as Markdown, for a pull request: the tables and sentences of the page, its charts said in numbers."""

import itertools
import re
from collections.abc import Iterator, Sequence

import numpy as np

from gradtwin.core.report import tensor_table
from gradtwin.reporting import words
from gradtwin.reporting.charts import in_words
from gradtwin.reporting.dossier import Dossier, TwinPage
from manual_grads import Array


def markdown(dossier: Dossier) -> str:
    """Write the report as GitHub's Markdown.

    Args:
        dossier: what is said; whatever a stranger wrote is escaped, so that it is text and nothing else.

    Returns:
        The document.
    """
    lines = ["# Hand-written gradients against TensorFlow's", "", f"**{_text(words.headline(dossier))}**", ""]
    lines += [f"Gradtwin {dossier.versions.get('gradtwin', '')}, {dossier.date}. {words.explanation()}", ""]
    lines += ["## Verdicts", "", *_table(words.VERDICT_HEAD, [words.verdict_row(page) for page in dossier.pages])]
    lines += ["", "## Twin by twin", ""]
    lines += itertools.chain.from_iterable(_twin(page) for page in dossier.pages)
    lines += [*_faults(dossier), *_repeat(dossier)]
    return "\n".join(lines) + "\n"


def _twin(page: TwinPage) -> Iterator[str]:
    yield f"### {_text(page.target)}"
    yield ""
    yield from [_text(page.about), ""] if page.about else []
    yield from _failures(page)
    exact = {f"d{shown.name}": f"{100 * shown.exact:.0f} %" for shown in page.maps}
    table = tensor_table(page.reports)
    yield from _table((*table.head, "equal entries"), [(*row, exact.get(row[0], "-")) for row in table.rows])
    yield ""
    history = page.history
    if history is None:
        yield from [_text(page.untrained), ""] if page.untrained else []
        return
    yield words.training_sentence(history, page.twin)
    yield ""
    yield from [_text(history.note), ""] if history.note else []
    yield from _table(("side", "loss", "accuracy"), words.scores(history))
    yield ""
    if page.boundary is not None:
        yield from [in_words(page.boundary), ""]
    yield from _fenced(
        [
            f"loss by hand     {_sparks(history.losses_manual)}",
            f"loss, TensorFlow {_sparks(history.losses_tensorflow)}",
            f"gap              {_sparks(history.gaps)}",
        ]
    )


def _sparks(values: Array, width: int = 60) -> str:
    """Draw a curve in eight heights, from its lowest to its highest value; what is not finite leaves a gap."""
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
        yield from _table(words.FAULT_HEAD, [words.fault_row(row) for row in dossier.faults])
        yield from ["", "</details>", ""]


def _repeat(dossier: Dossier) -> Iterator[str]:
    yield from ["## To repeat it", ""]
    commands = itertools.chain.from_iterable(page.commands for page in dossier.pages)
    yield from _fenced([dossier.command, *commands])
    yield from _table(("what", "which"), list((dossier.machine | dossier.versions).items()))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    right = {"float64 ulp", "float32 ulp", "bound", "loss by hand", "loss by TensorFlow", "gap", "loss", "accuracy"}
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---:' if name in right else '---' for name in head)}|"
    for row in rows:
        yield f"| {' | '.join(_text(cell) for cell in row)} |"


def _fenced(lines: Sequence[str]) -> Iterator[str]:
    """Put lines between fences longer than any run of backticks in them."""
    text = "\n".join(lines)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    yield from [f"{fence}text", text, fence, ""]


def _text(text: str) -> str:
    """Escape what Markdown or HTML would take for a sign, and keep a cell on one line."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~$@])", r"\\\1", " ".join(escaped.split()))
