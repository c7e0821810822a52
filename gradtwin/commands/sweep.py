"""The command `gradtwin sweep`: run many cases, and say how they ended."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradtwin.commands.command_line import (
    A_FILE,
    AT_LEAST_1,
    CHECK_FAILED,
    INTERRUPTED,
    TARGET,
    Command,
    OneOf,
    as_json,
    print_json,
    stdout_kept_clean,
    twins_that_begin_with,
)
from gradtwin.core.errors import InputError

if TYPE_CHECKING:
    from gradtwin.sweep.driver import Summary


@click.command(cls=Command, epilog="Example: gradtwin sweep xor --axis seed=0..9 --workers 1")
@click.argument("targets", nargs=-1, metavar=f"[{TARGET}]...", help="Networks to sweep (default: all).",
                shell_complete=twins_that_begin_with)  # fmt: skip
@click.option("--kind", type=OneOf(["check", "train", "faults", "fuzz"]), default="check",
              help="What a case is: a check, a training, a planted fault, or a check at a random point.")  # fmt: skip
@click.option("--axis", multiple=True, metavar="NAME=VALUES",
              help="What to vary: seed=0..99, dtype, route, widths=2-5-1,2-9-1, learning_rate, steps, fault.",
              )  # fmt: skip
@click.option("--workers", type=AT_LEAST_1, help="Worker processes, one core each (default: one for each core).")
@click.option("--address", metavar="HOST:PORT", help="Head of a Ray cluster (default: run on this machine).")
@click.option("--results", type=A_FILE, help="Directory of the results (default: one in sweeps/).")
@click.option("--resume", is_flag=True, help="Run only the cases that are not in the results yet.")
@click.option("--max-cases", type=AT_LEAST_1, help="Run at most this many cases, an even sample of all.")
@click.option("--time-budget", metavar="TIME", help="Start no case after this time, e.g. 90s, 10m, 1h.")
@click.option("--fail-fast", is_flag=True, help="Start no case after one has failed.")
@click.option("--timeout", metavar="TIME", default="5m", help="Time limit for one case.")
@click.option("--memory", metavar="SIZE", help="Memory limit for one case, its worker's own not counted, e.g. 512MB.")
@click.option("--logdir", type=A_FILE, help="Also write a table of the combinations here, for TensorBoard's HParams.")
@click.option("--here", is_flag=True, help="Run the cases in this process, show each, and store nothing.")
@as_json
def command(
    targets: tuple[str, ...],
    kind: str,
    axis: tuple[str, ...],
    workers: int | None,
    address: str | None,
    results: Path | None,
    resume: bool,
    max_cases: int | None,
    time_budget: str | None,
    fail_fast: bool,
    timeout: str,
    memory: str | None,
    logdir: Path | None,
    here: bool,
    as_json: bool,
) -> int:
    """Run many checks, trainings or planted faults, on all cores or on a Ray cluster.

    Every combination of the axes is a case. Results are written to a Parquet table as they arrive; --resume continues
    a sweep that was stopped. Needs: pip install 'gradtwin[sweep]'.
    """
    from gradtwin.sweep import quantities

    budget = None if time_budget is None else quantities.seconds(time_budget, "--time-budget")
    limit = quantities.seconds(timeout, "--timeout")
    most = None if memory is None else quantities.size(memory, "--memory")
    asked = {"kind": kind, "max_cases": max_cases, "time_budget": budget, "fail_fast": fail_fast}
    if here:
        _refuse_storing(workers=workers, address=address, results=results, logdir=logdir, resume=resume)
        return CHECK_FAILED if _run_here(targets, axis, as_json, **asked) else 0
    summary = _run(
        targets, axis, logdir, as_json, workers=workers, address=address, results=results, resume=resume,
        timeout=limit, memory=most, **asked,
    )  # fmt: skip
    if summary.ended_by == "interrupt":
        return INTERRUPTED
    return CHECK_FAILED if summary.tally.failed else 0


def _run(
    targets: tuple[str, ...], axis: tuple[str, ...], logdir: Path | None, as_json: bool, **asked: Any
) -> "Summary":
    """Run the sweep on Ray, show its progress, and print its summary."""
    from gradtwin.commands.sweep_live import watching
    from gradtwin.commands.sweep_terminal import print_summary
    from gradtwin.sweep import hparams
    from gradtwin.sweep.axes import texts_of
    from gradtwin.sweep.driver import sweep

    if logdir is not None:
        hparams.refuse_file(logdir)
    with stdout_kept_clean(as_json), watching(shown=not as_json) as watch:
        summary = sweep(targets, axes=texts_of(axis), watch=watch, **asked)
    where = None if logdir is None else hparams.write(summary, logdir)
    if as_json:
        print_json([summary.to_dict()])
    else:
        print_summary(summary, where)
    return summary


def _run_here(targets: tuple[str, ...], axis: tuple[str, ...], as_json: bool, **asked: Any) -> bool:
    """Run the cases one after the other, and say whether one failed."""
    from gradtwin.commands.sweep_here import run_here
    from gradtwin.sweep.axes import texts_of

    with stdout_kept_clean(as_json):
        rows = run_here(targets, axes=texts_of(axis), shown=not as_json, **asked)
    if as_json:
        print_json(rows)
    return any(row["failed"] for row in rows)


def _refuse_storing(**given: Any) -> None:
    for name, value in given.items():
        if value:
            raise InputError(f"--here stores nothing and starts no workers: leave out --{name}.")
