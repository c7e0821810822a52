"""`gradtwin list`."""

import json

import pytest

from gradtwin.commands import cli
from gradtwin.twins import catalog
from tests.gradtwin.commands.running import run_fresh


def test_list_names_every_twin_of_the_catalogue_with_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    """`list --json` has the promised keys, in the catalogue's order; 16 x 7 + 7 = 119 parameters for zoo."""
    assert cli.run(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == catalog.names()
    assert {tuple(row) for row in rows} == {("name", "parameters", "loss", "reduction", "data", "source")}
    assert {row["name"]: row["parameters"] for row in rows}["zoo"] == 119


def test_list_for_people_fits_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is wider than the terminal everyone has."""
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.run(["list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in catalog.names())
    assert max(map(len, out.splitlines())) <= 80


def test_a_terminal_without_unicode_gets_replacements_and_no_traceback() -> None:
    """The formulas have sums and sigmas; an ASCII terminal shows question marks."""
    done = run_fresh("list", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode == 0
    assert "zoo" in done.stdout
