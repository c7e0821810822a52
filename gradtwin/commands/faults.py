"""The command `gradtwin faults`: plant faults in the manual gradients, and count what the check finds."""

import click

from gradtwin.commands.command_line import (
    AT_LEAST_1,
    CHECK_FAILED,
    Command,
    as_json,
    print_json,
    twins_that_begin_with,
)


@click.command(cls=Command, epilog="Example: gradtwin faults neuron --sample 3")
@click.argument("names", nargs=-1, metavar="[NAME]...", help="Networks to test, a line for each fault (default: all).",
                shell_complete=twins_that_begin_with)  # fmt: skip
@click.option("--sample", type=AT_LEAST_1, help="Only this many faults of each network.")
@click.option("--half", type=click.IntRange(1, 2), help="Only one half of the faults; half 2 never tunes a rule.")
@as_json
def command(names: tuple[str, ...], sample: int | None, half: int | None, as_json: bool) -> int:
    """Plant faults in every backward pass, and count how many the check detects, locates and explains."""
    from gradtwin.commands.faults_terminal import print_faults
    from gradtwin.faults.score import score_each
    from gradtwin.twins import catalog

    rows = score_each([catalog.get(name) for name in names or catalog.names()], sample, half)
    if as_json:
        done = list(rows)
        print_json([row.to_dict() for row in done])
    else:
        done = print_faults(rows, each=bool(names))
    return 0 if all(row.caught for row in done) else CHECK_FAILED
