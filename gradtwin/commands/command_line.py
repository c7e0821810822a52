"""What the commands share: exit statuses, kinds of options, the twins that are named, and completion of names.

Only click is loaded here: every command declares its options with it before anything else is known.
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradtwin.core.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from gradtwin.twins.twin import Twin

CHECK_FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
TARGET = "NAME | FILE.py[:OBJECT]"

HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 120, "show_default": True}

A_FILE = click.Path(path_type=Path)
AT_LEAST_0, AT_LEAST_1 = click.IntRange(min=0), click.IntRange(min=1)

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


class Command(click.Command):
    """A command whose first sentence is shown whole in the list of commands."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings | {"context_settings": HELP})
        self.short_help = (self.help or "").partition("\n\n")[0]


class OneOf(click.Choice):
    """One word of a list; a mistyped one is answered with the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value not in self.choices:
            known = ", ".join(self.choices)
            self.fail(f"expected {known}; got {value!r}.{did_you_mean(value, self.choices)}", param, ctx)
        return value


def twins_that_begin_with(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a twin; a file the shell completes itself."""
    from gradtwin.twins import catalog

    return [name for name in catalog.names() if name.startswith(incomplete)]


def figures_that_begin_with(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a printed figure."""
    from gradtwin.replay.figures import figures

    return [name for name in figures() if name.startswith(incomplete)]


def twins_asked_for(targets: Sequence[str]) -> "dict[str, Twin]":
    """Find the twins of names and files, each under its word on the command line; all twins if none is named."""
    from gradtwin.twins import catalog, twin_files

    twins: dict[str, Twin] = {}
    for target in targets or catalog.names():
        twins |= twin_files.load(target) if twin_files.is_file_target(target) else {target: catalog.get(target)}
    return twins


def one_twin(target: str) -> "Twin":
    """Find the one twin of a name or file.

    Raises:
        InputError: the file holds several.
    """
    twins = twins_asked_for([target])
    if len(twins) > 1:
        raise InputError(f"{target} holds {len(twins)} twins. Name one: {' or '.join(twins)}.")
    return next(iter(twins.values()))


@contextlib.contextmanager
def stdout_kept_clean(needed: bool) -> Iterator[None]:
    """Send what a user's code prints to stderr, so that stdout holds one JSON document."""
    with contextlib.redirect_stdout(sys.stderr) if needed else contextlib.nullcontext():
        yield


def print_json(rows: Sequence[dict[str, Any]]) -> None:
    """Print one JSON document; what is not finite becomes null, because JSON has no number for it."""
    import json

    from gradtwin.core.plain import jsonable

    print(json.dumps(jsonable(rows), indent=2))
