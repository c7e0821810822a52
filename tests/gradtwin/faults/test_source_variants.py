"""Each fault of the sources is declared; where it is a program, the check refuses it at its point."""

from dataclasses import replace

import numpy as np
import pytest

import gradtwin
from gradtwin.core.errors import InputError
from gradtwin.faults.source_variants import SOURCE_FAULTS, zoo_of_000
from gradtwin.replay import figures
from gradtwin.twins import catalog
from gradtwin.twins.datasets import load
from gradtwin.twins.philox import seed777_start
from manual_grads.networks import neuron, relu_mlp, zoo
from manual_grads.optimizers import gradient_descent

PLANTED = [fault for fault in SOURCE_FAULTS.values() if fault.twin]
DECLARED = [fault for fault in SOURCE_FAULTS.values() if not fault.twin]
COUNTS = {"F000": 8, "F001": 18, "F002": 11, "F003": 6, "F004": 13}

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")  # overflow is the point of N


def _refused(twin, dtype="float64"):
    try:
        return gradtwin.check(twin, dtype=dtype).verdict != "agree"
    except InputError as error:  # the contract itself is broken: a gradient of another shape
        return "shape" in str(error)


def test_every_fault_of_every_document_is_declared():
    """The ids run without a gap, so that none is repaired in silence."""
    expected = [f"{document}-{i}" for document, count in COUNTS.items() for i in range(1, count + 1)]
    assert list(SOURCE_FAULTS) == expected
    for fault in SOURCE_FAULTS.values():
        assert fault.wrong
        assert fault.right
        assert set(fault.kind) <= set("GLNSRDOT")
        assert bool(fault.twin) != bool(fault.why_not)


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.id)
def test_the_check_refuses_the_fault(fault):
    """With the fault in its hand-derived side the twin does not agree."""
    assert _refused(fault.plant())


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.id)
def test_the_right_formula_passes_at_the_same_point(fault):
    """It is the fault that is refused, not the point it is shown at."""
    right = replace(fault.plant(), manual=catalog.get(fault.twin).manual)
    assert gradtwin.check(right).agrees


@pytest.mark.parametrize("fault_id", ["F000-3", "F001-15"])
def test_float32_shows_the_losses_of_rounded_probabilities(fault_id):
    """1 - p is zero where the unit saturates, its logarithm infinite, and 0 times that is NaN."""
    twin = SOURCE_FAULTS[fault_id].plant()
    params, batch = twin.point()
    params = {name: p.astype("float32") for name, p in params.items()}
    loss, _ = twin.manual.forward(params, *(array.astype("float32") for array in batch))
    assert not np.isfinite(loss)
    assert _refused(twin, "float32")


@pytest.mark.parametrize("fault", DECLARED, ids=lambda fault: fault.id)
def test_what_is_no_program_cannot_be_planted(fault):
    """The reason is told."""
    with pytest.raises(InputError, match=f"{fault.id} cannot be planted: {fault.why_not}"):
        fault.plant()


def test_a_fault_that_is_planted_changes_nothing_in_the_catalogue():
    """Planting gives another twin."""
    before = catalog.get("zoo").manual
    SOURCE_FAULTS["F000-1"].plant()
    assert catalog.get("zoo").manual is before


# ---- the measured consequences ---------------------------------------------------------------------


def _zoo_slopes(side, dtype="float64"):
    animals, params = load("zoo"), seed777_start("A1", dtype)
    x, t = animals.inputs.astype(dtype), animals.targets.astype(dtype)
    return side.backward(params, side.forward(params, x, t)[1])


def test_f000_1_moves_every_bias_by_the_same_number():
    """By lr times 199.52 at the start, in the program of 000 (float32, with F000-2)."""
    np.testing.assert_allclose(_zoo_slopes(zoo_of_000, "float32")["b"], 199.52, atol=5e-3)
    assert len(np.unique(_zoo_slopes(SOURCE_FAULTS["F000-1"].manual)["b"])) == 1
    assert len(np.unique(_zoo_slopes(zoo)["b"])) == 7


def test_f000_2_is_off_where_units_saturate():
    """The largest error of D is 0.784, 19 of 707 entries are off by more than 1e-3."""
    error = abs(_zoo_slopes(SOURCE_FAULTS["F000-2"].manual)["z"] - _zoo_slopes(zoo)["z"])
    assert error.max() == pytest.approx(0.784, abs=5e-4)
    assert (error > 1e-3).sum() == 19


def test_the_program_of_000_has_both_of_its_faults():
    """Its dW is that of F000-2, its db that of both."""
    both, second = _zoo_slopes(zoo_of_000), _zoo_slopes(SOURCE_FAULTS["F000-2"].manual)
    np.testing.assert_array_equal(both["W"], second["W"])
    np.testing.assert_allclose(both["b"], second["b"].sum())


def _printed_neuron(side):
    params, data = neuron.source_params(), load("neuron")
    loss, cache = side.forward(params, data.inputs, data.targets)
    return loss, side.backward(params, cache)


def test_the_printed_neuron_shows_the_faults_of_its_formulas():
    """E = -0.860 (F001-1), dl = 0.5768850 for 0.5768853 (F001-4), da1 = 0.577 for 2.363 (F001-13)."""
    assert _printed_neuron(SOURCE_FAULTS["F001-1"].manual)[0] == pytest.approx(-0.860, abs=5e-4)
    assert _printed_neuron(SOURCE_FAULTS["F001-4"].manual)[1]["l"] == pytest.approx(0.5768850, abs=5e-8)
    assert _printed_neuron(SOURCE_FAULTS["F001-13"].manual)[1]["a1"] == pytest.approx(0.577, abs=5e-4)
    assert _printed_neuron(neuron)[1]["a1"] == pytest.approx(2.363, abs=5e-4)


@pytest.mark.parametrize(
    ("fault_id", "system", "answers"),
    [("F001-2", "A2", [0.004, 0.996, 0.996, 0.004]), ("F001-3", "A4", [0.342, 0.334, 0.991, 0.333])],
)
def test_training_xor_with_the_fault_ends_as_measured(fault_id, system, answers):
    """F001-2 gives each example a bias of its own and 'solves' XOR; F001-3 does not solve it."""
    side, data = SOURCE_FAULTS[fault_id].manual, load("xor")
    params = seed777_start(system, "float64")
    for _ in range(10_001):
        slopes = side.backward(params, side.forward(params, data.inputs, data.targets)[1])
        params = gradient_descent(params, slopes, 0.1)
    p = side.forward(params, data.inputs, data.targets)[1]["p"].ravel()
    np.testing.assert_allclose(p, answers, atol=6e-4)


def test_f002_2_is_flat_forward_and_steep_backward():
    """At x = 1e-20 backward gives -1e15, the truth is -1e20."""
    twin = SOURCE_FAULTS["F002-2"].plant()
    params, batch = twin.point()
    slopes = twin.manual.backward(params, twin.manual.forward(params, *batch)[1])
    assert slopes["x"][0, 0] == pytest.approx(-1e15)


def test_f003_3_is_a_factor_of_ten():
    """1.7297814 beside 17.297814, at the reconstructed weights of 003."""
    W1, W2 = (np.array(figures()[name]["values"]) for name in ("003-W", "003-W2"))
    params = {"W1": W1, "b1": np.zeros(16), "W2": W2, "b2": np.zeros(1)}
    batch = load("relu_points").inputs, load("relu_points").targets
    assert SOURCE_FAULTS["F003-3"].manual.forward(params, *batch)[0] == pytest.approx(1.7297814, abs=5e-8)
    assert relu_mlp.forward(params, *batch)[0] == pytest.approx(17.297814, abs=5e-7)


def test_f004_2_does_not_look_at_which_row_has_which_label():
    """Shuffling the labels changes nothing."""
    side, rng = SOURCE_FAULTS["F004-2"].manual, np.random.default_rng(4)
    params = {"W": rng.standard_normal((3, 4)), "b": rng.standard_normal(4)}
    x, t = rng.standard_normal((6, 3)), np.eye(4)[[0, 1, 2, 3, 3, 1]]
    assert side.forward(params, x, t)[0] == pytest.approx(side.forward(params, x, t[::-1])[0], rel=1e-14)


@pytest.mark.parametrize("twin", catalog.twins(), ids=lambda twin: twin.name)
def test_no_side_touches_numpy_s_global_generator(twin):
    """F004-6 is not repeated: drawing parameters and points leaves other draws of the program alone."""
    before = np.random.get_state()[1].copy()  # noqa: NPY002  (the generator in question)
    twin.start(0)
    params, batch = twin.point(0)
    twin.manual.forward(params, *batch)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_the_stale_index_of_004_raises_for_some_sizes_and_is_silent_for_one():
    """F004-3: `z[range(size), labels]` with another batch's size; only a size of 1 is broadcast over all labels."""
    z, labels = np.arange(15.0).reshape(5, 3), np.array([0, 2, 1, 0, 2])
    with pytest.raises(IndexError):
        z[np.arange(3), labels]
    np.testing.assert_array_equal(z[np.arange(1), labels], z[0, labels])
