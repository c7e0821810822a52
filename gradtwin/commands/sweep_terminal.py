"""What a sweep prints: what it is, how its cases ended, the worst of them with what repeats each."""

from pathlib import Path

from rich.text import Text

from gradtwin.commands.terminal import console
from gradtwin.core.plain import count
from gradtwin.core.report import label
from gradtwin.sweep.case import CaseRow
from gradtwin.sweep.driver import Summary

# What `size` is in the rows of each kind.
_SIZES = {"check": "error over bound", "fuzz": "error over bound", "train": "largest gap", "faults": "missed"}
_NOUNS = {"check": "check", "fuzz": "fuzzed check", "train": "training", "faults": "planted fault"}


def headline(summary: Summary) -> str:
    """Say what is swept."""
    twins, noun = len(summary.grid.blocks), _NOUNS[summary.grid.kind]
    of_all = f", sampled from {summary.grid.count:,}" if summary.cases < summary.grid.count else ""
    return f"{count(summary.cases, noun)} of {count(twins, 'twin')}{of_all}, results in {summary.folder}"


def counts_text(summary: Summary) -> str:
    """Say how many ended how."""
    counts = summary.tally.counts()
    return ", ".join(f"{number:,} {outcome.replace('_', ' ')}" for outcome, number in counts.items()) or "none done yet"


def row_text(row: CaseRow) -> str:
    """Say in a few words which case it is and how it ended."""
    size = "" if row.get("size") is None else f"{row['size']:.3g}  "
    tensor = f" in {label(row['tensor'])}" if row.get("tensor") else ""
    settings = [str(row[name]) for name in ("dtype", "route", "widths", "fault") if row.get(name) is not None]
    rate = f", learning rate {row['learning_rate']:g}" if row.get("learning_rate") is not None else ""
    seed = f", seed {row['seed']}" if row.get("seed") is not None else ""
    return f"{size}{row['outcome'].replace('_', ' ')}{tensor}: {' '.join([row['target'], *settings])}{rate}{seed}"


def print_summary(summary: Summary, hparams: Path | None) -> None:
    """Print the worst cases, then how all of them ended and where they are."""
    out = console()
    _print_worst(summary)
    tally = summary.tally
    fresh = tally.done - summary.begun_with
    earlier = f" ({summary.begun_with:,} in earlier runs)" if summary.begun_with else ""
    text = f"{tally.done:,} of {count(summary.cases, 'case')}{earlier}: {counts_text(summary)}"
    if summary.grid.kind in ("check", "fuzz"):
        text += f"; {count(tally.false_alarms, 'false alarm')} on built-in twins"
    out.print(Text(f"{text}.", style="red" if tally.failed else "green"), soft_wrap=True)
    if fresh and summary.seconds:
        out.print(Text(f"{summary.seconds:.1f} s, {fresh / summary.seconds:.3g} cases a second."))
    if (line := _ending(summary)) is not None:
        out.print(Text(line, style="yellow"), soft_wrap=True)
    out.print(Text(f"  {summary.folder}"), soft_wrap=True)
    if hparams is not None:
        more = ", the first 1,000 combinations" if tally.groups_left_out else ""
        out.print(Text(f"  {hparams}{more}"), soft_wrap=True)


def _ending(summary: Summary) -> str | None:
    left = summary.cases - summary.tally.done
    why = {"interrupt": "Interrupted", "time budget": "The time budget is spent", "failure": "A case failed"}
    if summary.ended_by is None or left <= 0:
        return None
    return f"{why[summary.ended_by]}; {count(left, 'case')} left. Continue with --resume."


def _print_worst(summary: Summary) -> None:
    """Print a line for each case, and below it the command that repeats it; of planted faults only those missed."""
    is_campaign = summary.grid.kind == "faults"
    rows = [row for row in summary.tally.worst if row["failed"] or not is_campaign]
    if not rows:
        return
    out = console()
    out.print(Text(f"Worst cases, by {_SIZES[summary.grid.kind]}:", style="bold"))
    for row in rows:
        out.print(Text(f"  {row_text(row)}", style="red" if row["failed"] else ""), soft_wrap=True)
        if row.get("message"):
            out.print(Text(f"    {row['message']}"), soft_wrap=True)
        out.print(Text(f"    {row['command']}", style="dim"), soft_wrap=True)
    out.print()
