"""Twins in a user's own file."""

import textwrap
from pathlib import Path

import pytest

from gradtwin.core.errors import InputError
from gradtwin.twins import twin_files

SIDES = textwrap.dedent("""
    from types import SimpleNamespace
    from gradtwin import Twin

    def forward(params, x):
        return (params["w"] * x).sum(), {"x": x}

    def backward(params, cache):
        return {"w": cache["x"]}

    def init_params(rng):
        return {"w": rng.standard_normal(3)}

    manual = SimpleNamespace(init_params=init_params, forward=forward, backward=backward)
    first = Twin(name="first", manual=manual, reference=forward, batch=lambda rng: (rng.random(3),))
    second = Twin(name="second", manual=manual, reference=forward, batch=lambda rng: (rng.random(3),))
    plain = SimpleNamespace(manual=manual, reference=forward, batch=first.batch, loss="w x")
    half = SimpleNamespace(manual=manual)
""")


def write(folder: Path, text: str) -> str:
    """Write the user's file and give its path."""
    file = folder / "mine.py"
    file.write_text(text)
    return str(file)


def test_a_file_alone_gives_every_twin_in_its_order(tmp_path: Path) -> None:
    """Each comes under the FILE.py:OBJECT that names it alone."""
    file = write(tmp_path, SIDES)
    assert {target: twin.name for target, twin in twin_files.load(file).items()} == {
        f"{file}:first": "first",
        f"{file}:second": "second",
    }


def test_an_object_with_both_sides_and_a_batch_becomes_a_twin(tmp_path: Path) -> None:
    """It takes the name of the object and whatever fields of Twin it has."""
    (twin,) = twin_files.load(write(tmp_path, SIDES) + ":plain").values()
    assert (twin.name, twin.loss) == ("plain", "w x")
    assert twin.point(0)[0]["w"].shape == (3,)


def test_a_file_may_import_its_neighbours(tmp_path: Path) -> None:
    """The file's own folder is searched, as `python FILE.py` does."""
    (tmp_path / "neighbour_of_mine.py").write_text(SIDES)
    assert list(twin_files.load(write(tmp_path, "from neighbour_of_mine import first\n")).values())[0].name == "first"


@pytest.mark.parametrize("target", ["mine.py", "mine.py:first", "some/where/mine.py", "C:mine.py:first"])
def test_a_file_is_told_from_a_name(target: str) -> None:
    """What has .py before its last colon is a file."""
    assert twin_files.is_file_target(target)
    assert not twin_files.is_file_target("xor")


@pytest.mark.parametrize(
    ("text", "object_name", "message"),
    [
        (SIDES, ":frist", "has no 'frist'. Did you mean 'first'?"),
        (SIDES, ":half", "it has no reference, no batch"),
        ("x = 1\n", "", "holds no gradtwin.Twin"),
        ("x = 1\n", ":x", "is no twin but a int"),
        ("x = 1\n\nraise KeyError('lost')\n", "", "does not import: KeyError: 'lost' (line 3)"),
        ("import not_on_this_machine\n", "", "No module named 'not_on_this_machine' (line 1)"),
        ("x = = 1\n", "", "SyntaxError: invalid syntax (mine.py, line 1)"),
        ("raise SystemExit\n", "", "does not import: SystemExit (line 1)"),
    ],
)
def test_a_file_without_what_was_asked_for_is_refused_in_one_line(
    tmp_path: Path, text: str, object_name: str, message: str
) -> None:
    """The line says what is missing, or which line of the user's file failed and how."""
    with pytest.raises(InputError) as refusal:
        twin_files.load(write(tmp_path, text) + object_name)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The path comes back as it was given."""
    with pytest.raises(InputError, match="There is no file .*nowhere.py"):
        twin_files.load(str(tmp_path / "nowhere.py"))
