"""The progress of a sweep: on a terminal a few lines that stay in place, elsewhere a line now and then."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from gradtwin.commands.sweep_terminal import counts_text, headline, row_text
from gradtwin.commands.terminal import console
from gradtwin.sweep.driver import Summary, Watch

LINE_EVERY = 10.0


@contextlib.contextmanager
def watching(shown: bool) -> Iterator[Watch | None]:
    """Give what shows a sweep's progress, for as long as the body runs; None if nothing is to be shown."""
    if not shown:
        yield None
        return
    out = console()
    if not out.is_terminal:
        yield _Lines(out)
        return
    with Live(console=out, transient=True, auto_refresh=False) as live:
        yield _Picture(out, live)


class _Lines:
    """A line every ten seconds, for a file or a pipe."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._last: float | None = None

    def __call__(self, summary: Summary) -> None:
        if self._last is None:
            _print_beginning(summary, self._out)
            self._last = time.monotonic()
        elif time.monotonic() - self._last >= LINE_EVERY:
            self._last = time.monotonic()
            self._out.print(Text(f"{pace(summary)}; {counts_text(summary)}"), soft_wrap=True)
            self._out.file.flush()


class _Picture:
    """A bar with the pace, the counts and the worst case so far."""

    def __init__(self, out: Console, live: Live) -> None:
        self._out, self._live = out, live
        self._begun = False

    def __call__(self, summary: Summary) -> None:
        if not self._begun:
            _print_beginning(summary, self._out)
            self._begun = True
        share = summary.tally.done / max(1, summary.cases)
        if summary.time_budget is not None:
            share = max(share, summary.seconds / summary.time_budget)
        lines = [Text(pace(summary)), Text(counts_text(summary))]
        if summary.tally.worst:
            lines.append(Text(f"worst so far: {row_text(summary.tally.worst[0])}", style="dim", overflow="ellipsis"))
        self._live.update(Group(ProgressBar(total=1.0, completed=share, width=40), *lines), refresh=True)


def _print_beginning(summary: Summary, out: Console) -> None:
    out.print(Text(headline(summary)), soft_wrap=True)
    for note in summary.grid.notes:
        out.print(Text(f"  {note}", style="dim"), soft_wrap=True)
    if summary.begun_with:
        out.print(Text(f"  {summary.begun_with:,} of them were done by earlier runs."), soft_wrap=True)


def pace(summary: Summary) -> str:
    """Say how many are done, how many a second, and how long the rest takes."""
    done = f"{summary.tally.done:,} of {summary.cases:,} done"
    fresh = summary.tally.done - summary.begun_with
    if not fresh or not summary.seconds:
        return f"{done}, workers are loading TensorFlow" if not summary.seconds else done
    rate = fresh / summary.seconds
    left = (summary.cases - summary.tally.done) / rate
    if summary.time_budget is not None:
        left = min(left, max(0.0, summary.time_budget - summary.seconds))
    return f"{done}, {rate:.3g}/s, {duration(left)} left"


def duration(seconds: float) -> str:
    """Write a time as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
