"""Run the parts and print what came of each.

    python -m benchmarks.endurance [PART ...] [--short] [--json]

    checks     10,000 checks of built-in twins over seeds, precisions and routes in one process
    functions  checks of functions made for one check each, by every route
    trainings  trainings of small twins
    faults     planted faults, each a page compiled from changed source
    mirrored   new functions on two replicas
    kills      kill -9 at random moments of a training
    disk       a disk that becomes full

The parts that measure memory run each in a process of its own; in the short form, which is to see that they run, their
growth is not judged. Exit status 1 if something does not hold.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from benchmarks.endurance import full_disk, kills, memory
from benchmarks.endurance.outcome import Outcome

PARTS: dict[str, Callable[..., Outcome]] = {
    **{part: partial(memory.run, part) for part in memory.PARTS},
    "kills": kills.run,
    "disk": full_disk.run,
}


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.endurance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all if absent")
    parser.add_argument("--short", action="store_true", help="in a minute or two, to see that it runs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}: {', '.join(PARTS)}")
    outcomes = []
    for part in options.parts or PARTS:
        outcomes.append(PARTS[part](short=options.short))
        if not options.json:
            print(outcomes[-1], flush=True)
    if options.json:
        print(json.dumps([asdict(outcome) | {"holds": outcome.holds} for outcome in outcomes], indent=2))
    elif outcomes:
        print(f"\n{os.cpu_count()} cores, load {' '.join(f'{load:.1f}' for load in os.getloadavg())}")
    return int(not all(outcome.holds for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
