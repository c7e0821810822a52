"""Thousands of checks, trainings and planted faults in one process, each kind in a process of its own.

Each prints its samples as JSON: `python -m benchmarks.endurance.memory PART COUNT`.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

import gradtwin
from benchmarks.endurance.growth import Growth, watch
from benchmarks.endurance.outcome import Outcome
from gradtwin.backend.tensorflow_side import load_tensorflow
from gradtwin.core.routes import ROUTES
from gradtwin.faults.score import judge, spread
from gradtwin.twins import catalog

MOST_GAINED = 15.0  # MB in the last quarter; a graph that is kept costs 0.3 MB, what XLA compiled for it 0.5 MB

Work = Callable[[int], None]


def _checks() -> Work:
    """Check the built-in twins in turn, each time at another point, in both precisions and by every route."""
    names = catalog.names()

    def work(k: int) -> None:
        route = ROUTES[k // len(names) % 3]
        dtype = ("float64", "float32")[k // len(names) // 3 % 2]
        report = gradtwin.check(names[k % len(names)], seed=k, dtype=dtype, route=route)
        assert report.agrees or report.verdict in ("kink", "rounding"), str(report)

    return work


def _functions(routes: tuple[str, ...] = ROUTES) -> Work:
    """Check a pair of functions that did not exist before and is not needed afterwards, by every route in turn."""
    x, y, w = (np.random.default_rng(n).normal(size=(6, n)) for n in (3, 1, 3))
    params = {"w": w[:3, :1]}

    def work(k: int) -> None:
        manual, reference = _new_pair(1 + k / 1000)
        report = gradtwin.check_gradients(manual, reference, params, x, y, route=routes[k % len(routes)])
        assert report.agrees, str(report)

    return work


def _new_pair(factor: float) -> tuple[Callable[..., Any], Callable[..., Any]]:
    tf = load_tensorflow()

    def manual(params: Any, x: Any, y: Any) -> Any:
        residual = x @ params["w"] - y
        return factor * (residual**2).mean(), {"w": x.T @ residual * (2 * factor / len(x))}

    def reference(params: Any, x: Any, y: Any) -> Any:
        return factor * tf.reduce_mean((x @ params["w"] - y) ** 2)

    return manual, reference


def _mirrored() -> Work:
    """Check new functions on two replicas."""
    return _functions(("mirrored",))


def _trainings() -> Work:
    """Train small twins, each time from another start."""
    names = ("xor", "wide", "neuron", "zoo")

    def work(k: int) -> None:
        history = gradtwin.train(names[k % len(names)], steps=20, seed=k)
        assert history.diverged_at is None, history

    return work


def _faults() -> Work:
    """Judge planted faults, whose pages are compiled from changed source each time."""
    from gradtwin.faults.planting import Planting

    twins = [catalog.get(name) for name in ("gates", "neuron", "node_linear")]
    at_hand: list[tuple[Any, Any]] = []

    def work(k: int) -> None:
        if not at_hand:
            twin = twins[k % len(twins)]
            at_hand.extend((fault, twin) for fault in spread(Planting(twin).run()[0], 20))
        row = judge(*at_hand.pop())
        assert row.caught, row

    return work


# What there is to do, and how often in the long form and the short one.
PARTS: dict[str, tuple[Callable[[], Work], int, int]] = {
    "checks": (_checks, 10_000, 120),
    "functions": (_functions, 3_000, 24),
    "trainings": (_trainings, 400, 4),
    "faults": (_faults, 600, 4),
    "mirrored": (_mirrored, 300, 4),
}


def measure(part: str, count: int) -> Growth:
    """Do one kind so many times in this process."""
    return watch(PARTS[part][0](), count)


def run(part: str, *, short: bool = False) -> Outcome:
    """Do one kind in a process of its own, and judge its growth; in the short form it is only measured."""
    count = PARTS[part][2 if short else 1]
    begun = time.monotonic()
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.endurance.memory", part, str(count)], capture_output=True, text=True
    )
    if told.returncode:
        return Outcome(part, f"{count:,} times", {}, (told.stderr.strip().rpartition("\n")[2],))
    return judged(part, count, Growth(**json.loads(told.stdout)), time.monotonic() - begun, short=short)


def judged(part: str, count: int, growth: Growth, seconds: float, *, short: bool) -> Outcome:
    """Say what grew, and whether it may have."""
    figures = {
        "seconds": round(seconds),
        "MB": growth.megabytes[-1],
        "MB gained in the last quarter": growth.gained,
        "kB each": growth.slope,
        "graphs alive": growth.graphs[-1],
        "more than half-way": growth.more_graphs,
    }
    broken = []
    if not short and not growth.gained <= MOST_GAINED:
        broken.append(f"memory grows: {growth.gained:.1f} MB in the last quarter")
    if not short and not growth.more_graphs <= 0:
        broken.append(f"{growth.more_graphs} more of TensorFlow's graphs are alive than half-way")
    words = (PARTS[part][0].__doc__ or "").partition("\n")[0].rstrip(".")
    return Outcome(part, f"{words[0].lower()}{words[1:]}: {count:,} times", figures, tuple(broken))


def main(arguments: list[str] | None = None) -> int:
    """Do one kind here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance.memory", description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("count", type=int)
    options = parser.parse_args(arguments)
    print(json.dumps(asdict(measure(options.part, options.count))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
