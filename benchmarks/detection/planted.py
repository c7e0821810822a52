"""Count the planted faults that the check sees, places and explains, by half; no rule was tuned on half 2.

    python -m benchmarks.detection.planted [NAME ...] [--sample N] [--json] [--write]

The same faults as `gradtwin faults`, which lists them one by one.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks.detection.page import count_text, put, table
from gradtwin.faults.score import FaultRow, score, tally
from gradtwin.twins import catalog

HALVES = {"half 1": (1,), "half 2": (2,), "both": (1, 2)}


def markdown(rows: Sequence[FaultRow]) -> str:
    """Write the tally of each half, and every fault that was not seen."""
    header = ["faults", "planted", "seen", "of these refused to run", "right tensor named", "right cause named",
              "wrong cause named"]  # fmt: skip
    lines = [_line(name, [row for row in rows if row.half in halves]) for name, halves in HALVES.items()]
    missed = [f"- not seen: `{row.fault}`: `{row.line}`" for row in rows if not row.caught]
    return "\n".join([table(header, lines), *([""] if missed else []), *missed])


def _line(name: str, rows: Sequence[FaultRow]) -> list[str]:
    done = tally(rows)
    return [
        name,
        count_text(done.faults),
        count_text(done.caught),
        count_text(done.refused),
        _share(done.tensor_named, done.judged),
        _share(done.cause_named, done.nameable),
        _share(done.wrong_cause, done.judged),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({100 * part / whole:.1f} %)" if whole else "none asked"


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; exit status 1 if a fault was not seen."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.planted", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NAME", help="twins; all if none is given")
    parser.add_argument("--sample", type=int, help="about so many faults a twin; all if absent")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the table into docs/detection.md")
    options = parser.parse_args(arguments)
    rows = score([catalog.get(name) for name in options.names or catalog.names()], options.sample)
    if options.json:
        tallies = {name: asdict(tally([r for r in rows if r.half in halves])) for name, halves in HALVES.items()}
        print(json.dumps(tallies, indent=1))
    else:
        print(markdown(rows))
    if options.write:
        put("planted faults", markdown(rows))
    return 0 if all(row.caught for row in rows) else 1


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
