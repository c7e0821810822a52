"""Every benchmark still runs, with settings so small that its numbers mean nothing; no time is asserted."""

import json

import pytest

from benchmarks import step
from benchmarks.detection import checkers, cost, false_alarms, page, peers, planted, smallest_error


def output(capsys):
    """Give what was printed as JSON."""
    return json.loads(capsys.readouterr().out)


def test_steps_are_timed_in_every_way(capsys):
    """XOR by hand, in TensorFlow four ways, and its products: a positive time each."""
    assert step.main(["xor", "--rounds", "2", "--seconds", "0.001", "--json"]) == 0
    (row,) = output(capsys)
    assert (row["twin"], row["rows"], row["shape"]) == ("xor", 4, "2x2 2x1")
    assert set(row["microseconds"]) == set(step.WAYS) and min(row["microseconds"].values()) > 0
    assert row["against_function"]["function"] == 1.0


def test_a_step_without_matrices_has_no_products(capsys):
    """The gates multiply numbers: that column is empty."""
    assert step.main(["gates", "--rounds", "1", "--seconds", "0.001"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("| gates | scalar | 1 |")


def test_checks_of_right_gradients_are_counted(capsys):
    """Ten checks: ten verdicts."""
    assert false_alarms.main(["--checks", "10", "--json"]) == 0
    tally = output(capsys)
    assert sum(row["checks"] for row in tally["verdicts"]) == tally["checks"] >= 10


def test_an_alarm_names_the_command_that_repeats_it(monkeypatch):
    """A judgement that turned on right gradients is listed with its case, and ends the run with status 1."""
    monkeypatch.setattr(false_alarms, "QUIET", ("nothing",))
    tally = false_alarms.run(2, seed=3)
    assert len(tally.alarms) == tally.checks
    assert "python -m benchmarks.detection.false_alarms --seed 3 --case 0" in tally.markdown()


def test_one_case_is_printed_again(capsys):
    """`--case` gives the case and a report for each precision."""
    assert false_alarms.main(["--case", "0"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Case(kind=") and "float64  tape" in printed


def test_smallest_errors_are_looked_for(capsys):
    """One point of one twin: each error, precision and loss factor once."""
    assert smallest_error.main(["--points", "1", "--names", "gates", "--json"]) in (0, 1)
    asked = {(row["dtype"], row["loss_factor"], row["error"]) for row in output(capsys)}
    assert len(asked) == 3 * sum(map(len, smallest_error.ERRORS.values()))


def test_planted_faults_are_counted_by_half(capsys):
    """Six faults of the gates, each in one half, all seen."""
    assert planted.main(["gates", "--sample", "6", "--json"]) == 0
    halves = output(capsys)
    assert halves["half 1"]["faults"] + halves["half 2"]["faults"] == halves["both"]["faults"] == 6
    assert halves["both"]["caught"] == 6


def test_the_cost_of_a_check_is_measured(capsys):
    """XOR: a check costs something, and more than a pass by hand."""
    assert cost.main(["xor", "--rounds", "1", "--json"]) == 0
    (row,) = output(capsys)
    assert row["parameters"] == 9 and row["milliseconds"] > row["hand_milliseconds"] > 0


def test_gradtwin_is_put_beside_its_peers(capsys):
    """Gradtwin alone: it sees the wrong entry at every point, and objects to no right gradient or kink."""
    assert peers.main(["--only", "gradtwin", "--points", "2", "--per-twin", "0", "--errors", "0.1", "--json"]) == 0
    (result,) = output(capsys)
    for counts in result["entries"].values():
        assert (counts["0.1"]["objected"], counts["0.1"]["named_tensor"], counts["0"]["objected"]) == (2, 2, 0)
    assert result["kinks"] == {"asked": 2, "objected": 0, "named_tensor": 0, "named_cause": 0, "wrong_cause": 0}


def test_a_peer_that_is_not_installed_is_said():
    """No row is left out: the table says what was not asked."""
    absent = checkers.Checker("nobody.check", "nobody", "a_module_that_is_not_there", "never", lambda problem: None)
    result = peers.examine(absent, 1, [], (0.1,))
    assert result.version is None
    assert "| `nobody.check` | not installed |" in peers.summary_table([result])


def test_a_generated_part_is_replaced_and_a_missing_one_is_refused(tmp_path):
    """The text between the markers of a name goes; what stands around stays."""
    file = tmp_path / "page.md"
    file.write_text("before\n<!-- begin a -->\nold\n<!-- end a -->\nafter\n")
    page.put("a", "new", file)
    assert file.read_text() == "before\n<!-- begin a -->\n\nnew\n\n<!-- end a -->\nafter\n"
    with pytest.raises(ValueError, match="no part between <!-- begin b -->"):
        page.put("b", "new", file)


@pytest.mark.parametrize("name", ["false alarms", "smallest error", "planted faults", "peers", "cost"])
def test_the_page_has_a_part_for_each_benchmark(name):
    """docs/detection.md holds the markers that --write looks for."""
    text = page.PAGE.read_text(encoding="utf-8")
    assert text.count(f"<!-- begin {name} -->") == text.count(f"<!-- end {name} -->") == 1
