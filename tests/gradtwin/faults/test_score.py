"""The score is the referee's examination: nothing planted may pass, and no row may flatter it."""

import dataclasses
import json

import numpy as np
import pytest

from gradtwin.checking.check import check
from gradtwin.commands import cli
from gradtwin.core.errors import InputError
from gradtwin.faults import score as scoring
from gradtwin.faults.catalogue import PlantedFault, planted, small
from gradtwin.faults.score import judge, score, spread, tally
from gradtwin.twins import catalog

SAMPLE = 24
KEYS = {"fault", "twin", "tensor", "caught", "named_tensor", "named_cause"}

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")  # a broken page may divide by zero


def _fault(**changed):
    known = {"id": "xor:db1:none", "twin": "xor", "tensor": "b1", "cause": "sign", "line": "", "half": 1}
    return PlantedFault(**(known | {"side": catalog.get("xor").manual} | changed))


def _with_gradients(change):
    """Give the XOR page with something done to the gradients it returns."""
    page = catalog.get("xor").manual

    class Side:
        init_params, forward = page.init_params, page.forward

        def backward(params, cache):
            return change(page.backward(params, cache))

    return Side


@pytest.mark.parametrize("name", catalog.names())
def test_faults_all_over_the_backward_pass_are_caught(name):
    """A sample, evenly spread over the source; `gradtwin faults` runs them all."""
    rows = score([catalog.get(name)], sample=SAMPLE)
    assert len(rows) == min(SAMPLE, len(planted(small(catalog.get(name)))))
    assert [f"{row.fault}: {row.verdict}: {row.line}" for row in rows if not row.caught] == []


@pytest.mark.parametrize("name", catalog.names())
def test_faults_that_need_a_point_of_their_own_are_caught_there(name):
    """Kinks, square batches, two outputs, a mean, negative numbers."""
    twin = small(catalog.get(name))
    faults = [fault for fault in planted(twin) if fault.home is not None]
    rows = [judge(fault, twin) for fault in spread(faults, 12)]
    assert [f"{row.fault}: {row.verdict}: {row.line}" for row in rows if not row.caught] == []


@pytest.mark.parametrize("name", catalog.names())
def test_the_right_page_agrees_at_every_point_that_faults_are_planted_at(name):
    """It is the fault that is seen, not the point."""
    twin = small(catalog.get(name))
    homes = {id(fault.home): fault.home for fault in planted(twin) if fault.home is not None}
    for home in spread(list(homes.values()), 8):
        assert check(home).agrees, home


def test_a_fault_that_the_check_lets_pass_is_missed():
    """The right page, called a fault, is not caught."""
    row = judge(_fault(), catalog.get("xor"))
    assert row.verdict == "agree"
    assert not row.caught
    assert not row.named_tensor


def test_a_wrong_claim_is_counted_as_wrong():
    """A doubled gradient that was to be a sign: the tensor is right, the cause is another."""
    doubled = _with_gradients(lambda gradients: gradients | {"b1": 2 * gradients["b1"]})
    row = judge(_fault(side=doubled), catalog.get("xor"))
    assert row.caught
    assert row.named_tensor
    assert row.wrong_cause
    assert not row.named_cause
    assert not judge(_fault(side=doubled, also=frozenset({"factor"})), catalog.get("xor")).wrong_cause


def test_a_gradient_of_another_shape_is_refused_and_counts_as_caught():
    """The refusal names the tensor; there is no verdict to take a cause from."""
    flat = _with_gradients(lambda gradients: gradients | {"b1": gradients["b1"][:1]})
    row = judge(_fault(side=flat), catalog.get("xor"))
    assert (row.verdict, row.caught, row.named_tensor, row.nameable) == ("refused", True, True, False)


def test_an_error_of_our_own_is_not_taken_for_a_catch(monkeypatch):
    """Only an InputError refuses; anything else is a bug and comes out."""

    def broken(twin, dtype):
        raise ZeroDivisionError

    monkeypatch.setattr(scoring, "check", broken)
    with pytest.raises(ZeroDivisionError):
        judge(_fault(), catalog.get("xor"))


def test_the_tally_counts_causes_over_what_can_be_named():
    """A refused fault and one without a word do not count for the cause."""
    row = judge(_fault(), catalog.get("xor"))
    rows = [
        dataclasses.replace(row, verdict="disagree", caught=True, named_tensor=True, named_cause=True),
        dataclasses.replace(row, verdict="disagree", caught=True, wrong_cause=True),
        dataclasses.replace(row, verdict="disagree", caught=True, expected="unknown", named_cause=True),
        dataclasses.replace(row, verdict="refused", caught=True),
        row,
    ]
    sums = tally(rows)
    assert (sums.faults, sums.caught, sums.refused, sums.judged) == (5, 4, 1, 4)
    assert (sums.tensor_named, sums.nameable, sums.cause_named, sums.wrong_cause) == (1, 3, 1, 1)


def test_a_sample_is_spread_evenly_and_a_half_is_a_half():
    """And a sample larger than the list is the list."""
    faults = planted(catalog.get("gates"))
    assert spread(faults, None) == spread(faults, 10**6) == faults
    assert [faults.index(fault) for fault in spread(faults, 3)] == [i * len(faults) // 3 for i in range(3)]
    halves = [{row.fault for row in score([catalog.get("gates")], half=half)} for half in (1, 2)]
    assert halves[0] | halves[1] == {fault.id for fault in faults}
    assert not halves[0] & halves[1]


def test_a_large_network_is_broken_in_small_widths():
    """The same page, the same depth; a small one is taken as it is."""
    mnist = catalog.get("mnist")
    assert len(small(mnist).widths) == len(mnist.widths)
    assert sum(np.size(p) for p in small(mnist).point(0)[0].values()) < 1000
    assert small(catalog.get("deep")) is catalog.get("deep")


def test_the_command_prints_one_json_document_with_a_row_a_fault(capsys):
    """Exit status 0 when every fault is caught."""
    assert cli.run(["faults", "gates", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == len(planted(catalog.get("gates")))
    assert all(set(row) >= KEYS for row in rows)
    assert all(row["caught"] for row in rows)


def test_the_command_prints_every_fault_of_a_named_twin_and_the_score(capsys):
    """A line a fault, and the sum."""
    assert cli.run(["faults", "node_mean", "--sample", "4"]) == 0
    out = capsys.readouterr().out
    assert out.count("node_mean:dx:") == 4
    assert "In all: 4 of 4 faults detected" in out


def test_the_command_fails_when_a_fault_is_missed(monkeypatch, capsys):
    """Exit status 1, and the missed fault stands in the table even where faults are not listed."""
    monkeypatch.setattr(scoring, "planted", lambda twin: [_fault()])
    monkeypatch.setattr(catalog, "names", lambda: ["xor"])
    assert cli.run(["faults"]) == 1
    out = capsys.readouterr().out
    assert "agree: MISSED" in out
    assert "0 of 1 fault detected" in out


def test_an_unknown_twin_is_refused(capsys):
    """Exit status 2 and a suggestion."""
    assert cli.run(["faults", "xro"]) == 2
    assert "Did you mean 'xor'?" in capsys.readouterr().err


def test_judging_passes_only_input_errors_as_refusals():
    """A side that raises is refused in one line that names the exception."""

    def raises(gradients):
        raise KeyError("W3")

    row = judge(_fault(side=_with_gradients(raises)), catalog.get("xor"))
    assert row.verdict == "refused"
    assert "KeyError" in row.text
    with pytest.raises(InputError):
        check(_fault(side=_with_gradients(raises)).planted_in(catalog.get("xor")))
