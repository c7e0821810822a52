"""The report as one HTML page: no script, no request, readable in light and dark, on a phone, on paper and aloud."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.resources import files

import numpy as np
from markupsafe import Markup

from gradtwin.core.plain import ulps
from gradtwin.core.report import label, shape_text, tensor_table
from gradtwin.core.table import Table
from gradtwin.core.verdicts import Verdict
from gradtwin.reporting import charts, words
from gradtwin.reporting.charts import Curve
from gradtwin.reporting.dossier import Dossier, ErrorMap, TwinPage
from gradtwin.reporting.markup import each, head_and_body
from gradtwin.training.history import History

# The page may load nothing: not even a mistake in it can send a request.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_HEAD = Markup(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>Gradtwin report: {state}</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#verdicts">Skip to the verdicts</a>
<header>
<h1>{title}</h1>
<p class="headline {state}">{headline}</p>
<p class="quiet">Gradtwin {version}, {date}</p>
</header>"""
)


def html_page(dossier: Dossier) -> str:
    """Write the report as one HTML document.

    Args:
        dossier: the report; every word of it is escaped, since a user wrote a twin's name and docstring.

    Returns:
        The document.
    """
    parts = [
        _head(dossier),
        *_navigation(dossier),
        Markup("<main>"),
        *_verdicts(dossier),
        Markup("<h2>Twin by twin</h2>"),
        _paragraph(words.explanation()),
        charts.legend(),
        *itertools.chain.from_iterable(_twin(page, f"t{i}") for i, page in enumerate(dossier.pages)),
        *_faults(dossier),
        *_repeat(dossier),
        Markup("</main>\n</body>\n</html>\n"),
    ]
    return str(Markup("\n").join(parts))


def _head(dossier: Dossier) -> Markup:
    style = (files("gradtwin.reporting") / "page.css").read_text(encoding="utf-8")
    return _HEAD.format(
        policy=Markup(POLICY), style=Markup(style), state="passed" if dossier.passed else "failed", title=words.TITLE,
        headline=words.headline(dossier), version=dossier.versions.get("gradtwin", ""), date=dossier.date,
    )  # fmt: skip


# ---- parts of the page -----------------------------------------------------------------------------


def _navigation(dossier: Dossier) -> Iterator[Markup]:
    links = [("verdicts", "Verdicts"), *((f"t{i}", page.target) for i, page in enumerate(dossier.pages))]
    links += [("faults", "Planted faults")] * bool(dossier.faults) + [("repeat", "How to repeat it")]
    items = each('<li><a href="#{}">{}</a></li>', links)
    yield Markup('<nav aria-label="Contents"><ul>{}</ul></nav>').format(items)


def _verdicts(dossier: Dossier) -> Iterator[Markup]:
    yield Markup('<h2 id="verdicts">Verdicts</h2>')
    table = words.verdict_table(dossier.pages)
    link = Markup('<a href="#t{}">{}</a>')
    rows = ((link.format(i, name), _verdict(verdict), *rest) for i, (name, verdict, *rest) in enumerate(table.rows))
    yield _table("Every twin: its gravest verdict, largest errors, training and planted faults", table, tuple(rows))
    given = {words.verdict_of(page.reports) for page in dossier.pages}
    meanings = ((_verdict(verdict), verdict.meaning) for verdict in Verdict if verdict in given)
    yield Markup("<dl>{}</dl>").format(each("<dt>{}</dt><dd>{}</dd>", meanings))


def _twin(page: TwinPage, anchor: str) -> Iterator[Markup]:
    yield Markup('<section aria-labelledby="{}">').format(anchor)
    yield Markup('<h3 id="{}">{}</h3>').format(anchor, page.target)
    yield _paragraph(page.about)
    yield from (Markup('<pre class="said">{}</pre>').format(failure) for failure in words.failures(page))
    if notes := words.notes(page):
        yield Markup("<ul>{}</ul>").format(each("<li>{}</li>", ((note,) for note in notes)))
    table = tensor_table(page.reports)
    rows = ((_code(name), *cells, _verdict(verdict)) for name, *cells, verdict in table.rows)
    yield _table(f"Gradients of {page.target}: largest error and bound, in ulp", table, tuple(rows))
    yield from _maps(page.maps, anchor)
    yield from _training(page, anchor)
    if page.page:
        yield Markup("<h4>The page it comes from</h4>")
        yield _region(f"Formulas of {page.target}", page.page)
    yield Markup("</section>")


def _maps(maps: Sequence[ErrorMap], anchor: str) -> Iterator[Markup]:
    if not maps:
        return
    yield Markup("<h4>Where the two gradients differ, in ulp</h4>")
    yield Markup('<div class="maps">')
    for i, shown in enumerate(maps):
        largest = f" {shape_text(shown.shape)}, at most {ulps(float(shown.ulps.max()))}"
        yield _figure(charts.error_map(shown, f"{anchor}m{i}"), _code(label(shown.name)) + largest)
    yield Markup("</div>")


def _training(page: TwinPage, anchor: str) -> Iterator[Markup]:
    history = page.history
    if history is None:
        yield _paragraph(page.untrained, "quiet")
        return
    yield Markup("<h4>Both sides trained in lockstep</h4>")
    yield _paragraph(words.training_sentence(history, page.twin))
    yield _paragraph(history.note, "quiet")
    yield _table(f"{page.target} after the last step", words.score_table(history))
    keys = zip(("manual", "tensorflow"), words.SIDES, strict=True)
    keyed = each('<li><span class="swatch {}"></span> {}</li>', keys)
    yield Markup('<ul class="legend" aria-label="Lines of the charts">{}</ul>').format(keyed)
    yield Markup('<div class="charts">')
    yield _figure(_loss_chart(history, f"{anchor}l"), "The loss of both sides, one over the other.")
    yield _figure(_gap_chart(history, f"{anchor}g"), "The largest difference between their parameters.")
    if page.boundary is not None:
        drawn = charts.decision_boundary(page.boundary, f"{anchor}b")
        yield _figure(drawn, "The line where the output is 1/2, and the rows: discs are 1, crosses 0.", "narrow")
    yield Markup("</div>")


def _loss_chart(history: History, identity: str) -> Markup:
    manual, reference = words.SIDES
    lines = [
        Curve(manual, history.losses_manual, "manual"),
        Curve(reference, history.losses_tensorflow, "tensorflow"),
    ]
    everything = np.concatenate([line.values for line in lines])
    positive = bool((everything[np.isfinite(everything)] > 0).all())
    title = f"Loss of {history.twin}, {manual} and {reference}"
    return charts.curves(lines, title=title, y="loss", identity=identity, logarithmic=positive)


def _gap_chart(history: History, identity: str) -> Markup:
    title = f"Gap between the parameters of {history.twin}"
    lines = [Curve("gap", history.gaps, "gap")]
    return charts.curves(lines, title=title, y="gap", identity=identity, logarithmic=True)


def _faults(dossier: Dossier) -> Iterator[Markup]:
    if not dossier.faults:
        return
    yield Markup('<h2 id="faults">Planted faults</h2>')
    yield _paragraph(words.fault_sentence(dossier.faults))
    table = words.fault_table(dossier.faults)
    rows = [
        (fault, verdict if row.caught else _verdict(verdict, "missed"), *named, _code(before), _code(after))
        for row, (fault, verdict, *named, before, after) in zip(dossier.faults, table.rows, strict=True)
    ]
    drawn = _table("A sample of the planted faults, and what the check says of each", table, tuple(rows))
    yield Markup('<div class="faults">\n{}\n</div>').format(drawn)


def _repeat(dossier: Dossier) -> Iterator[Markup]:
    yield Markup('<h2 id="repeat">How to repeat it</h2>')
    yield _region("Commands", "\n".join(words.commands(dossier)))
    yield _table("What it was computed on", words.machine_table(dossier))


# ---- shared ----------------------------------------------------------------------------------------


def _paragraph(text: str, style: str = "") -> Markup:
    """Write a paragraph; nothing of an empty text."""
    opened = Markup('<p class="{}">').format(style) if style else Markup("<p>")
    return opened + text + Markup("</p>") if text else Markup("")


def _code(text: str) -> Markup:
    return Markup("<code>{}</code>").format(text)


def _region(name: str, text: str) -> Markup:
    return Markup('<pre tabindex="0" role="region" aria-label="{}">{}</pre>').format(name, text)


def _figure(drawing: Markup, caption: str, style: str = "") -> Markup:
    opened = Markup('<figure class="{}">').format(style) if style else Markup("<figure>")
    return opened + drawing + Markup("<figcaption>{}</figcaption></figure>").format(caption)


def _verdict(verdict: str, style: str | None = None) -> Markup:
    return Markup('<span class="{}">{}</span>').format(style or verdict, verdict)


def _table(caption: str, table: Table, rows: tuple[tuple[str, ...], ...] | None = None) -> Markup:
    """Write a table with a caption, in a box that scrolls by itself; `rows` are its rows where they hold HTML."""
    drawn = head_and_body(table if rows is None else replace(table, rows=rows))
    inside = Markup("<table><caption>{}</caption>\n{}</table>").format(caption, drawn)
    return Markup('<div class="scroll" role="region" tabindex="0" aria-label="{}">{}</div>').format(caption, inside)
