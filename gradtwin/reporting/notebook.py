"""What a notebook shows of a report, a history or a twin: small tables, escaped, with nothing to load.

Colours are the notebook's own: text takes the colour around it, so that light and dark both read.
"""

import html
from collections.abc import Sequence

import numpy as np

from gradtwin.core.report import Report, failure_lines, judgement, tensor_table
from gradtwin.training.history import History
from gradtwin.twins.twin import Twin

CHART = 300, 90
POINTS = 120


def html_of(record: Report | History | Twin) -> str:
    """Show a record of any kind."""
    if isinstance(record, Report):
        return report_html(record)
    return history_html(record) if isinstance(record, History) else twin_html(record)


def report_html(report: Report) -> str:
    """Show a report: the verdict, a row for each tensor, and what a failure says."""
    remark = f"{report.dtype}, {report.route}, seed {report.seed}"
    if report.formula:
        remark += f"; the formula, in {report.formula.dtype}: {report.formula.verdict}"
    table = tensor_table([report])
    said = "\n".join([*failure_lines(report), *report.notes])
    return _box(f"{report.twin}: {judgement(report)}", remark, _table(table.head, table.rows) + _pre(said))


def history_html(history: History) -> str:
    """Show a training: both sides' loss and accuracy, the gap, and both curves."""
    remark = f"{history.run}, {history.steps:,} updates{', stopped by Ctrl-C' * history.interrupted}"
    sides = (("by hand", history.manual), ("TensorFlow", history.tensorflow))
    rows = [(name, _number(side.get("loss")), _number(side.get("accuracy"))) for name, side in sides]
    diverged = "never above 1e-6" if history.diverged_at is None else f"above 1e-6 from update {history.diverged_at:,}"
    gap = f"<div>gap between the parameters {history.gap:.3g}, {diverged}</div>"
    return _box(history.twin, remark, _table(("side", "loss", "accuracy"), rows) + gap + _curves(history))


def twin_html(twin: Twin) -> str:
    """Show what a twin is: its loss, data and source."""
    facts = (
        ("loss", twin.loss), ("reduction", twin.reduction), ("data", twin.data), ("source", twin.source),
        ("task", twin.task), ("widths", "-".join(map(str, twin.widths or ()))),
    )  # fmt: skip
    return _box(twin.name, "", _table(("what", "which"), [fact for fact in facts if fact[1]]))


def _box(title: str, remark: str, body: str) -> str:
    quiet = f" <span>{html.escape(remark)}</span>" if remark else ""
    return f"<div><div><strong>{html.escape(title)}</strong>{quiet}</div>{body}</div>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heads = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _pre(text: str) -> str:
    return f'<pre style="white-space:pre-wrap">{html.escape(text)}</pre>' if text else ""


def _curves(history: History) -> str:
    """Draw both losses over the updates, TensorFlow's dashed over the hand's."""
    sides = [np.asarray(losses, np.float64) for losses in (history.losses_manual, history.losses_tensorflow)]
    finite = np.concatenate([values[np.isfinite(values)] for values in sides])
    if finite.size < 4:
        return ""
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
    name = f"loss between {low:.4g} and {finite.max():.4g}, by hand (wide) and by TensorFlow (dashed)"
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg role="img" aria-label="{name}" {size}>{paths}</svg><div>{name}</div>'


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
