"""What a check sees in bfloat16 and float16: right gradients, planted faults, and the smallest error in one entry.

    python -m benchmarks.detection.low_precision [--seeds 20] [--sample 40] [--points 5] [--names NAME ...] [--write]

Right gradients: every twin, seed and route. Planted faults: a sample a twin, the same in float64 beside it. The
smallest error: one entry of one gradient multiplied by 1 + e, as in `benchmarks.detection.smallest_error`.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.detection.page import count_text, put, table
from benchmarks.detection.problems import at_point, with_wrong_entry
from benchmarks.detection.smallest_error import MISSED, entries
from gradtwin.checking.check import check
from gradtwin.core.precision import LOW
from gradtwin.core.routes import ROUTES
from gradtwin.faults.catalogue import small
from gradtwin.faults.score import FaultRow, score, tally
from gradtwin.twins import catalog

ERRORS = (1.0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12)
TARGET = 1e-10
VERDICTS = ("agree", "rounding", "kink", "undecidable", "disagree")


def right(names: Sequence[str], seeds: int) -> dict[str, Counter[str]]:
    """Count the verdicts on right gradients, by dtype."""
    found = {dtype: Counter[str]() for dtype in LOW}
    for dtype in LOW:
        for name in names:
            found[dtype].update(
                check(name, dtype=dtype, route=route, seed=seed).verdict for seed in range(seeds) for route in ROUTES
            )
    return found


def faults(names: Sequence[str], sample: int | None) -> dict[str, list[FaultRow]]:
    """Check the same planted faults in float64 and in each low precision."""
    return {dtype: score(map(catalog.get, names), sample, dtype=dtype) for dtype in ("float64", *LOW)}


def wrong_entries(names: Sequence[str], points: int) -> Iterator[tuple[str, float, bool]]:
    """Plant every size of error at some points of every twin; give dtype, size and whether it was caught."""
    for name in names:
        for seed in range(points):
            fixed = at_point(small(catalog.get(name)), seed)
            drawn = entries(fixed, np.random.default_rng([seed, 2]))
            for dtype in LOW:
                for error in ERRORS:
                    wrong = with_wrong_entry(fixed, *next(drawn), error)
                    yield dtype, error, check(wrong, dtype=dtype, seed=seed).verdict not in MISSED


def markdown(
    verdicts: dict[str, Counter[str]], scored: dict[str, list[FaultRow]], caught: Counter[tuple[str, float, bool]]
) -> str:
    """Write the three tables."""
    kinds = [v for v in VERDICTS if any(counts[v] for counts in verdicts.values())]
    parts = ["Right gradients, by verdict:", table(
        ["verdict", *LOW], [[v, *(count_text(verdicts[d][v]) for d in LOW)] for v in kinds]
    )]  # fmt: skip
    parts += ["Planted faults:", table(
        ["dtype", "planted", "seen", "of these refused to run", "right tensor named", "right cause named"],
        [_fault_line(dtype, rows) for dtype, rows in scored.items()],
    )]  # fmt: skip
    parts += ["One wrong entry, caught of asked:", table(
        ["dtype", *(f"e = {e:g}" for e in ERRORS)],
        [[d, *(f"{caught[d, e, True]} of {caught[d, e, True] + caught[d, e, False]}" for e in ERRORS)] for d in LOW],
    )]  # fmt: skip
    return "\n\n".join(parts)


def _fault_line(dtype: str, rows: Sequence[FaultRow]) -> list[str]:
    done = tally(rows)
    counts = [count_text(n) for n in (done.faults, done.caught, done.refused)]
    return [dtype, *counts, f"{done.tensor_named} of {done.judged}", f"{done.cause_named} of {done.nameable}"]


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; exit status 1 if a right gradient disagrees or a large enough fault is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.low_precision", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--sample", type=int, default=40, help="planted faults a twin")
    parser.add_argument("--points", type=int, default=5)
    parser.add_argument("--names", nargs="+", default=catalog.names())
    parser.add_argument("--write", action="store_true", help="put the tables into docs/detection.md")
    options = parser.parse_args(arguments)
    verdicts = right(options.names, options.seeds)
    scored = faults(options.names, options.sample)
    caught = Counter(wrong_entries(options.names, options.points))
    text = markdown(verdicts, scored, caught)
    print(text)
    if options.write:
        put("low precision", text)
    alarms = any(counts["disagree"] for counts in verdicts.values())
    unseen = any(not row.caught for rows in scored.values() for row in rows)
    missed = any(not seen and error >= TARGET for (_, error, seen) in caught)
    return 1 if alarms or unseen or missed else 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
