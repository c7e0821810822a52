"""No right gradient is called wrong, wherever it is asked for; a long run is benchmarks/detection/false_alarms.py."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.detection.cases import DRAWN, INPUT_SCALES, KINDS, Case, draw, is_telling
from benchmarks.detection.drawn_nets import ACTIVATIONS, LOSSES, REDUCTIONS
from benchmarks.detection.false_alarms import DTYPES, QUIET, case_of, reports, run
from gradtwin.checking.check import check

WIDTH = st.integers(1, 12)
CASES = st.builds(
    Case,
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 40),
    inputs=WIDTH,
    hidden=st.lists(WIDTH, max_size=4).map(tuple),
    outputs=st.integers(1, 10),
    weight_scale=st.floats(-3, 3).map(lambda exponent: 10.0**exponent),
    input_scale=st.sampled_from(INPUT_SCALES),
    zeros=st.booleans(),
    activation=st.sampled_from(ACTIVATIONS),
    loss=st.sampled_from(LOSSES),
    reduction=st.sampled_from(REDUCTIONS),
    masks=st.booleans(),
)


def alarms(case):
    """Give the reports that object to a case's right gradients."""
    return [str(report) for report in reports(case) if report.verdict not in QUIET]


@given(CASES)
@settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_right_gradient_is_called_wrong(case):
    """Any twin, node or drawn network at any point, in both precisions: agree or rounding."""
    assert alarms(case) == []


def test_no_right_gradient_of_a_new_seed_is_called_wrong():
    """Sixty checks at points nobody has seen; the seed is printed, and repeats them."""
    seed = int(np.random.default_rng().integers(2**31))
    print(f"python -m benchmarks.detection.false_alarms --checks 60 --seed {seed}")
    tally = run(60, seed)
    assert tally.alarms == [], tally.markdown()


# Both sides lose digits at these saturated points: the hand more in the last layers, TensorFlow everything in
# the first ones.
SATURATED = [
    Case("deep", 1839080572, 21, 12, (4, 2, 12, 12), 1, 465.55405822945215, 0.01, True, "tanh", "bce", "mean", True),
    Case("drawn", 3765899699, 9, 2, (6, 12, 11), 4, 100.5322985077034, 0.01, True, "tanh", "squared", "mean", True),
    Case("drawn", 79771248, 37, 1, (9, 5), 8, 150.6486424500849, 1.0, True, "tanh", "squared", "mean", True),
    Case("wide", 3174173440, 31, 1, (8, 12, 2), 3, 50.33888742824911, 1.0, True, "sigmoid", "bce", "sum", False),
    Case("drawn", 2324147902, 24, 3, (11, 12, 10, 2), 7, 80.24270382354906, 255.0, 0, "sigmoid", "bce", "mean", True),
    Case("drawn", 1106763411, 26, 9, (12, 12, 1), 3, 49.128631273408146, 1.0, True, "sigmoid", "ce", "mean", True),
    Case("drawn", 824763363, 17, 4, (1, 8, 7, 7), 1, 32.73409976676554, 1.0, False, "sigmoid", "squared", "sum", True),
]


@pytest.mark.parametrize("case", SATURATED, ids=lambda case: str(case.seed))
def test_digits_lost_by_the_hand_in_one_layer_make_no_other_layer_wrong(case):
    """Rounding that is blamed on the hand is no evidence of a wrong formula in another tensor."""
    assert alarms(case) == []


# In the first case hand and TensorFlow lie 8 and 61 ulp from the long double's value, on opposite sides; in the
# others one rounding of the inputs moves the gradient by more than the hand is off.
ILL_CONDITIONED = [
    Case("neuron", 31690419, 35, 12, (), 5, 0.003997880565072739, 255.0, False, "sigmoid", "ce", "mean", False),
    Case("drawn", 1549665317, 16, 8, (12, 4, 2), 7, 0.6816426352014225, 255.0, False, "sigmoid", "ce", "mean", True),
    Case("drawn", 995383457, 6, 3, (4, 7, 2, 4), 6, 28.229897689756804, 255.0, False, "sigmoid", "ce", "mean", True),
]


@pytest.mark.parametrize("case", ILL_CONDITIONED, ids=lambda case: str(case.seed))
def test_digits_that_no_code_could_keep_are_not_blamed_on_the_hand(case):
    """Small differences on both sides agree; an ill-conditioned point is nobody's fault."""
    assert [report.blame for report in reports(case) if report.blame == "manual"] == []


def test_a_loss_that_does_not_move_is_no_proof_of_a_slope_of_zero():
    """Behind saturated layers dx is 1e-173: a difference quotient of 0 there is rounding and condemns nobody."""
    widths = (5, 10, 3, 2)
    case = Case("drawn", 3802672312, 12, 11, widths, 10, 274.9968211564086, 255.0, True, "tanh", "bce", "sum", True)
    assert alarms(case) == []


@pytest.mark.parametrize("case", [SATURATED[0], SATURATED[4]], ids=lambda case: str(case.seed))
def test_a_fault_at_such_a_point_is_still_seen(case):
    """The same points with one of the last layer's gradients off by 1e-6 disagree."""
    twin = case.twin()
    last = max(name for name in twin.at[0] if name.startswith("W"))
    wrong = ScaledGradient(twin.manual, last, 1 + 1e-6)
    report = check(replace(twin, manual=wrong))
    assert (report.verdict, report.blame) == ("disagree", "manual")


class ScaledGradient:
    """A side one of whose gradients is multiplied by a number."""

    def __init__(self, side, name, factor):
        self.side, self.name, self.factor, self.forward = side, name, factor, side.forward

    def backward(self, params, cache):
        gradients = self.side.backward(params, cache)
        return gradients | {self.name: gradients[self.name] * gradients[self.name].dtype.type(self.factor)}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_fault_in_a_drawn_network_is_seen(activation, loss):
    """What raises no alarm when right is refused when a bias's gradient is 1e-6 off: the drawn twins are real."""
    case = replace(case_of(0, 0), kind=DRAWN, activation=activation, loss=loss, weight_scale=0.5, input_scale=1.0)
    case = replace(case, hidden=(5, 4), zeros=False, rows=6)
    for dtype, error in zip(DTYPES, (1e-6, 1e-2), strict=True):
        twin = case.twin()
        wrong = replace(twin, manual=ScaledGradient(twin.manual, "b2", 1 + error))
        assert check(wrong, dtype=dtype).verdict == "disagree"


def test_cases_cover_every_kind_and_both_precisions():
    """A thousand draws hold every twin, each activation and loss, and few points beyond the precision."""
    drawn = [draw(np.random.default_rng([0, n])) for n in range(1000)]
    assert {case.kind for case in drawn} == set(KINDS)
    assert {(case.activation, case.loss, case.reduction) for case in drawn if case.kind == DRAWN} == {
        (a, l, r) for a in ACTIVATIONS for l in LOSSES for r in REDUCTIONS
    }
    telling = [is_telling(case.twin(), "float32") for case in drawn[:200]]
    assert np.mean(telling) > 0.9


def test_a_gradient_that_is_rightly_zero_is_undecidable_and_nobodys_fault():
    """The softmax of one class is 1: dx is 0 on both sides, although dy is not."""
    case = replace(case_of(0, 0), kind="node_softmax", inputs=1, zeros=False)
    assert list(reports(case)) == []
    report = check(case.twin())
    assert (report.verdict, report.blame) == ("undecidable", None)
