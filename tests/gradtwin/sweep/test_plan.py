"""The plan: which axes apply to which twin, and what is said of the others."""

from pathlib import Path

import pytest

from gradtwin.core.errors import InputError
from gradtwin.faults.catalogue import planted
from gradtwin.sweep.axes import axes_of
from gradtwin.sweep.grid import Grid
from gradtwin.sweep.plan import plan
from gradtwin.twins import catalog


def made(kind: str, *targets: str, **axes: str) -> Grid:
    return plan(kind, targets, axes_of(kind, axes))


def test_widths_multiply_only_the_twins_that_can_be_had_in_them() -> None:
    """xor is 2-2-1 and no other: one case, and a line that says so; zoo has one layer and takes one of the two."""
    grid = made("check", "xor", "deep", "zoo", widths="2-5-1,4-3")
    counts = {block.target: block.count for block in grid.blocks}
    assert counts == {"xor": 1, "deep": 2, "zoo": 1}
    said = {note.id: note.partition(":")[0] for note in grid.notes}
    assert said == {"fixed_widths": "xor", "widths_skipped": "zoo"}


def test_widths_that_fit_no_twin_are_refused() -> None:
    """An axis without an effect is a mistake."""
    with pytest.raises(InputError, match="fits none of xor, neuron"):
        made("check", "xor", "neuron", widths="2-5-1")


def test_a_twin_that_draws_nothing_is_not_run_for_each_seed() -> None:
    """gates has one point; xor has fixed inputs but draws its parameters, so every seed is another point."""
    grid = made("check", "gates", "xor", seed="0..99")
    assert {block.target: block.count for block in grid.blocks} == {"gates": 1, "xor": 100}
    assert [(note.id, note.partition(":")[0]) for note in grid.notes] == [("one_seed", "gates")]


@pytest.mark.parametrize("name", [name for name in catalog.names() if name != "gates"])
def test_every_other_twin_has_another_point_for_another_seed(name: str) -> None:
    """No seed is folded away that draws something."""
    assert made("check", name, seed="0..4").count == 5


def test_a_training_keeps_the_ends_its_data_ask_for() -> None:
    """XOR has two inputs and one output: 3-5-1 is no training of it, 2-5-1 is."""
    grid = made("train", "deep", widths="2-5-1,3-5-1", learning_rate="0.1,0.01")
    assert grid.count == 2
    assert [note.id for note in grid.notes] == ["widths_skipped"] and "3-5-1" in grid.notes[0]


def test_a_note_that_holds_for_several_twins_is_written_once() -> None:
    """After the names of all of them; none of the widths is another note than fixed ones."""
    grid = made("check", "xor", "neuron", "deep", "zoo", widths="2-5-1")
    assert {note.id: note.partition(":")[0] for note in grid.notes} == {
        "fixed_widths": "xor, neuron", "no_widths_fit": "zoo",
    }  # fmt: skip


def test_trainings_without_names_are_those_that_have_data() -> None:
    """A node is checked on random numbers and trained on nothing."""
    assert "node_linear" not in [block.target for block in made("train").blocks]
    assert "zoo" in [block.target for block in made("train").blocks]


def test_a_campaign_has_a_case_for_each_planted_fault() -> None:
    """Those of `gradtwin faults`, by their ids; some of them by name."""
    ids = [fault.id for fault in planted(catalog.get("gates"))]
    grid = made("faults", "gates")
    assert [grid.case(n).fault for n in range(grid.count)] == ids
    assert made("faults", "gates", fault=ids[3]).count == 1
    with pytest.raises(InputError, match="no fault 'gates:nothing'"):
        made("faults", "gates", fault="gates:nothing")


def test_a_file_is_part_of_what_tells_grids_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another content is another grid; the same one is the same."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.py"
    text = "import gradtwin.catalog\ntwin = gradtwin.catalog.get('xor')\n"
    file.write_text(text)
    first = made("check", "mine.py").description()
    assert first["blocks"][0]["target"] == "mine.py:twin"
    assert made("check", "mine.py").description() == first
    file.write_text(text + "# changed\n")
    assert made("check", "mine.py").description() != first
