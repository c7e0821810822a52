"""Name the tests that run a line: `make who AT=gradtwin/referee/judge.py:120`, from what `make coverage` recorded."""

import sys
from pathlib import Path

from coverage import CoverageData

ROOT = Path(__file__).resolve().parents[1]


def tests_of(place: str, data: CoverageData) -> list[str]:
    """List the tests that run a line.

    Args:
        place: "FILE:LINE", the file by its path from the root of the project.
        data: a recording with contexts.

    Returns:
        The tests, sorted; empty where none runs the line.

    Raises:
        ValueError: the place is not FILE:LINE, or no test runs any line of the file.
    """
    file, _, line = place.rpartition(":")
    if not line.isdigit():
        raise ValueError(f"Expected FILE:LINE, such as gradtwin/referee/judge.py:120, got {place!r}.")
    by_line = data.contexts_by_lineno(str(ROOT / file))
    if not by_line:
        raise ValueError(f"{file}: no test runs any line of it, or make coverage has not recorded it yet.")
    return sorted(set(by_line.get(int(line), [])) - {""})


def main(place: str) -> int:
    """Print the tests of a line; 0 if there are any, 1 if none runs it, 2 if the question cannot be answered."""
    data = CoverageData(str(ROOT / ".coverage"))
    data.read()
    try:
        tests = tests_of(place, data)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(tests) if tests else f"No test runs {place}.")
    return 0 if tests else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
