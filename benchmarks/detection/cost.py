"""What a default check costs, in passes of the code it checks.

    python -m benchmarks.detection.cost [NAME ...] [--rounds 15] [--dtype float64] [--json] [--write]

Each round times, in turn: the check, one forward and backward pass by hand, and one of TensorFlow at the same point by
the tape, as the check itself takes it. The table shows medians over the rounds of ratios within a round.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.detection.page import count_text, put, table
from gradtwin.backend.differentiation import differentiate
from gradtwin.backend.tensorflow_side import resolve
from gradtwin.checking.check import check
from gradtwin.core.precision import cast
from gradtwin.twins import catalog
from gradtwin.twins.twin import Twin

NAMES = ("xor", "zoo", "deep", "mnist")


@dataclass(frozen=True)
class Cost:
    """What one check costs.

    Attributes:
        milliseconds: of the check.
        in_passes: the check over one pass by hand plus one of TensorFlow.
        in_budget: the check over three passes by hand plus one of TensorFlow.
    """

    twin: str
    parameters: int
    dtype: str
    milliseconds: float
    hand_milliseconds: float
    tensorflow_milliseconds: float
    in_passes: float
    in_budget: float


def measure(twin: Twin, rounds: int, dtype: str) -> Cost:
    """Time the check of a twin against the passes it is made of."""
    params, batch = twin.point(0)
    params, named = cast(params, dtype), cast(dict(zip(twin.batch_names(batch), batch, strict=True)), dtype)
    forward = resolve(twin.reference)
    _, cache = twin.manual.forward(params, *named.values())
    names = tuple(twin.manual.backward(params, cache))

    def by_hand() -> Any:
        _, cache = twin.manual.forward(params, *named.values())
        return twin.manual.backward(params, cache)

    ways: list[Callable[[], Any]] = [
        lambda: check(twin, dtype=dtype),
        by_hand,
        lambda: differentiate(forward, params, named, names),
    ]
    for way in ways:
        way()
    times = [[_time(way) for way in ways] for _ in range(rounds)]
    return Cost(
        twin.name,
        sum(p.size for p in params.values()),
        dtype,
        *(1e3 * median(column) for column in zip(*times, strict=True)),
        in_passes=median(c / (hand + tf) for c, hand, tf in times),
        in_budget=median(c / (3 * hand + tf) for c, hand, tf in times),
    )


def _time(way: Callable[[], Any]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def markdown(costs: list[Cost]) -> str:
    """Write the ratios as a table."""
    header = ["twin", "parameters", "dtype", "a check, ms", "check / (hand + TensorFlow)",
              "check / (3 hand + TensorFlow)"]  # fmt: skip
    rows = [
        [c.twin, count_text(c.parameters), c.dtype, f"{c.milliseconds:.3g}", f"{c.in_passes:.2f}", f"{c.in_budget:.2f}"]
        for c in costs
    ]
    return table(header, rows)


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.cost", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NAME", default=list(NAMES))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the table into docs/detection.md")
    options = parser.parse_args(arguments)
    costs = [measure(catalog.get(name), options.rounds, options.dtype) for name in options.names]
    print(json.dumps([asdict(c) for c in costs], indent=1) if options.json else markdown(costs))
    if options.write:
        put("cost", markdown(costs))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
