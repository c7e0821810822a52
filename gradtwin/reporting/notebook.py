"""What a notebook shows of a report, a history or a twin: small tables, escaped, with nothing to load.

Text takes the notebook's own colours, so that it can be read on light and on dark.
"""

import numpy as np
from markupsafe import Markup

from gradtwin.core.report import Report, failure_lines, judgement, numeric_lines, tensor_table
from gradtwin.core.table import Table
from gradtwin.reporting.markup import head_and_body
from gradtwin.reporting.words import score_table
from gradtwin.training.history import History, gap_sentence
from gradtwin.twins.twin import Twin

CHART = 300, 90
POINTS = 120


def html_of(record: Report | History | Twin) -> str:
    """Show a record of any kind."""
    if isinstance(record, Report):
        return report_html(record)
    return history_html(record) if isinstance(record, History) else twin_html(record)


def report_html(report: Report) -> str:
    """Show a report: the verdict, a row for each tensor, and what explains a failure."""
    remark = f"{report.dtype}, {report.route}, seed {report.seed}"
    if report.formula:
        remark += f"; the formula, in {report.formula.dtype}: {report.formula.verdict}"
    text = "\n".join([*failure_lines(report), *report.notes, *numeric_lines(report)])
    shown = Markup('<pre style="white-space:pre-wrap">{}</pre>').format(text) if text else ""
    return _box(f"{report.twin}: {judgement(report)}", remark, _table(tensor_table([report])) + shown)


def history_html(history: History) -> str:
    """Show a training: both sides' loss and accuracy, the gap, and both curves."""
    remark = f"{history.run}, {history.steps:,} steps{', interrupted' * history.interrupted}"
    gap = Markup("<div>{}</div>").format(gap_sentence(history))
    return _box(history.twin, remark, _table(score_table(history)) + gap + _curves(history))


def twin_html(twin: Twin) -> str:
    """Show what a twin is: its loss, data and source."""
    facts = (
        ("loss", twin.loss), ("reduction", twin.reduction), ("data", twin.data), ("source", twin.source),
        ("task", twin.task), ("widths", "-".join(map(str, twin.widths or ()))),
    )  # fmt: skip
    return _box(twin.name, "", _table(Table(("what", "which"), tuple(fact for fact in facts if fact[1]))))


def _box(title: str, remark: str, body: Markup) -> str:
    quiet = Markup(" <span>{}</span>").format(remark) if remark else ""
    return Markup("<div><div><strong>{}</strong>{}</div>{}</div>").format(title, quiet, body)


def _table(table: Table) -> Markup:
    return Markup("<table>{}</table>").format(head_and_body(table))


def _curves(history: History) -> Markup:
    """Draw both losses over the steps, the reference's dashed over the manual side's."""
    sides = [np.asarray(losses, np.float64) for losses in (history.losses_manual, history.losses_tensorflow)]
    finite = np.concatenate([values[np.isfinite(values)] for values in sides])
    if finite.size < 4:
        return Markup("")
    width, height = CHART
    low, span = float(finite.min()), float(np.ptp(finite)) or 1.0
    styles = ('stroke-width="4" stroke-opacity=".35"', 'stroke-width="1.5" stroke-dasharray="5 4"')
    paths = ""
    for values, style in zip(sides, styles, strict=True):
        at = np.unique(np.linspace(0, len(values) - 1, min(POINTS, len(values))).round().astype(int))
        points = [
            f"{width * k / max(1, len(values) - 1):.1f},{3 + (height - 6) * (1 - (values[k] - low) / span):.1f}"
            for k in at
            if np.isfinite(values[k])
        ]
        paths += f'<polyline fill="none" stroke="currentColor" {style} points="{" ".join(points)}"/>'
    name = f"loss between {low:.4g} and {finite.max():.4g}: manual (wide) and reference (dashed)"
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return Markup(f'<svg role="img" aria-label="{name}" {size}>{paths}</svg><div>{name}</div>')
