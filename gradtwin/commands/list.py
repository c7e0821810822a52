"""The command `gradtwin list`: every twin. It loads little more than numpy, so that it answers at once."""

import shutil
import textwrap
from typing import TYPE_CHECKING, Any

import click

from gradtwin.commands.command_line import Command, as_json, print_json

if TYPE_CHECKING:
    from gradtwin.twins.twin import Twin


@click.command(cls=Command, epilog="Example: gradtwin list --json")
@as_json
def command(as_json: bool) -> None:
    """List every twin with its size, source, data and loss."""
    from gradtwin.twins import catalog

    rows = [row_of(twin) for twin in catalog.twins()]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows)


def row_of(twin: "Twin") -> dict[str, Any]:
    """Describe a twin in one row."""
    return {
        "name": twin.name,
        "parameters": sum(parameter.size for parameter in twin.start(None).values()),
        "loss": twin.loss,
        "reduction": twin.reduction,
        "data": twin.data,
        "source": twin.source,
    }


def print_rows(rows: list[dict[str, Any]]) -> None:
    """Print two lines for each twin: its size and source, then its data and loss."""
    columns = shutil.get_terminal_size().columns
    width, digits = (max(len(row["name"]) for row in rows), 9) if columns >= 72 else (0, 0)
    for row in rows:
        name, size = row["name"].ljust(width), f"  {row['parameters']:>{digits},}  {row['source']}"
        head = textwrap.fill(name + size, columns, subsequent_indent="    ", drop_whitespace=True)
        click.echo(click.style(head[: len(name)], bold=True) + head[len(name) :])
        what = f"{row['data']}: L = {row['loss']}"
        click.echo(click.style(textwrap.fill(what, columns, initial_indent="    ", subsequent_indent="    "), dim=True))
    click.echo(textwrap.fill(f"{len(rows)} twins: number of parameters and source, then data and loss.", columns))
