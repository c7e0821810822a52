"""The driver: make the grid, run its cases within the bounds, store the rows."""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradtwin.core.errors import InputError
from gradtwin.core.interrupts import stop_request
from gradtwin.sweep import cluster
from gradtwin.sweep.axes import axes_of
from gradtwin.sweep.grid import Grid, refuse_size
from gradtwin.sweep.plan import plan
from gradtwin.sweep.pool import Pool
from gradtwin.sweep.results import Results, open_results, rows_of
from gradtwin.sweep.tally import SweepTally

TIMEOUT = 300.0
TICK = 0.25


@dataclass(frozen=True)
class Bounds:
    """Where a sweep stops before its grid is done.

    Attributes:
        max_cases: the most cases, an even sample of the grid.
        time_budget: no case is started this many seconds after the first one.
        fail_fast: no case is started after one has failed.
    """

    max_cases: int | None = None
    time_budget: float | None = None
    fail_fast: bool = False

    def __post_init__(self) -> None:
        if self.max_cases is not None and self.max_cases < 1:
            raise InputError(f"max_cases: expected an integer from 1, got {self.max_cases}.")
        if self.time_budget is not None and not self.time_budget > 0:
            raise InputError(f"time_budget: expected seconds above 0, got {self.time_budget:g}.")

    @property
    def bounded(self) -> bool:
        """Whether a grid of any size comes to an end."""
        return self.max_cases is not None or self.time_budget is not None


@dataclass(frozen=True)
class Summary:
    """The outcome of a sweep.

    Attributes:
        grid: the cases.
        folder: the directory of its results.
        tally: every row of the results, those of earlier runs too.
        begun_with: how many rows there were before.
        cases: how many cases the bounds leave of the grid.
        ended_by: None if all of them are done, else "interrupt", "time budget" or "failure".
        seconds: since the first case of this run.
        time_budget: the one that was given, or None.
    """

    grid: Grid
    folder: Path
    tally: SweepTally
    begun_with: int
    cases: int
    ended_by: str | None
    seconds: float
    time_budget: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the summary as plain data, the worst rows with it."""
        return {
            "kind": self.grid.kind,
            "results": str(self.folder),
            "grid": self.grid.count,
            "cases": self.cases,
            "done": self.tally.done,
            "done_before": self.begun_with,
            "ended_by": self.ended_by,
            "seconds": self.seconds,
            "outcomes": self.tally.counts(),
            "failed": self.tally.failed,
            "false_alarms": self.tally.false_alarms,
            "notes": list(self.grid.notes),
            "worst": self.tally.worst,
        }


# Called before Ray is started, with every row, and four times a second.
Watch = Callable[[Summary], None]


def sweep(
    targets: Sequence[str] = (),
    *,
    kind: str = "check",
    axes: Mapping[str, Any] | None = None,
    workers: int | None = None,
    address: str | None = None,
    results: str | Path | None = None,
    resume: bool = False,
    max_cases: int | None = None,
    time_budget: float | None = None,
    fail_fast: bool = False,
    timeout: float = TIMEOUT,
    memory: int | None = None,
    watch: Watch | None = None,
) -> Summary:
    """Run a grid of cases on Ray.

    The same cases give the same rows, except `attempts` and `seconds`, with any number of workers.

    Args:
        targets: names of twins, FILE.py and FILE.py:OBJECT; all built-in twins if empty.
        kind: "check", "train", "faults" (every planted fault) or "fuzz" (right twins at random points).
        axes: the values of each axis, as sequences or as on the command line: {"seed": range(100)}, {"seed": "0..99"}.
        workers: how many processes, on one core each; None for one a core.
        address: HOST:PORT of a Ray cluster; None starts Ray here, or uses the one this program is connected to.
        results: the directory of the results; `sweeps/<kind>-<hash of the grid>` if None.
        resume: whether to continue existing results.
        max_cases: the most cases, an even sample of the grid.
        time_budget: no case is started this many seconds after the first.
        fail_fast: whether no case is started after one has failed.
        timeout: seconds a case may take.
        memory: bytes a case may take beyond what its worker has at its start (on Linux); None for no limit.
        watch: is called with the summary so far, before the first case and as the sweep goes on.

    Returns:
        The summary; `read_results(summary.folder)` gives the rows.

    Raises:
        InputError: the extra is missing, an argument is bad, nothing answers at the address, the results belong to
            another sweep, or the disk is full.
    """
    cluster.require_extra()
    bounds = Bounds(max_cases, time_budget, fail_fast)
    if workers is not None and workers < 1:
        raise InputError(f"workers: expected an integer from 1, got {workers}.")
    grid = plan(kind, targets, axes_of(kind, axes or {}))
    refuse_size(grid, bounded=bounds.bounded)
    if address is not None:
        cluster.resources_at(address)
    folder = default_folder(grid) if results is None else Path(results)
    store = open_results(folder, grid, resume=resume)
    try:
        run = _RunningSweep(grid, bounds, store, watch)
        if watch is not None:
            watch(run.summary())
        if run.left():
            with cluster.connected(address, workers) as count, _pool(count, timeout, memory) as pool:
                run.through(pool)
    except BaseException:
        store.abandon()
        raise
    store.close()
    return run.summary()


def default_folder(grid: Grid) -> Path:
    """Name the directory of a grid: the same names and axes lead to the same directory."""
    digest = hashlib.sha256(json.dumps(grid.description(), sort_keys=True).encode()).hexdigest()
    return Path("sweeps") / f"{grid.kind}-{digest[:8]}"


def _pool(count: int, timeout: float, memory: int | None) -> contextlib.AbstractContextManager[Pool]:
    return contextlib.closing(Pool(count, folder=os.getcwd(), timeout=timeout, memory=memory))


class _RunningSweep:
    """One sweep while it runs."""

    def __init__(self, grid: Grid, bounds: Bounds, store: Results, watch: Watch | None) -> None:
        self.grid, self.bounds, self.store = grid, bounds, store
        self.tally = SweepTally()
        self.done: set[int] = set()
        for row in rows_of(store.folder):
            self.tally.add(row)
            self.done.add(row["number"])
        self.begun_with = self.tally.done
        self.cases = grid.count if bounds.max_cases is None else min(grid.count, bounds.max_cases)
        self.ended_by: str | None = None
        self._watch = watch
        self._began: float | None = None

    def left(self) -> bool:
        """Whether a case is missing."""
        return next(self._missing(), None) is not None

    def _missing(self) -> Iterator[int]:
        spread = self.bounds.time_budget is not None
        return (n for n in self.grid.numbers(self.bounds.max_cases, spread=spread) if n not in self.done)

    def through(self, pool: Pool) -> None:
        """Run what is missing, up to the bounds or Ctrl-C."""
        missing = self._missing()
        following = next(missing, None)
        with stop_request() as asked_to_stop:
            while following is not None or pool.busy:
                if asked_to_stop():
                    self.ended_by = "interrupt"
                    break
                if following is not None and self._is_over():
                    following = None
                while following is not None and pool.free:
                    self._began = self._began or time.monotonic()
                    pool.give(self.grid.case(following))
                    following = next(missing, None)
                self._take(pool)

    def _is_over(self) -> bool:
        """Whether a bound is reached, and which."""
        budget = self.bounds.time_budget
        if budget is not None and self._began is not None and time.monotonic() - self._began >= budget:
            self.ended_by = "time budget"
        elif self.bounds.fail_fast and self.tally.failed:
            self.ended_by = "failure"
        return self.ended_by is not None

    def _take(self, pool: Pool) -> None:
        for row in pool.wait(TICK):
            self.store.add(row)
            self.tally.add(row)
        if self._watch is not None:
            self._watch(self.summary())

    def summary(self) -> Summary:
        """Sum up."""
        return Summary(
            grid=self.grid,
            folder=self.store.folder,
            tally=self.tally,
            begun_with=self.begun_with,
            cases=self.cases,
            ended_by=self.ended_by,
            seconds=0.0 if self._began is None else time.monotonic() - self._began,
            time_budget=self.bounds.time_budget,
        )
