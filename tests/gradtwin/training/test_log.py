"""When a training's points are written, and that without files neither side is asked for anything."""

from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gradtwin.backend.tensorflow_side import resolve
from gradtwin.training import log as training_log
from gradtwin.training.batches import Chunk
from gradtwin.training.lockstep import train
from gradtwin.training.log import LogPoint, TrainingLog
from gradtwin.training.manual_side import ManualTrainer
from gradtwin.training.plan import make_plan
from gradtwin.training.reference_side import ReferenceTrainer
from gradtwin.training.tensorboard.lockstep_board import LockstepBoard
from gradtwin.twins import catalog


@pytest.fixture
def parts(tmp_path):
    """The gates' plan, a board and both halves at the start."""
    plan = make_plan(catalog.get("gates"))
    reference = resolve(plan.twin.reference)
    board = LockstepBoard(plan, tmp_path, "run", reference)
    manual = ManualTrainer(plan.manual, plan.start, "gd", learning_rate=1.0)
    theirs = ReferenceTrainer(reference, plan.start, optimizer="gd", learning_rate=0.01, looped=False)
    yield plan, board, manual, theirs
    board.close()


def _point(step):
    one = dict.fromkeys(("manual", "tensorflow"), 1.0)
    return LogPoint(step, loss=one, accuracy=one, gap={"w": 0.0})


def _written(board):
    found = EventAccumulator(str(board.directory / "manual")).Reload()
    return [point.step for point in found.Scalars("loss")] if "loss" in found.Tags()["scalars"] else []


def test_points_wait_for_one_another_until_they_are_saved(parts, monkeypatch):
    """None is in the file before, all are after it; each gets its gaps in ulp and relative."""
    monkeypatch.setattr(training_log, "SECONDS_BETWEEN_SAVES", 1e9)
    log = TrainingLog(*parts)
    points = [_point(step) for step in range(3)]
    for point in points:
        log.remember()
        log.point(point)
    assert _written(parts[1]) == []
    log.save()
    assert _written(parts[1]) == [0, 1, 2]
    table = log.table()
    assert table["step"] == [0, 1, 2]
    assert table["gap_ulp"] == table["gap_relative"] == {"w": [0.0] * 3, "b": [0.0] * 3}


def test_a_point_is_written_at_once_when_the_last_save_is_long_ago(parts, monkeypatch):
    """So that a page opened during a long training is up to date."""
    monkeypatch.setattr(training_log, "SECONDS_BETWEEN_SAVES", -1.0)
    log = TrainingLog(*parts)
    log.remember()
    log.point(_point(7))
    assert _written(parts[1]) == [7]


def test_a_point_does_not_wait_for_the_next_one(parts, monkeypatch):
    """Where points are rare, it is written once it has waited long enough: between two chunks of steps, say."""
    monkeypatch.setattr(training_log, "SECONDS_BETWEEN_SAVES", 1e9)
    log = TrainingLog(*parts)
    log.remember()
    log.point(_point(0))
    log.save_if_due()
    assert _written(parts[1]) == []
    monkeypatch.setattr(training_log, "SECONDS_BETWEEN_SAVES", -1.0)
    log.save_if_due()
    assert _written(parts[1]) == [0]


def test_a_training_asks_after_every_chunk_whether_to_save(tmp_path, monkeypatch):
    """Two points, the first long before the second: it is there to be read while the steps between are taken."""
    monkeypatch.setattr(training_log, "SECONDS_BETWEEN_SAVES", 1e9)
    seen = []

    def progress(done, steps):
        seen.append(_written(SimpleNamespace(directory=next(tmp_path.glob("*/*")))))
        monkeypatch.setattr(training_log, "SECONDS_BETWEEN_SAVES", -1.0)

    train("mnist", data="digits", steps=4, log_every=2, logdir=tmp_path, progress=progress)
    assert seen[0] == [] and seen[1] == [0]


def test_the_gaps_are_of_the_parameters_that_were_remembered(parts):
    """What the sides do between looking and writing does not count."""
    plan, board, manual, theirs = parts
    log = TrainingLog(plan, board, manual, theirs)
    log.remember()
    manual.advance(Chunk(0, 1, plan.rows, ()))
    log.point(_point(0))
    log.save()
    log.remember()
    log.point(_point(1))
    log.save()
    at_first, later = log.table()["gap_relative"]["w"]
    assert at_first == 0.0 and later > 0.1


def test_without_a_board_no_side_is_asked_for_anything():
    """A training without files costs nothing for them."""
    log = TrainingLog(make_plan(catalog.get("gates")), None, None, None)  # type: ignore[arg-type]
    log.remember()
    log.point(_point(0))
    log.state(0, (), {}, last=True)
    log.scores(0, "test", {})
    log.end(0, {}, None)
    log.save()
    assert log.table()["gap"] == {"w": [0.0]} and log.table()["gap_ulp"] == {}
