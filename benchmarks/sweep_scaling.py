"""How many times as fast two workers of a sweep are as one.

    python -m benchmarks.sweep_scaling [--cases N] [--steps N] [--rounds N] [--json]

Every round runs the same trainings with one worker and with two, in an order that turns, on one Ray that is started
once; the table has each round, and their median. The time is that from the first case to the last, so that loading
TensorFlow, which every worker does once, is counted where a worker comes later than another. A case takes a second and
more. `kept busy` is the sum of the cases' own times over the time of all workers together: what is missing from 100 %
was spent waiting for the driver; where it is high and the ratio low, the cores were shared with somebody else.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from gradtwin.sweep import cluster, read_results, sweep

TARGET = 1.8


@dataclass(frozen=True)
class Round:
    """Both runs of a round."""

    cases: int
    one: float
    two: float
    case_seconds: float
    busy: float
    load: float

    @property
    def ratio(self) -> float:
        """How many times as fast two were."""
        return self.one / self.two


def measure(cases: int, steps: int, rounds: int) -> list[Round]:
    """Run the rounds."""
    with cluster.connected(None, 2):
        return [_round(cases, steps, first_two=bool(k % 2)) for k in range(rounds)]


def _round(cases: int, steps: int, first_two: bool) -> Round:
    found = {workers: _run(cases, steps, workers) for workers in ((2, 1) if first_two else (1, 2))}
    (one, own), (two, own_of_two) = found[1], found[2]
    return Round(cases, one, two, own / cases, own_of_two / (2 * two), os.getloadavg()[0])


def _run(cases: int, steps: int, workers: int) -> tuple[float, float]:
    """Give the seconds from the first case to the last, and the sum of the cases' own."""
    with tempfile.TemporaryDirectory() as folder:
        axes = {"seed": range(cases), "steps": [steps]}
        summary = sweep(["deep"], kind="train", axes=axes, workers=workers, results=Path(folder, "r"))
        return summary.seconds, sum(read_results(summary.folder)["seconds"].to_pylist())


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; exit status 1 if the median of the ratios is below the target."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep_scaling", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--steps", type=int, default=20_000, help="of each training")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    rounds = measure(options.cases, options.steps, options.rounds)
    middle = median(one.ratio for one in rounds)
    if options.json:
        print(json.dumps([asdict(one) | {"ratio": one.ratio} for one in rounds]))
    else:
        print("| cases | a case, s | one worker, s | two, s | kept busy | load | ratio |\n" + "|---" * 7 + "|")
        for one in rounds:
            print(f"| {one.cases} | {one.case_seconds:.2f} | {one.one:.1f} | {one.two:.1f} | {one.busy:.0%} "
                  f"| {one.load:.1f} | {one.ratio:.2f} |")  # fmt: skip
        print(f"\nThe median of the ratios is {middle:.2f}, and the target {TARGET}.")
    return 0 if middle >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
