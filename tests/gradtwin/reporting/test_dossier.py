"""What a report gathers: the same checks, trainings and faults that the other commands give."""

import numpy as np
import pytest

from gradtwin import Twin, check, train
from gradtwin.faults.score import score
from gradtwin.reporting.dossier import (
    CELLS,
    FAULTS_A_TWIN,
    FEWEST_STEPS,
    Dossier,
    affordable_steps,
    error_map,
    history_row,
    without_directory,
)
from gradtwin.twins import catalog


def test_the_checks_are_those_of_gradtwin_check(dossier: Dossier) -> None:
    """Both precisions, all three routes, the same errors."""
    xor = dossier.pages[1]
    assert len(xor.reports) == 6
    for report in xor.reports:
        again = check("xor", dtype=report.dtype, route=report.route)
        assert [t.error_ulps for t in report.tensors] == [t.error_ulps for t in again.tensors]
        assert report.command == f"gradtwin check xor --dtype {report.dtype} --route {report.route} --seed 0"


def test_the_training_is_that_of_gradtwin_train(dossier: Dossier) -> None:
    """The command the report gives repeats its losses."""
    xor = dossier.pages[1]
    assert xor.history is not None
    again = train("xor", steps=xor.history.steps)
    np.testing.assert_array_equal(xor.history.losses_manual, again.losses_manual)
    np.testing.assert_array_equal(xor.history.gaps, again.gaps)
    assert f"gradtwin train xor --steps {again.steps}" in xor.commands
    assert history_row(again)["loss_manual"] == again.manual["loss"]


def test_the_faults_are_those_of_gradtwin_faults(dossier: Dossier) -> None:
    """The command the report gives repeats its rows."""
    assert list(dossier.pages[1].faults) == score([catalog.get("xor")], sample=FAULTS_A_TWIN)
    assert f"gradtwin faults xor --sample {FAULTS_A_TWIN}" in dossier.pages[1].commands


def test_the_boundary_is_what_both_trained_sides_answer(dossier: Dossier) -> None:
    """At the grid's points, with the trained parameters; a node and a network with one input have none."""
    xor = dossier.pages[1]
    assert xor.boundary is not None and xor.history is not None
    point = np.array([[xor.boundary.first[3], xor.boundary.second[7]]])
    _, cache = xor.twin.manual.forward(xor.history.params["manual"], point, np.zeros((1, 1)))
    assert xor.boundary.manual[7, 3] == pytest.approx(cache["p"].item(), abs=1e-15)
    np.testing.assert_allclose(xor.boundary.tensorflow, xor.boundary.manual, atol=1e-12)
    assert xor.boundary.manual.shape == (len(xor.boundary.second), len(xor.boundary.first))
    assert dossier.pages[0].boundary is None and dossier.pages[2].boundary is None


def test_a_node_is_not_trained_and_says_why(dossier: Dossier) -> None:
    """There is no curve without a network."""
    assert dossier.pages[2].history is None and dossier.pages[2].untrained.id == "single_operation"


def test_a_wrong_twin_makes_the_report_fail(dossier: Dossier, right: Dossier) -> None:
    """One wrong gradient among right ones; without it the report passes."""
    assert not dossier.passed and not dossier.pages[-1].agrees
    assert right.passed


def test_a_map_shows_every_entry_of_a_small_tensor_and_the_worst_of_each_block_of_a_large_one() -> None:
    """One wrong number of 512 by 784 stays visible."""
    ours = np.ones((3, 2))
    theirs = ours.copy()
    theirs[2, 1] += 3 * np.spacing(1.0)
    small = error_map("W", ours, theirs)
    assert small.ulps.tolist() == [[0, 0], [0, 0], [0, 3]] and small.exact == pytest.approx(5 / 6)
    large, other = np.ones((512, 784)), np.ones((512, 784))
    other[511, 783] = 2.0
    shown = error_map("W", large, other)
    assert shown.ulps.shape == CELLS and shown.ulps[-1, -1] > 1e15 and (shown.ulps > 0).sum() == 1
    assert error_map("b", np.array(1.0), None).ulps.shape == (1, 1)
    assert np.isinf(error_map("b", np.array([np.nan]), np.array([1.0])).ulps).all()


def test_a_large_network_takes_fewer_steps_than_its_own() -> None:
    """mnist would train for minutes; xor takes all of its steps."""
    assert affordable_steps(catalog.get("xor")) == catalog.get("xor").training.steps
    assert FEWEST_STEPS <= affordable_steps(catalog.get("mnist")) < catalog.get("mnist").training.steps


@pytest.mark.parametrize(
    ("target", "short"),
    [("xor", "xor"), ("/home/me/mine.py:twin", "mine.py:twin"), ("../mine.py:twin", "mine.py:twin"), ("a.b", "a.b")],
)
def test_a_target_loses_its_folder(target: str, short: str) -> None:
    """The command still names the file; who runs it stands beside it."""
    assert without_directory(target) == short


def test_a_page_in_which_no_fault_can_be_planted_is_reported_without(evil: Twin, dossier: Dossier) -> None:
    """The checks stand; the table of faults has no rows of it, or rows that were seen."""
    assert all(row.caught for row in dossier.pages[-1].faults)
    assert len(dossier.pages[-1].reports) == 6
