"""gradtwin explain: the chain rule on an example, at a start, in the midst of a training, and with a fault in it."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradtwin import InputError, explain, train
from gradtwin.commands import cli
from gradtwin.commands.command_line import print_json
from gradtwin.core.report import label
from gradtwin.explanation.steps import Explanation, Step
from gradtwin.explanation.text import lines_of, plain_text
from gradtwin.faults.catalogue import planted
from gradtwin.replay.figures import figures
from gradtwin.twins import catalog

A16 = {
    "o": ("forward", "o"), "l": ("forward", "l"), "a1": ("forward", "a1"), "E": ("forward", "loss"),
    "dE/da1": ("backward", "a1"), "dE/dl": ("backward", "l"), "dE/db": ("backward", "b"),
    "dE/do": ("backward", "o"), "dE/dw": ("backward", "w"), "dE/da0": ("backward", "a0"),
    "w after": ("updates", "w"), "b after": ("updates", "b"),
}  # fmt: skip


def step_of(explanation: Explanation, part: str, name: str) -> Step:
    """Find a step by its tensor's name."""
    return next(step for step in getattr(explanation, part) if step.name == name)


@pytest.fixture(scope="module")
def neuron() -> Explanation:
    """Explain the source's own neuron."""
    return explain("neuron")


# ---- the source's gate table -------------------------------------------------------------------------


def test_the_neuron_reproduces_every_derived_number_of_a16(neuron: Explanation) -> None:
    """All thirteen, by hand, by TensorFlow and by the witness where there is one, within the figure's 1e-14."""
    figure = figures()["001-neuron"]
    tolerance = figure["tolerance"]["abs"]
    seen = set()
    for key, (part, name) in A16.items():
        (entry,) = step_of(neuron, part, name).entries
        said = [value for value in (entry.manual, entry.tensorflow, entry.witness) if value is not None]
        assert len(said) >= (2 if part == "updates" else 3)
        assert said == pytest.approx([figure["values"][key]] * len(said), rel=0, abs=tolerance)
        seen.add(key)
    local = step_of(neuron, "backward", "l").local
    assert local is not None and local.label == "∂a1/∂l"
    assert local.manual == pytest.approx(figure["values"]["da1/dl"], rel=0, abs=tolerance)
    assert local.tensorflow == pytest.approx(figure["values"]["da1/dl"], rel=0, abs=tolerance)
    assert seen | {"da1/dl"} == set(figure["values"])


def test_the_printed_gate_table_shows_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten digits of each stand in the pipe's text, every line of which has at most 80 columns and no colour."""
    assert cli.run(["explain", "neuron"]) == 0
    out = capsys.readouterr().out
    for value in figures()["001-neuron"]["values"].values():
        assert f"{value:.10g}" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out and "learning rate 0.01" in out
    order = [m[1] for m in re.finditer(r"^  (o|l|a1|E|da1|dl|do|db|dw) ", out, re.MULTILINE)]
    assert list(dict.fromkeys(order)) == ["o", "l", "a1", "E", "da1", "dl", "do", "db", "dw"]


def test_the_gates_show_the_products_of_the_chain_rule() -> None:
    """g = w x and f = g + b at w = -2, x = 5, b = 3: every gradient is its local gradient times the one above."""
    explanation = explain("gates")
    above = {step.name: step.entries[0].manual for step in explanation.backward}
    for step in explanation.backward[1:]:
        assert step.local is not None and step.local.manual is not None
        assert step.entries[0].manual == step.local.manual * above[step.local.of]
    assert (above["w"], above["x"]) == (5.0, -2.0)


def test_print_and_repr_of_an_explanation_are_one_line(neuron: Explanation) -> None:
    """Whose chain rule, at which point, and how much of it there is."""
    assert repr(neuron) == str(neuron) == f"Explanation('neuron', {neuron.point!r}, 4 values, 6 gradients)"


# ---- every twin --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in catalog.names() if n != "mnist"])
def test_every_twin_is_explained(name: str) -> None:
    """Each gradient has a formula and three values that agree; the text stays within 80 columns."""
    explanation = explain(name, seed=0)
    params, batch = catalog.get(name).point(0)
    loss, cache = catalog.get(name).manual.forward(params, *batch)
    gradients = catalog.get(name).manual.backward(params, cache)
    assert {step.name for step in explanation.backward} == set(gradients)
    for step in explanation.backward:
        assert step.formula and step.verdict == "agree"
        assert step.shape == np.shape(gradients[step.name])
        assert len(step.entries) == (np.size(gradients[step.name]) if step.whole else 1)
        for entry in step.entries:
            assert entry.manual == gradients[step.name][entry.index]
            assert entry.tensorflow == pytest.approx(entry.manual, rel=1e-9, abs=1e-12)
            assert entry.witness == pytest.approx(entry.manual, rel=1e-9, abs=1e-12)
    assert step_of(explanation, "forward", "f" if name == "gates" else "loss").entries[0].manual == float(loss)
    text = plain_text(lines_of(explanation))
    assert max(map(len, text.splitlines())) <= 80


def test_a_large_tensor_is_shown_by_its_worst_entry() -> None:
    """The entry where the two sides are furthest apart: dW of softmax_regression has 7,840."""
    step = step_of(explain("softmax_regression"), "backward", "W")
    (entry,) = step.entries
    assert not step.whole and step.error_ulps is not None
    assert entry.tensorflow is not None and entry.manual != entry.tensorflow


def test_the_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    """A list of one explanation, with every value of every step under its name."""
    assert cli.run(["explain", "neuron", "--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    gradients = {row["label"]: row["manual"] for row in document["backward"]}
    assert gradients["dl"] == pytest.approx(0.5768852611320463, abs=1e-14)
    assert document["loss"] == "E" and document["fault"] is None


# ---- in the midst of a training ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "step", "seed"), [("xor", 0, None), ("xor", 7, None), ("zoo", 3, 5), ("logistic", 1, 2)]
)
def test_a_step_of_a_training_is_that_of_gradtwin_train(name: str, step: int, seed: int | None) -> None:
    """The parameters are train's after so many updates, and those after the step train's after one more."""
    explanation = explain(name, step=step, seed=seed)
    after = train(name, steps=step + 1, seed=seed)
    before = train(name, steps=step, seed=seed).params["manual"] if step else catalog.get(name).start(seed)
    for name_of, value in before.items():
        for entry in step_of(explanation, "inputs", name_of).entries:
            assert entry.manual == value[entry.index]
        for entry in step_of(explanation, "updates", name_of).entries:
            assert entry.manual == after.params["manual"][name_of][entry.index]
            assert entry.tensorflow == after.params["tensorflow"][name_of][entry.index]


def test_a_step_with_batches_and_masks_takes_that_steps_own() -> None:
    """The loss shown is the one train records at that step: softmax_regression draws batches of 100."""
    loss = explain("softmax_regression", step=2, seed=1).forward[-1].entries[0].manual
    assert loss == train("softmax_regression", steps=3, seed=1).losses_manual[2]


# ---- with a fault in it ------------------------------------------------------------------------------


def test_a_planted_fault_is_seen_first_where_it_was_planted() -> None:
    """Of xor's faults that run, one a tensor: the step's own error is beyond rounding there and nowhere below."""
    faults = [fault for fault in planted(catalog.get("xor")) if not fault.refused and fault.home is None]
    one_each = {fault.tensor: fault for fault in faults if fault.id.endswith(":negated")}
    assert set(one_each) == {"z2", "W2", "b2", "a1", "z1", "W1", "b1", "x"}
    for tensor, fault in one_each.items():
        explanation = explain("xor", fault=fault.id)
        assert explanation.fault is not None and explanation.fault.first_seen == tensor
        own = {step.name: step.own_error_ulps for step in explanation.backward}
        assert [name for name, error in own.items() if error is not None and error > 64] == [tensor]


def test_the_text_of_a_fault_tells_its_own_error_from_what_is_inherited() -> None:
    """dz1 without its signs spoils dW1, db1 and dx; what lies above it is right."""
    text = plain_text(lines_of(explain("xor", fault="xor:dz1:magnitude")))
    table = re.search(r"How it spreads\n(.*?)\n\n", text, re.DOTALL)
    assert table is not None
    remarks = {line.split()[0]: line.rpartition("  ")[2] for line in table[1].splitlines()[1:]}
    assert remarks["dz1"] == "wrong: first seen here"
    assert [name for name, remark in remarks.items() if remark == "inherited"] == ["dW1", "db1", "dx"]
    assert "np.abs(da1 * sigmoid_derivative(z1))" in text and max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("twin", "fault", "seen"), [("neuron", "F001-4", "l"), ("neuron", "F001-1", "loss"), ("relu_mlp", "F003-3", "loss")]
)
def test_a_fault_of_the_source_is_explained_by_its_id(twin: str, fault: str, seen: str) -> None:
    """In the backward pass at its tensor; in the forward pass at the loss."""
    explanation = explain(twin, fault=fault)
    assert explanation.fault is not None and explanation.fault.first_seen == seen
    assert f"first seen in {label(seen)}" in plain_text(lines_of(explanation))


def test_a_fault_that_does_not_run_is_explained_by_its_refusal() -> None:
    """A wrong shape never comes to a comparison; the line that refuses it is the explanation."""
    fault = next(fault for fault in planted(catalog.get("xor")) if fault.refused)
    explanation = explain("xor", fault=fault.id)
    assert explanation.fault is not None and explanation.fault.refused and not explanation.backward
    assert "refused" in plain_text(lines_of(explanation))


# ---- bad input, strangers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("explain xro", "Did you mean 'xor'?"),
        ("explain xor --fault xor:dz1:magnitud", "Did you mean 'xor:dz1:magnitude'?"),
        ("explain xor --fault none", "gradtwin faults xor"),
        ("explain xor --fault xor:dz1:magnitude --step 3", "not both"),
        ("explain xor --step -1", "--step"),
    ],
)
def test_bad_input_is_told_in_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, one line, what to do."""
    assert cli.run(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err


MINE = '''
import numpy as np
import tensorflow as tf
from types import SimpleNamespace
from gradtwin import Twin

def forward(params, x):
    y = x @ params["w"]
    return (y ** 2).sum(), {"x": x, "y": y}

def backward(params, cache):
    dy = 2 * cache["y"]
    return {"y": dy, "w": cache["x"].T @ dy}

def reference(params, x):
    y = x @ params["w"]
    return {"y": y, "loss": tf.reduce_sum(y ** 2)}

side = SimpleNamespace(forward=forward, backward=backward, init_params=lambda rng: {"w": rng.normal(size=(2, 1))})
mine = Twin(name="mine", manual=side, reference=reference, batch=lambda rng: (rng.normal(size=(3, 2)),), loss="Σ y²")
'''


def test_a_strangers_twin_without_formulas_is_explained_by_its_lines_of_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The assignment stands where the formula would, and the file's name without its folder."""
    (tmp_path / "mine.py").write_text(MINE)
    assert cli.run(["explain", str(tmp_path / "mine.py:mine")]) == 0
    out = capsys.readouterr().out
    assert "dy = 2 * cache['y']" in out and "dw = cache['x'].T @ dy" in out
    assert "(mine.py:12)" in out and str(tmp_path) not in out


def test_a_file_of_two_twins_asks_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One chain rule at a time."""
    (tmp_path / "mine.py").write_text(MINE + "\nother = mine\n")
    assert cli.run(["explain", str(tmp_path / "mine.py")]) == 2
    assert "mine.py:other" in capsys.readouterr().err


def test_a_step_below_zero_is_refused_from_python() -> None:
    """The library says it as the command line does."""
    with pytest.raises(InputError, match="from 0"):
        explain("xor", step=-1)


def test_a_number_that_is_not_finite_is_null_in_the_json(monkeypatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has no infinity; a reader of the document gets null."""
    row = explain("neuron", seed=1).to_dict()
    row["backward"][0]["error_ulps"] = math.inf
    print_json([row])
    assert json.loads(capsys.readouterr().out)[0]["backward"][0]["error_ulps"] is None
