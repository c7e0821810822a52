"""The report of a check: what it says, in what order, and when it agrees."""

import math
from dataclasses import replace
from typing import Any

import pytest

from gradtwin.core.errors import Disagreement
from gradtwin.core.report import Report, TensorReport, Worst, failure_lines, label, shape_text, tensor_table
from gradtwin.core.verdicts import Blame, CauseId, Note, Verdict


def tensor(name: str, verdict: str = "agree", error: float = 1.0, **given: Any) -> TensorReport:
    """One row."""
    worst = given.pop("worst", Worst((0, 1), 0.5, 0.25, 0.25))
    return TensorReport(name, (4, 2), "float64", Verdict(verdict), error, 64.0, worst, **given)


def report(*tensors: TensorReport, verdict: str = "agree", **given: Any) -> Report:
    """A report of some rows."""
    settings = {"twin": "xor", "dtype": "float64", "route": "tape", "seed": 3} | given
    return Report(verdict=Verdict(verdict), tensors=tensors, **settings)


WRONG = report(
    tensor("loss"), tensor("W1", "disagree", 4e15, beyond=3), verdict="disagree", blame=Blame.MANUAL,
    where="first: dW1", cause="dW1 is half the right one", cause_id=CauseId.FACTOR, command="gradtwin check xor",
    notes=(Note("n", "More."),),
)  # fmt: skip


# ---- whether it agrees -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "kinks", "agrees"),
    [
        ("agree", "any", True),
        ("rounding", "any", True),
        ("kink", "any", True),
        ("kink", "reference", False),
        ("rounding", "reference", True),
        ("undecidable", "any", False),
        ("disagree", "any", False),
    ],
)
def test_a_report_agrees_by_its_verdict_and_the_rule_for_kinks(verdict: str, kinks: str, agrees: bool) -> None:
    """What disagrees raises, with the whole text; what agrees does not."""
    shown = report(tensor("w", verdict), verdict=verdict, kinks=kinks)
    assert shown.agrees is agrees
    if agrees:
        shown.raise_for_disagreement()
    else:
        with pytest.raises(Disagreement) as raised:
            shown.raise_for_disagreement()
        assert str(raised.value) == str(shown)


def test_a_formula_that_is_judged_apart_must_agree_too() -> None:
    """Rounding in bfloat16 says nothing of a formula that is wrong in float64."""
    low = report(tensor("w"), dtype="bfloat16")
    assert replace(low, formula=report(tensor("w"))).agrees
    assert not replace(low, formula=report(tensor("w", "disagree"), verdict="disagree")).agrees


# ---- the table -------------------------------------------------------------------------------------


def test_one_check_has_a_row_for_each_tensor_in_the_given_order() -> None:
    """Name, shape, error, bound, verdict; the numbers to the right."""
    table = tensor_table([report(tensor("loss"), tensor("z1", "kink", 1e15))])
    assert table.head == ("tensor", "shape", "float64 ulp", "bound", "verdict")
    assert table.rows == (("loss", "[4, 2]", "1", "64", "agree"), ("dz1", "[4, 2]", "1e+15", "64", "kink"))
    assert table.numbers == {2, 3}


def test_several_checks_stand_side_by_side_with_the_largest_error_of_each_dtype() -> None:
    """One column a dtype, whatever the routes; the gravest verdict; not finite is the largest of all."""
    checks = [
        report(tensor("w", error=2.0)),
        report(tensor("w", "rounding", error=math.nan), route="xla"),
        report(tensor("w", error=7.0), route="gradients"),
        report(tensor("w", error=5.0), tensor("b", error=1.0), dtype="float32"),
    ]
    table = tensor_table(checks)
    assert table.head == ("tensor", "shape", "float64 ulp", "bound", "float32 ulp", "bound", "verdict")
    assert table.rows == (
        ("dw", "[4, 2]", "not finite", "64", "5", "64", "rounding"),
        ("db", "[4, 2]", "", "", "1", "64", "agree"),
    )


def test_a_formula_that_is_judged_apart_has_its_own_columns() -> None:
    """The verdict is that of the dtype asked for."""
    low = report(tensor("w", error=3.0), dtype="bfloat16", formula=report(tensor("w", "disagree", error=1e15)))
    table = tensor_table([low])
    assert table.head[2:] == ("bfloat16 ulp", "bound", "formula, float64 ulp", "bound", "verdict")
    assert table.rows == (("dw", "[4, 2]", "3", "64", "1e+15", "64", "agree"),)


@pytest.mark.parametrize(("name", "shown"), [("loss", "loss"), ("W1", "dW1"), ("<value> (graph)", "value (graph)")])
def test_a_row_is_labelled_as_a_gradient_unless_it_is_a_value(name: str, shown: str) -> None:
    """The loss and a function's value are compared too."""
    assert label(name) == shown


def test_shapes_are_written_in_brackets() -> None:
    """A scalar has none."""
    assert [shape_text(shape) for shape in ((), (3,), (16, 7))] == ["[]", "[3]", "[16, 7]"]


# ---- the text --------------------------------------------------------------------------------------


def test_a_failure_says_where_how_much_why_and_how_to_repeat_it() -> None:
    """Both sides and the independent derivative by their names; how many entries are off, if not all."""
    assert failure_lines(WRONG) == [
        "  dW1[0, 1]: manual 0.5, reference 0.25, independent derivative 0.25; 4e+15 ulp apart, at most 64 allowed; "
        "3 of 8 entries are off",
        "  first: dW1",
        "  likely cause: dW1 is half the right one",
        "  repeat: gradtwin check xor",
    ]


def test_a_side_that_nobody_witnessed_stands_alone() -> None:
    """No third value is made up, and no share where every entry is off."""
    (line,) = failure_lines(report(tensor("w", "disagree", 1e9, beyond=8, worst=Worst((1, 0), 1.0, 2.0))))
    assert line == "  dw[1, 0]: manual 1.0, reference 2.0; 1e+09 ulp apart, at most 64 allowed"


def test_of_many_wrong_tensors_the_first_are_explained_and_the_rest_counted() -> None:
    """From the loss backwards, since a wrong step spoils all behind it; the table has them all."""
    many = report(*(tensor(f"W{i}", "disagree", 1e9) for i in range(60)), verdict="disagree", cause="c")
    lines = failure_lines(many)
    assert [line.split("[")[0].strip() for line in lines[:-2]] == [f"dW{i}" for i in range(8)]
    assert lines[-2:] == ["  and 52 tensors more, in the table", "  likely cause: c"]
    assert len(str(many).splitlines()) == 1 + 61 + 10


def test_what_agrees_has_nothing_to_explain() -> None:
    """Nor has a kink; lost digits have."""
    assert failure_lines(report(tensor("w"), tensor("z", "kink"), command="gradtwin check xor")) == []
    assert len(failure_lines(report(tensor("w", "rounding"), command="gradtwin check xor"))) == 2


def test_a_wrong_formula_is_told_once_under_its_dtype() -> None:
    """Of a check in bfloat16: what the formula explains is not told as rounding again."""
    formula = report(tensor("w", "disagree"), tensor("b"), verdict="disagree")
    low = report(tensor("w", "disagree"), tensor("b", "rounding"), dtype="bfloat16", formula=formula)
    first, head, second = failure_lines(low)
    assert first.startswith("  db[") and "from the independent derivative" in first
    assert head == "  the formula, at the same point in float64:" and second.startswith("  dw[")


def test_the_text_is_the_headline_the_table_the_failure_and_the_notes() -> None:
    """In this order; the table is set in by two blanks."""
    lines = str(WRONG).splitlines()
    assert lines[0] == "xor  float64  tape  seed 3: disagree, blame: manual"
    assert lines[1:4] == [f"  {line}" for line in tensor_table([WRONG]).lines()]
    assert lines[4:] == [*failure_lines(WRONG), "More."]


def test_the_repr_is_one_line_that_says_what_came_of_it() -> None:
    """A prompt shows it, and a list of reports stays readable."""
    assert repr(WRONG) == "<Report xor  float64  tape  seed 3: disagree, blame: manual>"


def test_the_plain_data_has_the_words_as_strings() -> None:
    """JSON's keys in their order; a formula only where there is one."""
    data = WRONG.to_dict()
    assert list(data) == [
        "twin", "dtype", "route", "device", "seed", "verdict", "blame", "cause", "cause_id", "first_wrong", "notes",
        "tensors",
    ]  # fmt: skip
    words = {key: data[key] for key in ("verdict", "blame", "cause_id", "notes")}
    assert words == {"verdict": "disagree", "blame": "manual", "cause_id": "factor", "notes": ["More."]}
    assert data["tensors"][1] == {
        "name": "W1", "shape": [4, 2], "dtype": "float64", "verdict": "disagree", "error_ulps": 4e15,
        "bound_ulps": 64.0, "beyond": 3,
        "worst": {"index": [0, 1], "manual": 0.5, "reference": 0.25, "witness": 0.25},
    }  # fmt: skip
    assert "formula" in replace(WRONG, formula=report()).to_dict()
