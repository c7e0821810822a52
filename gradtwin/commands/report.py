"""The command `gradtwin report`: everything about some twins in one file."""

import math
from pathlib import Path

import click

from gradtwin.commands.command_line import (
    A_FILE,
    CHECK_FAILED,
    TARGET,
    Command,
    OneOf,
    stdout_kept_clean,
    twins_asked_for,
    twins_that_begin_with,
)


@click.command(cls=Command, epilog="Example: gradtwin report gates neuron --output report.html")
@click.argument("names", nargs=-1, metavar=f"[{TARGET}]...", help="Networks to report on (default: all).",
                shell_complete=twins_that_begin_with)  # fmt: skip
@click.option("--output", type=A_FILE, multiple=True, default=[Path("report.html")], show_default=False,
              help="File to write; repeat it for several formats (default: report.html).")  # fmt: skip
@click.option("--format", type=OneOf(["html", "md", "json", "junit"]), help="Format (default: from the file's ending).")
@click.option("--force", is_flag=True, help="Replace existing files.")
def command(names: tuple[str, ...], output: tuple[Path, ...], format: str | None, force: bool) -> int:
    """Write one file with verdicts, error maps, trainings and planted faults, for a browser, a pull request or CI."""
    from rich.text import Text

    from gradtwin.commands.terminal import console, telling
    from gradtwin.reporting.dossier import gather
    from gradtwin.reporting.forms import forms_of, write_all
    from gradtwin.reporting.words import headline

    files = forms_of(list(output), format, force=force)
    with stdout_kept_clean(True), telling() as tell:
        dossier = gather(twins_asked_for(names), progress=tell)
    write_all(dossier, files, force=force)
    out = console()
    out.print(Text(headline(dossier), style="green" if dossier.passed else "red"), soft_wrap=True)
    for file in files:
        out.print(Text(f"  {file}  {math.ceil(file.stat().st_size / 1000):,} kB"), soft_wrap=True)
    return 0 if dossier.passed else CHECK_FAILED
