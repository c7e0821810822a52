"""One entry that is a little wrong is caught, however large the loss; a long run is in benchmarks/detection."""

import pytest

from benchmarks.detection.problems import at_point, scaled, with_wrong_entry
from benchmarks.detection.smallest_error import TARGET, trials
from gradtwin.checking.check import check
from gradtwin.faults.catalogue import small
from gradtwin.twins import catalog


@pytest.mark.parametrize("name", catalog.names())
def test_one_wrong_entry_is_caught_whatever_the_size_of_the_loss(name):
    """1e-10 in float64 and 1e-2 in float32, in an entry of any gradient, with the loss times 1, 1e-6 and 1e6."""
    missed = [trial for trial in trials(small(catalog.get(name)), points=1, only_target=True) if not trial.caught]
    assert missed == []


@pytest.mark.parametrize("factor", [1.0, 1e-6, 1e6])
@pytest.mark.parametrize("dtype", TARGET)
def test_a_right_gradient_agrees_whatever_the_size_of_the_loss(factor, dtype):
    """The scaled twins themselves are right: what is caught above is the wrong entry."""
    verdicts = {name: check(scaled(at_point(catalog.get(name)), factor), dtype=dtype).verdict
                for name in ("xor", "relu_mlp", "neuron", "node_softmax")}  # fmt: skip
    assert set(verdicts.values()) == {"agree"}


def test_an_entry_that_tame_points_leave_at_zero_is_not_excused():
    """A relu unit alive here and dead at the tame points: its gradient, 1e-8 off, is no digit TensorFlow lost."""
    twin = scaled(at_point(small(catalog.get("mnist"))), 1e6)
    report = check(with_wrong_entry(twin, "z4", (0, 3), 1e-8))
    assert (report.verdict, report.blame) == ("disagree", "manual")
