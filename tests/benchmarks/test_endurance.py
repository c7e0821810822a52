"""The endurance of checks and trainings in its short form, and that it sees what does not hold."""

import contextlib
import json

import pytest

from benchmarks.endurance import __main__ as endurance
from benchmarks.endurance import full_disk, kills, memory
from benchmarks.endurance.growth import Growth, watch
from benchmarks.endurance.outcome import Outcome
from gradtwin.backend.tensorflow_side import load_tensorflow
from gradtwin.checking import shrink_script
from gradtwin.training.tensorboard.event_file import EventFile


@pytest.mark.parametrize("part", memory.PARTS)
def test_each_kind_of_work_runs_and_is_measured(part, capsys):
    """A few of each: so few that what they cost means nothing."""
    assert memory.main([part, "3"]) == 0
    growth = Growth(**json.loads(capsys.readouterr().out))
    assert growth.done == [1, 2, 3] and min(growth.megabytes) > 50


def test_graphs_that_somebody_keeps_are_counted_and_refused():
    """A list holds on to every function traced: its graph and the function itself are two each time."""
    tf, kept = load_tensorflow(), []

    def leak(k):
        kept.append(tf.function(lambda x: x + k, autograph=False).get_concrete_function(tf.TensorSpec((), tf.float64)))

    growth = watch(leak, 8)
    assert growth.more_graphs >= 3
    assert "alive than half-way" in str(memory.judged("checks", 8, growth, 1.0, short=False))


def test_memory_that_grows_is_refused_and_level_memory_is_not():
    """One megabyte each is a slope of 1,024 kB and 20 MB from the third quarter to the last, by the definitions."""
    done = tuple(range(1, 81))
    grown, level = (Growth(done, megabytes, (5,) * 80) for megabytes in (tuple(map(float, done)), (600.0,) * 80))
    assert (round(grown.slope, 6), grown.gained) == (1024.0, 20.0)
    assert memory.judged("checks", 80, grown, 1.0, short=False).broken == ("memory grows: 20.0 MB in the last quarter",)
    assert memory.judged("checks", 80, level, 1.0, short=False).holds


def test_a_killed_training_loses_what_is_said_and_nothing_else():
    """Two kills: a training of XOR and one on digits."""
    outcome = kills.run(short=True)
    assert outcome.holds, str(outcome)
    assert outcome.figures["points kept"] > 0


@pytest.mark.parametrize("missing", ["hole", "late"])
def test_points_that_are_lost_are_seen(missing):
    """A hole on a curve, and a curve that ends a second before the training did."""
    told = [(step, step / 100) for step in range(0, 400, 10)]
    whole = list(range(0, 390, 10))
    found = whole[:5] + whole[6:] if missing == "hole" else whole[:28]
    assert kills._lost({"manual": whole, "tensorflow": whole[:-2]}, told, 10) == pytest.approx(0.1)
    with pytest.raises(kills.Broken, match="holes" if missing == "hole" else "1.00 s lost"):
        kills._lost({"manual": found, "tensorflow": whole}, told, 10)


def test_a_changed_file_of_an_earlier_run_is_seen(tmp_path):
    """Nobody may write to it again."""
    file = tmp_path / "run" / "a.tfevents"
    with pytest.raises(kills.Broken, match="has changed"):
        kills._as_they_were({file: b"one"}, {file: b"two"}, tmp_path)
    assert kills._as_they_were({file: b"one"}, {file: b"one"}, tmp_path) == []


@pytest.mark.parametrize("may_mount", [True, False])
def test_a_full_disk_is_told_and_leaves_nothing_half_written(may_mount):
    """On a small disk where one may be mounted, and by a limit on the size of files anywhere."""
    outcome = full_disk.run(short=True, may_mount=may_mount)
    assert outcome.holds, str(outcome)


def test_half_a_file_and_a_traceback_are_seen(monkeypatch):
    """Planted: event files without words for their errors, and a script that is written in its place."""
    monkeypatch.setattr(EventFile, "_reporting_errors", lambda self: contextlib.nullcontext())
    monkeypatch.setattr(shrink_script, "write_whole", lambda path, text, replace: path.write_text(text))
    broken = full_disk.run(short=True, may_mount=False).broken
    assert broken[0].startswith("train at 32 kB: ") and broken[0].endswith("Error")
    assert broken[-1] == "check: half a file was left"


def test_what_does_not_hold_is_status_1(monkeypatch, capsys):
    """In a row that says why; as JSON too."""
    monkeypatch.setitem(endurance.PARTS, "kills", lambda short: Outcome("kills", "two kills", {"MB": 1.5}, ("a hole",)))
    monkeypatch.setitem(endurance.PARTS, "disk", lambda short: Outcome("disk", "full", {}))
    assert endurance.main(["kills", "disk"]) == 1
    assert "DOES NOT HOLD: a hole" in capsys.readouterr().out
    assert endurance.main(["disk", "--json"]) == 0
    assert [row["holds"] for row in json.loads(capsys.readouterr().out)] == [True]
