"""The default check beside `tf.test.compute_gradient`, at 16,000 parameters.

    python -m benchmarks.numeric_gradient [--hidden 4000] [--rounds 3] [--json]

Both look at the gradient of one 2-H-1 network at one point in float64. `compute_gradient` evaluates the loss twice for
each parameter and gives two Jacobians; the check gives a verdict. Each round times the numeric gradient once and the
check a few times beside it; the figure is the median over the rounds of the ratio of the two.
"""

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.detection.page import count_text
from gradtwin.backend.tensorflow_side import load_tensorflow, resolve
from gradtwin.checking.check import check
from gradtwin.twins import catalog

CHECKS_A_ROUND = 25


@dataclass(frozen=True)
class Comparison:
    """How many checks fit into one numeric gradient, and the largest difference that one reports."""

    parameters: int
    times_as_fast: float
    check_milliseconds: float
    numeric_seconds: float
    numeric_error: float


def measure(hidden: int, rounds: int) -> Comparison:
    """Time both at one point."""
    tf = load_tensorflow()
    wide = catalog.get("wide").resize((2, hidden, 1))
    # Weights that keep the logit at size 1, as a network in use has them.
    twin = dataclasses.replace(wide, init=lambda rng: {k: p / (hidden**0.5) for k, p in wide.init(rng).items()})
    params, batch = twin.point(0)
    forward, rows = resolve(twin.reference), [tf.constant(array) for array in batch]

    def loss(*values: Any) -> Any:
        return forward(dict(zip(params, values, strict=True)), *rows)["loss"]

    def numeric() -> float:
        found = zip(*tf.test.compute_gradient(loss, [tf.constant(p) for p in params.values()]), strict=True)
        return max(float(np.abs(theory - number).max()) for theory, number in found)

    assert check(twin).verdict == "agree"
    error, times = 0.0, []
    for _ in range(rounds):
        checks = [_time(lambda: check(twin)) for _ in range(CHECKS_A_ROUND)]
        start = time.perf_counter()
        error = numeric()
        times.append((time.perf_counter() - start, median(checks)))
    return Comparison(
        parameters=sum(p.size for p in params.values()),
        times_as_fast=median(numeric / one for numeric, one in times),
        check_milliseconds=1e3 * median(one for _, one in times),
        numeric_seconds=median(numeric for numeric, _ in times),
        numeric_error=error,
    )


def _time(way: Callable[[], Any]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.numeric_gradient", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--hidden", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    found = measure(options.hidden, options.rounds)
    if options.json:
        print(json.dumps(asdict(found), indent=1))
    else:
        print(
            f"{count_text(found.parameters)} parameters: a check takes {found.check_milliseconds:.2f} ms, "
            f"compute_gradient {found.numeric_seconds:.2f} s, {found.times_as_fast:,.0f} times as long"
        )
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
