"""What a sweep survives, run for real and for long: `make endurance` runs it, its tests run the short form.

    python -m benchmarks.sweep_endurance [kills] [worker] [fuzz] [disk] [node] [--short] [--seconds 3600] [--kills 20]

    kills     kill -9 of the driver at random moments: at most the cases in flight are lost, and none is run twice
    worker    2,000 cases and more over all twins with two workers, one of which is killed: complete, no false alarm
    fuzz      fuzzing by a time budget: how much memory the driver gains from the second quarter of the time to the
              last, and how large a worker becomes before another one takes its place
    disk      no room for the results in the midst of it: one line, what was written is readable, the rest is resumed
    node      a node of a Ray cluster vanishes: complete

A line each, and exit status 1 if one does not hold.
"""

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from gradtwin.core.errors import InputError
from gradtwin.sweep import Summary, read_results, sweep

MOST_GROWTH = 25.0  # MB of the driver; what the first parts of the table need comes within its first minutes
# TensorFlow keeps what it has compiled; a worker that has gained pool.MOST_GROWTH is replaced, after the case at hand.
LARGEST_WORKER = 1_500.0  # MB


@dataclass(frozen=True)
class Length:
    """How long it all takes."""

    kills: int
    seeds: int
    seconds: float
    workers: int = 2


SHORT = Length(kills=2, seeds=2, seconds=8.0)


# ---- kill -9 of the driver -----------------------------------------------------------------------------

_DRIVER = """
import sys
from gradtwin.sweep import sweep
told = lambda summary: print(summary.tally.done, flush=True)
asked = {"axes": {"seed": range(1000)}, "results": sys.argv[1], "workers": 2, "resume": True}
sweep(["xor", "deep", "zoo", "mnist"], watch=told, **asked)
"""


def kills(length: Length, folder: Path) -> str:
    """Kill the driver at random moments, a third of them while it starts and the others at work; then let it end."""
    draws, before, told = random.Random(11), {}, 0
    for kill in range(length.kills):
        with subprocess.Popen([sys.executable, "-c", _DRIVER, str(folder / "r")], stdout=subprocess.PIPE) as driver:
            assert driver.stdout is not None
            if kill % 3:
                next(line for line in driver.stdout if int(line) > len(before))
            time.sleep(draws.uniform(0, 2 if kill % 3 else 8))
            driver.kill()
            told = max([told, *map(int, driver.stdout.read().split(b"\n")[:-1])])
        rows = _rows(folder / "r")
        assert told <= len(rows) <= told + length.workers, f"kill {kill}: told of {told}, kept {len(rows)}"
        assert all(rows[number] == row for number, row in before.items()), f"kill {kill}: a row was run again"
        before = rows
    asked: dict[str, Any] = {"axes": {"seed": range(1000)}, "results": folder / "r", "workers": 2, "resume": True}
    done = sweep(["xor", "deep", "zoo", "mnist"], **asked)
    assert done.tally.done == len(_rows(folder / "r")) == done.cases and done.tally.false_alarms == 0
    return f"{length.kills} kills, {len(before):,} rows kept by them, then {done.cases:,} of {done.cases:,} cases"


def _rows(folder: Path) -> dict[int, dict[str, Any]]:
    """Read the rows by their numbers; one that is there twice is an error."""
    if not (folder / "_sweep.json").exists():
        return {}
    rows = read_results(folder).to_pylist()
    found = {row["number"]: row for row in rows}
    assert len(found) == len(rows), "a case has two rows"
    return found


# ---- a worker, a node ----------------------------------------------------------------------------------


def worker(length: Length, folder: Path) -> str:
    """Kill one of two workers in the midst of a sweep over all twins."""
    killed: list[int] = []

    def kill(summary: Summary) -> None:
        if summary.tally.done > summary.cases // 3 and not killed:
            killed.append(_workers()[0])
            os.kill(killed[0], signal.SIGKILL)

    axes = {"seed": range(length.seeds), "dtype": "float64,float32", "route": "tape,gradients"}
    done = sweep(axes=axes, results=folder / "r", workers=length.workers, watch=kill)
    assert killed and done.ended_by is None and done.tally.done == done.cases
    assert done.tally.false_alarms == 0 and done.tally.failed == 0, done.tally.worst[0]
    again = sum(row["attempts"] > 1 for row in read_results(folder / "r").to_pylist())
    return (
        f"{done.cases:,} cases over {len(done.grid.blocks)} twins in {done.seconds:.0f} s, a worker killed, {again} "
        f"begun again: {done.tally.counts()}, 0 false alarms"
    )


def node(length: Length, folder: Path) -> str:
    """Take a node away while it has a worker."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, connect=False, head_node_args={"num_cpus": 1, "include_dashboard": False})
    ray.init(address=cluster.address, log_to_driver=False, logging_level="critical")
    second = cluster.add_node(num_cpus=1)
    gone: list[threading.Thread] = []

    def vanish(summary: Summary) -> None:
        if summary.tally.done > 20 and not gone:
            gone.append(threading.Thread(target=cluster.remove_node, args=(second, False)))
            gone[0].start()

    axes = {"seed": range(100 * length.seeds)}
    done = sweep(["xor", "deep"], axes=axes, results=folder / "r", workers=length.workers, watch=vanish)
    ray.shutdown()
    cluster.shutdown()
    assert gone and done.tally.done == done.cases and done.tally.failed == 0
    return f"one of two nodes vanished, {done.cases:,} of {done.cases:,} cases, {done.tally.counts()}"


def _workers() -> list[int]:
    """Find this sweep's workers: Ray starts them from a process that this one has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            process, words = int(entry.name), (entry / "cmdline").read_bytes()
            if words.startswith(b"ray::CaseWorker") and _parent(_parent(process)) == os.getpid():
                found.append(process)
        except OSError:  # it has ended meanwhile
            continue
    return sorted(found)


def _parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


# ---- memory --------------------------------------------------------------------------------------------


@dataclass
class _Memory:
    """Resident megabytes of the driver, as time goes by; the largest worker, and all of them."""

    seen: list[float] = field(default_factory=list)
    largest: float = 0.0
    workers: set[int] = field(default_factory=set)
    every: float = 1.0
    _next: float = 0.0

    def __call__(self, summary: Summary) -> None:
        if summary.seconds >= self._next:
            self._next = summary.seconds + self.every
            workers = _workers()
            self.workers.update(workers)
            self.largest = max([self.largest, *map(_resident, workers)])
            self.seen.append(_resident(os.getpid()))

    def growth(self) -> tuple[float, float]:
        """Give the medians of the second quarter of the time and of the last."""
        quarter = max(1, len(self.seen) // 4)
        return median(self.seen[quarter : 2 * quarter] or self.seen), median(self.seen[-quarter:])


def _resident(process: int) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:  # it has ended meanwhile
        return 0.0
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def fuzz(length: Length, folder: Path) -> str:
    """Fuzz for so many seconds, and measure memory on the way."""
    memory = _Memory()
    asked: dict[str, Any] = {"kind": "fuzz", "axes": {"seed": "0..999999999"}, "results": folder / "r"}
    done = sweep(workers=length.workers, time_budget=length.seconds, watch=memory, **asked)
    early, late = memory.growth()
    told = (
        f"{done.tally.done:,} cases in {done.seconds:.0f} s, {done.tally.counts()}; the driver has {early:.0f} MB and "
        f"then {late:.0f} MB; the largest of {len(memory.workers)} workers, two at a time, "
        f"had {memory.largest:.0f} MB"
    )
    assert late - early <= MOST_GROWTH and memory.largest <= LARGEST_WORKER, told
    assert done.tally.false_alarms == 0, done.tally.worst[0]
    return told


# ---- a full disk ---------------------------------------------------------------------------------------


def disk(length: Length, folder: Path) -> str:
    """Let no file of this process grow beyond 30 kB once the sweep is under way, and then let it."""
    whole = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(summary: Summary) -> None:
        if summary.tally.done > 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, whole[1]))

    asked: dict[str, Any] = {"axes": {"seed": range(200)}, "results": folder / "r", "workers": length.workers}
    try:
        sweep(["xor"], watch=fill, **asked)
        raise AssertionError("the disk was never full")
    except InputError as error:
        line = str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, whole)
    assert "the disk is full" in line and "\n" not in line
    kept = len(_rows(folder / "r"))
    done = sweep(["xor"], resume=True, **asked)
    assert 5 < kept < 200 and done.begun_with == kept and len(_rows(folder / "r")) == 200
    return f"full after {kept} rows: {line!r}; then 200 of 200 cases"


# ---- all of them ---------------------------------------------------------------------------------------

PARTS: dict[str, Callable[[Length, Path], str]] = {
    "kills": kills, "worker": worker, "fuzz": fuzz, "disk": disk, "node": node,
}  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep_endurance", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all if absent")
    parser.add_argument("--short", action="store_true", help="in a minute, to see that it runs")
    parser.add_argument("--seconds", type=float, default=3600.0, help="of fuzzing")
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args(arguments)
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}: {', '.join(PARTS)}")
    length = SHORT if options.short else Length(options.kills, 28, options.seconds)
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # every Ray here is started here, for here
    failed = [part for part in options.parts or PARTS if not _holds(part, length)]
    return 1 if failed else 0


def _holds(part: str, length: Length) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        try:
            print(f"{part}: {PARTS[part](length, Path(folder))}", flush=True)
        except AssertionError as error:
            print(f"{part}: DOES NOT HOLD: {error}", flush=True)
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
