"""Sweeps on Ray: workers that raise, hang, die and vanish, and a driver that is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradtwin.sweep import driver, pool, read_results, run_case, sweep
from gradtwin.sweep.axes import axes_of
from gradtwin.sweep.case import SweepCase
from gradtwin.sweep.plan import plan
from gradtwin.sweep.pool import Pool
from gradtwin.sweep.run_case import CaseRow, Twins
from gradtwin.sweep.table import table_of
from gradtwin.sweep.worker import CaseWorker, resident

RIGHT = ["xor", "deep"]
AXES = {"dtype": "float64,float32", "seed": "0..49"}


def without_times(row: dict[str, Any]) -> dict[str, Any]:
    """Take from a row what may depend on who ran it."""
    return {name: value for name, value in row.items() if name not in ("attempts", "seconds")}


def test_a_node_vanishes_and_the_rows_are_those_of_one_process(ray_cluster: Any, tmp_path: Path) -> None:
    """Three workers and then two, in whatever order: not a case is lost, and none comes out otherwise than here."""
    node = ray_cluster.add_node(num_cpus=1)
    gone: list[threading.Thread] = []

    def vanish(summary: driver.Summary) -> None:
        if summary.tally.done > 30 and not gone:
            gone.append(threading.Thread(target=ray_cluster.remove_node, args=(node, False)))
            gone[0].start()

    summary = sweep(RIGHT, axes=AXES, results=tmp_path / "r", workers=3, watch=vanish)
    gone[0].join()
    assert summary.ended_by is None and summary.tally.false_alarms == 0
    grid, twins = plan("check", RIGHT, axes_of("check", AXES)), Twins()
    alone = table_of([run_case.run_case(grid.case(number), twins) for number in range(grid.count)]).to_pylist()
    rows = sorted(read_results(tmp_path / "r").to_pylist(), key=lambda row: row["number"])
    assert [without_times(row) for row in rows] == [without_times(row) for row in alone]


# ---- cases that misbehave ------------------------------------------------------------------------------


def _raise() -> CaseRow:
    raise RuntimeError("no\nmore")


def _eat() -> CaseRow:
    return {"status": str(np.ones(2**33)[0])}


def _hang() -> CaseRow:
    time.sleep(600)
    return {}


def _stop() -> CaseRow:
    os.kill(os.getpid(), signal.SIGSTOP)
    return {}


def _die() -> CaseRow:
    os._exit(3)


def _die_once(mark: Path) -> CaseRow:
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return _go_on()


def _go_on() -> CaseRow:
    threads = " ".join(os.environ[name] for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"))
    return {"status": "done", "outcome": "agree", "failed": False, "drawn": threads}


class QuickWorker(CaseWorker):
    """A worker that loads no TensorFlow, and whose cases do what their names say."""

    def ready(self) -> dict[str, Any]:
        """Say which process this is."""
        return {"pid": os.getpid(), "host": os.uname().nodename, "resident": resident()}

    def run(self, case: SweepCase) -> CaseRow:
        """Run a case as every worker does, but for what a check is."""
        assert case.fault is not None
        name, _, mark = case.fault.partition(" ")
        tricks: dict[str, Callable[[], CaseRow]] = {
            "raise": _raise, "eat": _eat, "hang": _hang, "stop": _stop, "die": _die, "go_on": _go_on,
            "die_once": lambda: _die_once(Path(mark)),
        }  # fmt: skip
        run_case._RUNNERS["check"] = lambda case, twin: tricks[name]()
        return super().run(case)


def test_a_case_that_misbehaves_is_recorded_and_the_rest_goes_on(
    ray_cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It raises, is too large, hangs, stops its process, kills each worker or only its first one: a row of each."""
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[QuickWorker.__module__])
    monkeypatch.setattr(pool, "CaseWorker", QuickWorker)
    names = ["raise", "eat", "hang", "stop", "die", f"die_once {tmp_path / 'died'}", "go_on"]
    cases = [SweepCase(number, "check", "xor", fault=name) for number, name in enumerate(names)]
    rows = {}
    workers = Pool(2, folder=str(tmp_path), timeout=2.0, memory=10**9)
    while len(rows) < len(names):
        while cases and workers.free:
            workers.give(cases.pop(0))
        rows |= {row["fault"].partition(" ")[0]: row for row in workers.wait(0.25)}
    assert not workers.busy
    workers.close()
    assert {name: (row["outcome"], row["attempts"], row["failed"]) for name, row in rows.items()} == {
        "raise": ("error", 1, True),
        "eat": ("out_of_memory", 1, True),
        "hang": ("timeout", 1, True),
        "stop": ("timeout", 1, True),
        "die": ("worker_died", 2, True),
        "die_once": ("agree", 2, False),
        "go_on": ("agree", 1, False),
    }
    assert rows["raise"]["message"] == "RuntimeError: no more" and "2 s" in rows["hang"]["message"]
    assert rows["go_on"]["drawn"] == "1 1"  # a worker takes one core, whatever it runs


# ---- the driver ----------------------------------------------------------------------------------------


def test_kill_9_of_the_driver_loses_at_most_the_cases_in_flight(without_ray: Any, tmp_path: Path) -> None:
    """The sweep starts a Ray of its own; every case it has told of is there, and the rest is run once."""
    code = (
        "from gradtwin.sweep import sweep; import sys; "
        "sweep(['xor', 'deep'], axes={'seed': range(300)}, results=sys.argv[1], workers=1,"
        " watch=lambda s: print(s.tally.done, flush=True))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "r")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sweeping:
        assert sweeping.stdout is not None
        told = next(int(line) for line in sweeping.stdout if int(line) >= 20)
        sweeping.send_signal(signal.SIGKILL)
        told = max([told, *map(int, sweeping.stdout.read().split("\n")[:-1])])
    kept = read_results(tmp_path / "r")["number"].to_pylist()
    assert told <= len(kept) <= told + 1 and len(set(kept)) == len(kept) < 600
    sweep(["xor", "deep"], axes={"seed": range(300)}, results=tmp_path / "r", resume=True)
    assert set(without_ray.given) == set(range(600)) - set(kept)
    assert sorted(read_results(tmp_path / "r")["number"].to_pylist()) == list(range(600))
