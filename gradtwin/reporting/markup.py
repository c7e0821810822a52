"""HTML that a page and a notebook have in common; everything except `Markup` is text, and escaped."""

from collections.abc import Iterable

from markupsafe import Markup

from gradtwin.core.table import Table


def each(form: str, values: Iterable[tuple[str, ...]]) -> Markup:
    """Fill a form with each of some values, one after the other: `each("<li>{}</li>", [("a",), ("b",)])`."""
    return Markup("").join(Markup(form).format(*value) for value in values)


def head_and_body(table: Table) -> Markup:
    """Write what stands between `<table>` and `</table>`: each row begins with its head, numbers have the class `n`."""
    style = [Markup(' class="n"' if i in table.numbers else "") for i in range(len(table.head))]
    heads = each('<th scope="col"{}>{}</th>', zip(style, table.head, strict=True))
    rows = ((name, each("<td{}>{}</td>", zip(style[1:], cells, strict=True))) for name, *cells in table.rows)
    body = each('<tr><th scope="row">{}</th>{}</tr>\n', rows)
    return Markup("<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody>").format(heads, body)
