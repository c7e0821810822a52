"""The command `gradtwin replay`: the figures printed in the source documents, computed again."""

from pathlib import Path

import click

from gradtwin.commands.command_line import (
    A_FILE,
    CHECK_FAILED,
    Command,
    as_json,
    figures_that_begin_with,
    print_json,
)


@click.command(cls=Command, epilog="Example: gradtwin replay 001-handset 003-dW")
@click.argument("figures", nargs=-1, metavar="[FIGURE]...", help="Figures to compute (default: all).",
                shell_complete=figures_that_begin_with)  # fmt: skip
@click.option("--data-dir", type=A_FILE, help="Directory of the MNIST files.")
@as_json
def command(figures: tuple[str, ...], data_dir: Path | None, as_json: bool) -> int:
    """Reproduce the figures printed in the source documents, with both sides."""
    from gradtwin.commands.replay_terminal import print_replay
    from gradtwin.commands.terminal import waiting
    from gradtwin.replay import replay

    with waiting("computing the printed figures", shown=not as_json):
        rows = replay(list(figures) or None, data_dir)
    if as_json:
        print_json([row.to_dict() for row in rows])
    else:
        print_replay(rows)
    return CHECK_FAILED if any(row.reproduced is False for row in rows) else 0
