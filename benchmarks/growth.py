"""How a check's time and memory grow with the number of parameters, from ten thousand to a hundred million.

    python -m benchmarks.growth [--largest 100000000] [--dtype float32] [--rounds 3] [--json]

One layer of n x n weights, twenty examples, the default check, in a process of its own for every size. The time is that
of the quickest of a few checks after a first one; the memory is the largest the process ever held, less what it held
before (TensorFlow loaded, a small network checked), in multiples of the bytes of parameters and gradients. The exponent
is the slope of log time over log parameters between the first size and the last.
"""

import argparse
import dataclasses
import json
import math
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.detection.page import count_text, table

SIZES = (100, 316, 1000, 3162, 10_000)  # inputs and outputs; squared, the weights


@dataclass(frozen=True)
class Growth:
    """One size: seconds of a check, and the peak of memory over the bytes of parameters and gradients."""

    parameters: int
    seconds: float
    peak: float


def one(width: int, dtype: str, rounds: int) -> Growth:
    """Check a layer of width x width in this process."""
    from gradtwin.checking.check import check
    from gradtwin.twins import catalog

    check("zoo", dtype=dtype)
    before = _held()
    twin = dataclasses.replace(catalog.get("zoo").resize((width, width)), init=lambda rng: _drawn(rng, width))
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        report = check(twin, dtype=dtype)
        times.append(time.perf_counter() - start)
        assert report.verdict == "agree", report
    parameters = width * width + width
    both = 2 * parameters * {"float32": 4, "float64": 8}[dtype]
    return Growth(parameters, min(times[1:]), (_peak() - before) / both)


def _drawn(rng: Any, width: int) -> dict[str, Any]:
    """Draw weights whose logits are of size 1 at every width, so that both sides agree without a witness."""
    return {"W": rng.uniform(-1, 1, (width, width)) * (3 / width) ** 0.5, "b": rng.standard_normal(width)}


def _held() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(largest: int, dtype: str, rounds: int) -> list[Growth]:
    """Check every size up to the largest, each in a process of its own."""
    found = []
    for width in (w for w in SIZES if w * w <= largest):
        options = ["--one", str(width), "--dtype", dtype, "--rounds", str(rounds)]
        ran = subprocess.run([sys.executable, "-m", "benchmarks.growth", *options], stdout=subprocess.PIPE, check=True)
        found.append(Growth(**json.loads(ran.stdout)))
        print(f"{count_text(found[-1].parameters)} parameters", file=sys.stderr)
    return found


def exponent(found: list[Growth]) -> float:
    """Give the slope of log time over log parameters, from the first to the last."""
    first, last = found[0], found[-1]
    return math.log(last.seconds / first.seconds) / math.log(last.parameters / first.parameters)


def steepest(found: list[Growth]) -> float:
    """Give the slope between the two sizes where it is largest."""
    return max(exponent(list(pair)) for pair in zip(found, found[1:], strict=False))


def markdown(found: list[Growth]) -> str:
    """Write the sizes as a table."""
    rows = [[count_text(g.parameters), f"{1e3 * g.seconds:.3g}", f"{g.peak:.1f}"] for g in found]
    return table(["parameters", "a check, ms", "peak / (parameters and gradients)"], rows)


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--largest", type=float, default=1e8, help="parameters")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", type=int, metavar="WIDTH", help="only this size, in this process")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(asdict(one(options.one, options.dtype, options.rounds))))
        return 0
    found = measure(int(options.largest), options.dtype, options.rounds)
    if options.json:
        print(json.dumps({"sizes": [asdict(g) for g in found], "exponent": exponent(found)}, indent=1))
    else:
        print(f"{markdown(found)}\n\nexponent {exponent(found):.2f} over all, {steepest(found):.2f} at its steepest")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
