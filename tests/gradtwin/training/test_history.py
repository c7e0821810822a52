"""What a training recorded, and its form in JSON."""

import json

import numpy as np
import pytest

from gradtwin.training import lockstep as training
from gradtwin.training.history import History, first_divergence


def _history(**changes):
    settings = {
        "twin": "xor",
        "run": "lr0.1",
        "dtype": "float64",
        "learning_rate": 0.1,
        "steps": 2,
        "manual": {"loss": 0.5, "accuracy": 1.0},
        "tensorflow": {"loss": 0.5, "accuracy": 1.0},
        "gap": 0.0,
        "diverged_at": None,
        "losses_manual": np.zeros(2),
        "losses_tensorflow": np.zeros(2),
        "gaps": np.zeros(3),
        "predictions": {"manual": np.zeros((4, 1)), "tensorflow": np.zeros((4, 1))},
        "params": {"manual": {}, "tensorflow": {}},
    }
    return History(**settings | changes)


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([0.0, 1e-9, 2e-6, 1e-9], 2),
        ([0.0, 1e-6], None),
        ([0.0, np.nan], 1),
        ([0.0, 1e-7, np.inf], 2),
        ([0.0], None),
    ],
)
def test_divergence_is_the_first_gap_not_within_1e_6(gaps, expected):
    """A gap that is not a number is no agreement."""
    assert first_divergence(np.array(gaps)) == expected


def test_json_row_begins_with_the_documented_names():
    """Scripts depend on them; what is new comes after."""
    expected = ["twin", "run", "dtype", "learning_rate", "steps", "manual", "tensorflow", "gap", "diverged_at"]
    assert list(_history().to_dict())[:9] == expected


def test_a_real_run_is_strict_json_and_comes_back_equal():
    """No array, no NaN, no numpy number is left in it."""
    row = training.train("zoo", steps=4, log_every=2, seed=1, dtype="float32").to_dict()
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert row["logged"]["step"] == [0, 2, 4]
    assert np.shape(row["predictions"]["manual"]) == (101, 7)
    assert set(row["manual"]) == set(row["tensorflow"]) == {"loss", "accuracy"}


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, np.float32(np.nan)])
def test_numbers_json_cannot_hold_become_null(number):
    """They are no less visible for that: diverged_at tells where."""
    row = _history(gap=number, manual={"loss": number, "accuracy": None}).to_dict()
    assert row["gap"] is None
    assert row["manual"] == {"loss": None, "accuracy": None}


def test_many_predictions_are_left_out_of_json():
    """60,000 rows are for the array, not for a terminal."""
    many = {"manual": np.zeros((129, 1)), "tensorflow": np.zeros((129, 1))}
    assert _history(predictions=many).to_dict()["predictions"] is None
    assert _history().to_dict()["predictions"]["manual"] == [[0.0]] * 4


def test_a_history_prints_its_end_in_a_few_lines_and_its_repr_in_one():
    """Both losses, the gap and when it opened; not the hundreds of numbers it holds."""
    history = training.train("xor", steps=300)
    text = str(history)
    assert len(text) < 400 and len(text.splitlines()) == 5
    assert f"{history.manual['loss']:.8g}" in text and f"{history.tensorflow['loss']:.8g}" in text
    assert f": {history.gap:.3g}, never above 1e-6." in text
    assert len(repr(history)) < 120 and "300 steps" in repr(history)


def test_a_history_that_parted_says_when():
    """After which step the gap was first above 1e-6."""
    assert "first above 1e-6 after step 1." in str(_history(diverged_at=1))
