"""`make who`: which tests run a line."""

import importlib.util
from pathlib import Path

import pytest
from coverage import CoverageData

spec = importlib.util.spec_from_file_location("who", Path(__file__).parent / "who.py")
who = importlib.util.module_from_spec(spec)
spec.loader.exec_module(who)


@pytest.fixture
def recorded() -> CoverageData:
    """Two tests that run line 3 of a file, and one line that runs when the file is imported."""
    data = CoverageData(no_disk=True)
    for context, lines in (("", [1]), ("tests.test_b", [3, 4]), ("tests.test_a", [3])):
        data.set_context(context)
        data.add_lines({str(who.ROOT / "gradtwin" / "one.py"): lines})
    return data


@pytest.mark.parametrize(("line", "tests"), [(3, ["tests.test_a", "tests.test_b"]), (4, ["tests.test_b"]), (1, [])])
def test_a_line_has_the_tests_that_run_it(recorded, line, tests):
    """Sorted; what runs at import belongs to no test."""
    assert who.tests_of(f"gradtwin/one.py:{line}", recorded) == tests


@pytest.mark.parametrize("place", ["gradtwin/one.py", "gradtwin/two.py:3", ""])
def test_a_place_that_cannot_be_found_is_refused(recorded, place):
    """No line, or a file that was not recorded: a message, and no empty answer."""
    with pytest.raises(ValueError, match=r"Expected FILE:LINE|no test runs any line"):
        who.tests_of(place, recorded)
