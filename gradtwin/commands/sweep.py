"""The command `gradtwin sweep`: read what was asked, run it, say what came of it.

Only typer is loaded here, for the command line declares this command whenever it starts.
"""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gradtwin.commands.command_line import CHECK_FAILED, INTERRUPTED, twins_that_begin_with
from gradtwin.core.errors import InputError

if TYPE_CHECKING:
    from gradtwin.sweep.driver import Summary

Kind = Literal["check", "train", "faults", "fuzz"]


def sweep_cases(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME | FILE.py[:OBJECT]]...",
            help="Whose cases; every twin's if absent.",
            autocompletion=twins_that_begin_with,
        ),
    ] = None,
    kind: Annotated[
        Kind, typer.Option(help="What a case is: a check, a training, a planted fault, or a check at a drawn point.")
    ] = "check",
    axis: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="What to vary: seed=0..99, dtype, route, widths=2-5-1,2-9-1, learning_rate, steps, fault.",
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes of one core each; the cores if absent.")] = None,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The head of a Ray cluster; this machine if absent.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="The folder of the results; one in sweeps/ if absent, named after the grid.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Run what the results lack.")] = False,
    max_cases: Annotated[int | None, typer.Option(min=1, help="At most so many, a fair sample of the grid.")] = None,
    time_budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Begin no case later than that: 90s, 10m, 1h.")
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Begin no case after one has failed.")] = False,
    timeout: Annotated[str, typer.Option(metavar="TIME", help="What a case may take.")] = "5m",
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="What a case may take beyond its worker: 512MB, 2GB.")
    ] = None,
    logdir: Annotated[
        Path | None, typer.Option(help="Where TensorBoard's HParams go, a row a combination; nowhere if absent.")
    ] = None,
    here: Annotated[
        bool, typer.Option("--here", help="Run the cases in this process, show each, and store nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Run many cases on all cores, or on a Ray cluster: checks, trainings, planted faults, points drawn at random.

    Every combination of the axes is a case. The rows go to a Parquet table as they come; a sweep that was stopped
    goes on with --resume. It needs the extra: pip install 'gradtwin[sweep]'.
    """
    from gradtwin.sweep import quantities

    budget = None if time_budget is None else quantities.seconds(time_budget, "--time-budget")
    limit = quantities.seconds(timeout, "--timeout")
    most = None if memory is None else quantities.size(memory, "--memory")
    asked = {"kind": kind, "max_cases": max_cases, "time_budget": budget, "fail_fast": fail_fast}
    if here:
        _refuse_storing(workers=workers, address=address, results=results, logdir=logdir, resume=resume)
        failed = _run_here(targets or [], axis or [], json, **asked)
        raise typer.Exit(CHECK_FAILED if failed else 0)
    summary = _run(
        targets or [], axis or [], logdir, json, workers=workers, address=address, results=results, resume=resume,
        timeout=limit, memory=most, **asked,
    )  # fmt: skip
    if summary.ended_by == "interrupt":
        raise typer.Exit(INTERRUPTED)
    if summary.tally.failed:
        raise typer.Exit(CHECK_FAILED)


def _run(targets: list[str], axis: list[str], logdir: Path | None, json: bool, **asked: Any) -> "Summary":
    """Run the sweep on Ray, with its progress on the way and its summary at the end."""
    from gradtwin.commands import terminal as rendering
    from gradtwin.commands.sweep_live import watching
    from gradtwin.commands.sweep_terminal import print_summary
    from gradtwin.sweep import hparams
    from gradtwin.sweep.axes import texts_of
    from gradtwin.sweep.driver import sweep

    if logdir is not None:
        hparams.refuse_file(logdir)
    with _stdout_kept_clean(json), watching(shown=not json) as watch:
        summary = sweep(targets, axes=texts_of(axis), watch=watch, **asked)
    where = None if logdir is None else hparams.write(summary, logdir)
    if json:
        rendering.print_json([summary.to_dict()])
    else:
        print_summary(summary, where)
    return summary


def _run_here(targets: list[str], axis: list[str], json: bool, **asked: Any) -> bool:
    """Run the cases one after the other; say whether one failed."""
    from gradtwin.commands import terminal as rendering
    from gradtwin.commands.sweep_here import run_here
    from gradtwin.sweep.axes import texts_of

    with _stdout_kept_clean(json):
        rows = run_here(targets, axes=texts_of(axis), shown=not json, **asked)
    if json:
        rendering.print_json(rows)
    return any(row["failed"] for row in rows)


def _refuse_storing(**given: Any) -> None:
    for name, value in given.items():
        if value:
            raise InputError(f"--here runs in this process and stores nothing: leave --{name} out.")


def _stdout_kept_clean(json: bool) -> contextlib.AbstractContextManager[Any]:
    """Send what a user's own code prints to stderr while stdout is to hold one JSON document."""
    return contextlib.redirect_stdout(sys.stderr) if json else contextlib.nullcontext()
