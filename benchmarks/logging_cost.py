"""What TensorBoard's files cost of a training's time, and how large they are.

    python -m benchmarks.logging_cost [NAME ...] [--steps N] [--rounds N] [--json]

Every round trains each twin with and without a log directory, in an order that turns, and compares the two; the table
shows the medians over the rounds. A ratio survives a busy machine, a time does not. Everything is counted that a log
directory asks for: the check and its report, the graph, curves, distributions, gradients, pictures, texts, and their
writing. Two clocks: `wall` is what a user waits, `cpu` what all threads of the process computed. The first round loads
what is loaded once and is not counted, as TensorFlow's own start is not.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from gradtwin.backend.tensorflow_side import load_tensorflow
from gradtwin.training import lockstep as training
from gradtwin.twins import catalog

# The last two are trained on the digits where there is no MNIST.
NAMES = ("xor", "wide", "deep", "zoo", "softmax_regression", "mnist")
TARGET = 1.10


@dataclass(frozen=True)
class Cost:
    """One twin: how many times as long a training takes with files, its seconds without, and the files' size."""

    twin: str
    steps: int
    wall: float
    cpu: float
    seconds_without: float
    bytes: int


def measure(name: str, steps: int | None, rounds: int) -> Cost:
    """Train a twin with and without a log directory, `rounds` times."""
    turns = [_turn(name, steps, first_logged=bool(k % 2)) for k in range(rounds + 1)][1:]
    return Cost(
        twin=name,
        steps=turns[0][True].steps,
        wall=median(turn[True].wall / turn[False].wall for turn in turns),
        cpu=median(turn[True].cpu / turn[False].cpu for turn in turns),
        seconds_without=median(turn[False].wall for turn in turns),
        bytes=turns[0][True].bytes,
    )


@dataclass(frozen=True)
class _Timing:
    steps: int
    wall: float
    cpu: float
    bytes: int


def _turn(name: str, steps: int | None, *, first_logged: bool) -> dict[bool, _Timing]:
    return {logged: _timed(name, steps, logged) for logged in (first_logged, not first_logged)}


def _timed(name: str, steps: int | None, logged: bool) -> _Timing:
    with tempfile.TemporaryDirectory() as directory:
        wall, cpu = time.perf_counter(), time.process_time()
        history = training.train(catalog.get(name), steps=steps, logdir=directory if logged else None)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        size = sum(path.stat().st_size for path in Path(directory).rglob("*tfevents*"))
    return _Timing(history.steps, wall, cpu, size)


def main(arguments: list[str] | None = None) -> int:
    """Print a row for each twin; give status 1 where one costs more than a tenth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--steps", type=int, help="the twin's own if absent")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    load_tensorflow()
    costs = []
    if not options.json:
        print(f"{'twin':<20} {'steps':>6} {'without':>9} {'wall':>6} {'cpu':>6} {'MB':>6}")
    for name in options.names:
        cost = measure(name, options.steps, options.rounds)
        costs.append(cost)
        if not options.json:
            print(
                f"{name:<20} {cost.steps:>6} {cost.seconds_without:>7.3f} s "
                f"{cost.wall:>6.3f} {cost.cpu:>6.3f} {cost.bytes / 1e6:>6.2f}",
                flush=True,
            )
    if options.json:
        print(json.dumps([asdict(cost) for cost in costs], indent=2))
    return int(any(cost.wall > TARGET for cost in costs))


if __name__ == "__main__":
    sys.exit(main())
