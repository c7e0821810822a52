"""The report as one HTML page: no script, no request, readable in light and dark, on a phone, on paper and aloud."""

import html
import itertools
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files

import numpy as np

from gradtwin.core.report import tensor_table
from gradtwin.core.verdicts import Verdict
from gradtwin.reporting import charts, words
from gradtwin.reporting.charts import Curve
from gradtwin.reporting.dossier import Dossier, ErrorMap, TwinPage
from gradtwin.training.history import History

# A page that may load nothing: not even a mistake of ours can make it ask a network.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
NUMERIC = {"float64 ulp", "float32 ulp", "bound", "loss by hand", "loss by TensorFlow", "gap", "loss", "accuracy"}


class Markup(str):
    """Text that is HTML already."""


def html_page(dossier: Dossier) -> str:
    """Write the report as one HTML document.

    Args:
        dossier: what is said; every word of it is escaped, for a twin's name and docstring are a stranger's.

    Returns:
        The document.
    """
    style = (files("gradtwin.reporting") / "page.css").read_text(encoding="utf-8")
    state = "passed" if dossier.passed else "failed"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>Gradtwin report: {state}</title>",
            f"<style>\n{style}</style>",
            "</head>",
            "<body>",
            '<a class="skip" href="#verdicts">Skip to the verdicts</a>',
            "<header>",
            "<h1>Hand-written gradients against TensorFlow’s</h1>",
            f'<p class="headline {state}">{_text(words.headline(dossier))}</p>',
            f'<p class="quiet">Gradtwin {_text(dossier.versions.get("gradtwin", ""))}, {_text(dossier.date)}</p>',
            "</header>",
            *_navigation(dossier),
            "<main>",
            *_verdicts(dossier),
            "<h2>Twin by twin</h2>",
            f"<p>{_text(words.explanation())}</p>",
            charts.legend(),
            *itertools.chain.from_iterable(_twin(page, f"t{i}") for i, page in enumerate(dossier.pages)),
            *_faults(dossier),
            *_repeat(dossier),
            "</main>",
            "</body>",
            "</html>\n",
        ]
    )


def _text(text: str) -> Markup:
    return text if isinstance(text, Markup) else Markup(html.escape(str(text)))


def _code(text: str) -> Markup:
    return Markup(f"<code>{html.escape(text)}</code>")


# ---- parts of the page -----------------------------------------------------------------------------


def _navigation(dossier: Dossier) -> Iterator[str]:
    links = [("verdicts", "Verdicts"), *((f"t{i}", page.target) for i, page in enumerate(dossier.pages))]
    links += [("faults", "Planted faults")] * bool(dossier.faults) + [("repeat", "To repeat it")]
    items = "".join(f'<li><a href="#{anchor}">{_text(name)}</a></li>' for anchor, name in links)
    yield f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _verdicts(dossier: Dossier) -> Iterator[str]:
    yield '<h2 id="verdicts">Verdicts</h2>'
    rows = []
    for i, page in enumerate(dossier.pages):
        name, verdict, *rest = words.verdict_row(page)
        rows.append([Markup(f'<a href="#t{i}">{_text(name)}</a>'), _verdict(verdict), *rest])
    yield _table("Every twin: the gravest verdict, the largest error, the training, the planted faults",
                 words.VERDICT_HEAD, rows, numeric={7})  # fmt: skip
    said = {words.verdict_of(page.reports) for page in dossier.pages}
    meanings = (f"<dt>{_verdict(verdict)}</dt><dd>{verdict.meaning}</dd>" for verdict in Verdict if verdict in said)
    yield f"<dl>{''.join(meanings)}</dl>"


def _twin(page: TwinPage, anchor: str) -> Iterator[str]:
    yield f'<section aria-labelledby="{anchor}">'
    yield f'<h3 id="{anchor}">{_text(page.target)}</h3>'
    yield f"<p>{_text(page.about)}</p>" if page.about else ""
    yield from _failures(page)
    table = tensor_table(page.reports)
    rows = [[_code(name), *cells, _verdict(verdict)] for name, *cells, verdict in table.rows]
    yield _table(f"Gradients of {page.target}: largest error and bound, in ulp", table.head, rows)
    yield from _maps(page.maps, anchor)
    yield from _training(page, anchor)
    if page.page:
        yield "<h4>The page it comes from</h4>"
        yield f'<pre tabindex="0" role="region" aria-label="Formulas of {_text(page.target)}">{_text(page.page)}</pre>'
    yield "</section>"


def _failures(page: TwinPage) -> Iterator[str]:
    yield from (f'<pre class="said">{_text(failure)}</pre>' for failure in words.failures(page))
    if notes := words.notes(page):
        yield f"<ul>{''.join(f'<li>{_text(note)}</li>' for note in notes)}</ul>"


def _maps(maps: Sequence[ErrorMap], anchor: str) -> Iterator[str]:
    if not maps:
        return
    yield "<h4>Where the two gradients differ, in ulp</h4>"
    yield '<div class="maps">'
    for i, shown in enumerate(maps):
        caption = f"{_code('d' + shown.name)} {list(shown.shape)}, at most {words.ulps(float(shown.ulps.max()))}"
        yield f"<figure>{charts.error_map(shown, f'{anchor}m{i}')}<figcaption>{caption}</figcaption></figure>"
    yield "</div>"


def _training(page: TwinPage, anchor: str) -> Iterator[str]:
    history = page.history
    if history is None:
        yield f'<p class="quiet">{_text(page.untrained)}</p>' if page.untrained else ""
        return
    yield "<h4>Both sides trained in lockstep</h4>"
    yield f"<p>{_text(words.training_sentence(history, page.twin))}</p>"
    yield f'<p class="quiet">{_text(history.note)}</p>' if history.note else ""
    yield _table(f"{page.target} after the last update", ("side", "loss", "accuracy"), words.scores(history))
    yield SIDES_LEGEND
    yield '<div class="charts">'
    yield _figure(_loss_chart(history, f"{anchor}l"), "The loss of both sides, one over the other.")
    yield _figure(_gap_chart(history, f"{anchor}g"), "The largest difference between their parameters.")
    if page.boundary is not None:
        drawn = charts.decision_boundary(page.boundary, f"{anchor}b")
        yield _figure(drawn, "Where the answer is 1/2, and the rows: discs 1, crosses 0.", "narrow")
    yield "</div>"


SIDES_LEGEND = (
    '<ul class="legend" aria-label="Lines of the charts"><li><span class="swatch manual"></span> by hand</li>'
    '<li><span class="swatch tensorflow"></span> TensorFlow</li></ul>'
)


def _figure(drawing: str, caption: str, style: str = "") -> str:
    opened = f'<figure class="{style}">' if style else "<figure>"
    return f"{opened}{drawing}<figcaption>{_text(caption)}</figcaption></figure>"


def _loss_chart(history: History, identity: str) -> str:
    lines = [
        Curve("by hand", history.losses_manual, "manual"),
        Curve("TensorFlow", history.losses_tensorflow, "tensorflow"),
    ]
    everything = np.concatenate([line.values for line in lines])
    positive = bool((everything[np.isfinite(everything)] > 0).all())
    steps = np.arange(len(history.losses_manual))
    title = f"Loss of {history.twin}, by hand and by TensorFlow"
    return charts.curves(steps, lines, title=title, y="loss", identity=identity, logarithmic=positive)


def _gap_chart(history: History, identity: str) -> str:
    lines = [Curve("gap", history.gaps, "gap")]
    steps = np.arange(len(history.gaps))
    title = f"Gap between the parameters of {history.twin}"
    return charts.curves(steps, lines, title=title, y="gap", identity=identity, logarithmic=True)


def _faults(dossier: Dossier) -> Iterator[str]:
    if not dossier.faults:
        return
    yield '<h2 id="faults">Planted faults</h2>'
    yield f"<p>{_text(words.fault_sentence(dossier.faults))}</p>"
    rows = []
    for row in dossier.faults:
        name, verdict, *named, before, after = words.fault_row(row)
        shown = verdict if row.caught else _verdict(verdict, "missed")
        rows.append([name, shown, *named, _code(before), _code(after)])
    yield '<div class="faults">'
    yield _table("A sample of the planted faults, and what the check says of each", words.FAULT_HEAD, rows)
    yield "</div>"


def _repeat(dossier: Dossier) -> Iterator[str]:
    yield '<h2 id="repeat">To repeat it</h2>'
    lines = [dossier.command, *itertools.chain.from_iterable(page.commands for page in dossier.pages)]
    yield f'<pre tabindex="0" role="region" aria-label="Commands">{_text(chr(10).join(lines))}</pre>'
    facts = [[name, value] for name, value in (dossier.machine | dossier.versions).items()]
    yield _table("What it was computed on", ("what", "which"), facts)


# ---- shared ----------------------------------------------------------------------------------------


def _verdict(verdict: str, style: str | None = None) -> Markup:
    return Markup(f'<span class="{style or verdict}">{html.escape(verdict)}</span>')


def _table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], numeric: frozenset[int] | set[int] = frozenset()
) -> str:
    """Write a table with a caption, its first column as the rows' heads, in a box that scrolls by itself."""
    right = {i for i, name in enumerate(head) if name in NUMERIC} | numeric
    style = [' class="n"' if i in right else "" for i in range(len(head))]
    heads = "".join(f'<th scope="col"{style[i]}>{_text(name)}</th>' for i, name in enumerate(head))
    body = "".join(
        f'<tr><th scope="row">{_text(row[0])}</th>'
        + "".join(f"<td{style[i]}>{_text(cell)}</td>" for i, cell in enumerate(row) if i)
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{_text(caption)}"><table>'
        f"<caption>{_text(caption)}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody></table></div>"
    )
