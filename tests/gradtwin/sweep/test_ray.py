"""Sweeps on Ray: workers that raise, hang, die and vanish, and a driver that is killed."""

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gradtwin.sweep import driver, read_results, sweep
from gradtwin.sweep.axes import axes_of
from gradtwin.sweep.plan import plan
from gradtwin.sweep.run_case import Twins, run_case
from gradtwin.sweep.table import VOLATILE, table_of

MISBEHAVING = """
import os, signal, time
from types import SimpleNamespace
import numpy as np
from gradtwin import Twin, catalog
from manual_grads.networks import xor

def twin(name, trick):
    def forward(params, x, t):
        trick()
        return xor.forward(params, x, t)
    start = catalog.get("xor").source_start()  # so that there is one case for all seeds
    side = SimpleNamespace(init_params=lambda rng: start, forward=forward, backward=xor.backward)
    return Twin(name, manual=side, reference="tf_reference.networks.xor", batch=catalog.get("xor").batch)

def shout():
    raise RuntimeError("no\\nmore")

def die_once():
    mark = os.path.join(os.path.dirname(__file__), "died")  # a worker's own folder is another one
    if not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)

raises = twin("raises", shout)
eats = twin("eats", lambda: np.ones(2**33))
hangs = twin("hangs", lambda: time.sleep(600))
dies = twin("dies", lambda: os._exit(3))
dies_once = twin("dies_once", die_once)
right = twin("right", lambda: None)

def tell():
    raise RuntimeError(" ".join(os.environ[name] for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")))

tells = twin("tells", tell)
"""


RIGHT = ["xor", "deep"]
AXES = {"dtype": ["float64"], "seed": [0, *range(2, 60)]}


def without_times(row: dict[str, Any]) -> dict[str, Any]:
    """Take from a row what may depend on who ran it."""
    return {name: value for name, value in row.items() if name not in VOLATILE}


@pytest.fixture(scope="module")
def rows(ray_cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Sweep right twins with three workers, one of them on a node that vanishes, and then cases that misbehave."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "misbehaving.py").write_text(MISBEHAVING)
    node = ray_cluster.add_node(num_cpus=1)
    gone: list[threading.Thread] = []

    def vanish(summary: driver.Summary) -> None:
        if summary.tally.done > 30 and not gone:
            gone.append(threading.Thread(target=ray_cluster.remove_node, args=(node, False)))
            gone[0].start()

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        options: dict[str, Any] = {"workers": 3, "timeout": 3, "memory": 2 * 10**9, "watch": vanish}
        summary = sweep([*RIGHT, "misbehaving.py"], axes=AXES, results="r", **options)
        gone[0].join()
        assert summary.ended_by is None and summary.tally.done == summary.grid.count
        found: list[dict[str, Any]] = read_results("r").to_pylist()
    return sorted(found, key=lambda row: row["number"])


def test_the_rows_are_those_of_one_process_though_a_node_vanished(rows: list[dict[str, Any]]) -> None:
    """Three workers and then two, in whatever order: not a case is lost, and none comes out otherwise than here."""
    grid, twins = plan("check", RIGHT, axes_of("check", AXES)), Twins()
    alone = table_of([run_case(grid.case(number), twins) for number in range(grid.count)]).to_pylist()
    assert [without_times(row) for row in rows[: grid.count]] == [without_times(row) for row in alone]


def test_a_case_that_misbehaves_is_recorded_and_the_rest_goes_on(rows: list[dict[str, Any]]) -> None:
    """One that raises, one too large, one that hangs, one that kills each worker and one that kills its first."""
    found = {row["target"].partition(":")[2]: row for row in rows if row["seed"] == 0 and ".py:" in row["target"]}
    assert {name: (row["outcome"], row["attempts"]) for name, row in found.items()} == {
        "raises": ("error", 1),
        "eats": ("out_of_memory", 1),
        "hangs": ("timeout", 1),
        "dies": ("worker_died", 2),
        "dies_once": ("agree", 2),
        "right": ("agree", 1),
        "tells": ("error", 1),
    }
    assert "RuntimeError: no more" in found["raises"]["message"] and "3 s" in found["hangs"]["message"]
    assert "RuntimeError: 1 1" in found["tells"]["message"]  # a worker takes one core, whatever it runs


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
