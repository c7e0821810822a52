"""`gradtwin check`: what it prints, where, and with which exit status."""

import json
import re
from pathlib import Path

import pytest

from gradtwin.commands import cli
from gradtwin.twins import catalog
from tests.gradtwin.commands.running import run_fresh


def test_a_check_leaves_stderr_empty_and_one_json_document_on_stdout() -> None:
    """TensorFlow's and XLA's notes are written by C++, past Python's sys.stderr: look at the real one."""
    done = run_fresh("check", "gates", "xor", "--json")
    assert done.stderr == ""
    rows = json.loads(done.stdout)
    assert [(r["twin"], r["dtype"], r["route"]) for r in rows] == [
        (twin, dtype, route)
        for twin in ("gates", "xor")
        for dtype in ("float64", "float32")
        for route in ("tape", "gradients", "xla")
    ]
    assert {row["verdict"] for row in rows} == {"agree"}
    assert done.returncode == 0


def test_a_user_file_that_loads_tensorflow_first_is_silent_too(twin_file: Path) -> None:
    """The environment is set before the user's own `import tensorflow`."""
    done = run_fresh("check", f"{twin_file.name}:right", "--route", "xla", cwd=twin_file.parent)
    assert done.stderr == ""
    assert done.returncode == 0


def test_check_prints_each_tensor_with_shape_error_and_bound(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One table a twin, both dtypes side by side, within 80 columns and without escape codes in a pipe."""
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.run(["check", "zoo"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^dW +\[16, 7\] +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +agree", out, re.MULTILINE)
    assert "1 twin, 6 checks: every gradient agrees." in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_wrong_gradient_fails_with_its_worst_entry_and_the_command_that_repeats_it(
    twin_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted factor 1/2 is refused: exit 1, the entry with both values, and a command that fails again."""
    monkeypatch.chdir(twin_file.parent)
    assert cli.run(["check", "squares.py", "--dtype", "float64", "--route", "tape"]) == 1
    out = capsys.readouterr().out
    ((manual, reference),) = re.findall(r"dW\[\d, \d\]: manual ([^\s,;]+), reference ([^\s,;]+)", out)
    assert float(manual) == pytest.approx(float(reference) / 2)
    assert "wrong failed" in out and "right  agree" in out
    (command,) = re.findall(r"repeat: gradtwin (.*)", out)
    assert command == "check squares.py:wrong --dtype float64 --route tape --seed 0"
    assert cli.run(command.split()) == 1


def test_what_user_code_prints_stays_out_of_the_json_document(
    twin_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stdout holds one JSON document and nothing else; the file's print goes to stderr."""
    assert cli.run(["check", f"{twin_file}:wrong", "--dtype", "float64", "--route", "tape", "--json"]) == 1
    out, err = capsys.readouterr()
    assert [row["verdict"] for row in json.loads(out)] == ["disagree"]
    assert "the user's own words" in err


def test_dtype_and_route_narrow_the_check_and_seed_moves_the_point(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One dtype, one route: one report; another seed, other values."""

    def worst_of_weight(seed: str) -> list[float]:
        options = ["--dtype", "float32", "--route", "gradients", "--seed", seed, "--json"]
        assert cli.run(["check", "logistic", *options]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        assert (row["dtype"], row["route"], row["seed"]) == ("float32", "gradients", int(seed))
        return [t["worst"]["manual"] for t in row["tensors"] if t["name"] == "W"]

    assert worst_of_weight("1") != worst_of_weight("2")


def test_the_numeric_check_has_its_rows_once_for_each_dtype_and_only_where_it_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No route changes the manual side, so the first route has the rows; without --numeric there is no such key."""
    assert cli.run(["check", "gates", "--numeric", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    with_rows = [(row["dtype"], row["route"]) for row in rows if "numeric" in row]
    assert with_rows == [("float64", "tape"), ("float32", "tape")]
    assert all(entry["passed"] for row in rows for entry in row.get("numeric", []))
    assert cli.run(["check", "gates", "--numeric"]) == 0
    assert len(re.findall(r"^  tensor +numeric +manual +error +result$", capsys.readouterr().out, re.MULTILINE)) == 2
    assert cli.run(["check", "gates", "--json"]) == 0
    assert not any("numeric" in row for row in json.loads(capsys.readouterr().out))


# ---- two replicas, other devices ---------------------------------------------------------------------

MIRRORED = ["--route", "mirrored", "--dtype", "float64"]


def test_of_all_twins_those_without_examples_are_left_out_by_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A twin that is asked for by its name is refused instead; where stdout is JSON, stderr says what is left out."""
    monkeypatch.setattr(catalog, "names", lambda: ["gates", "xor", "node_relu"])
    assert cli.run(["check", *MIRRORED]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.endswith(": gates, node_relu.") and last.startswith("1 twin, 1 check: ")
    assert cli.run(["check", *MIRRORED, "--json"]) == 0
    out, err = capsys.readouterr()
    assert [(row["twin"], row["route"], row["device"]) for row in json.loads(out)] == [("xor", "mirrored", None)]
    assert err.strip() == first


def test_the_report_names_the_device_that_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """By the name the user gave it."""
    assert cli.run(["check", "xor", "--route", "xla", "--dtype", "float64", "--device", "CPU:1", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["route"], row["device"]) == ("xla", "CPU:1")


def test_a_failure_on_two_replicas_is_shrunk_on_one(
    twin_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The smallest batch has one example, which cannot be cut; the wrong gradient is wrong there too."""
    monkeypatch.chdir(twin_file.parent)
    assert cli.run(["check", "squares.py:wrong", *MIRRORED, "--shrink-to", "smallest.py"]) == 1
    out = capsys.readouterr().out
    assert "blame: manual" in out and "python smallest.py" in out
    assert "route='tape'" in Path("smallest.py").read_text()


def test_a_failure_on_a_device_is_shrunk_on_that_device(twin_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script asks for it too: what fails on that device alone would not fail elsewhere."""
    monkeypatch.chdir(twin_file.parent)
    settings = ["--route", "tape", "--dtype", "float64", "--device", "CPU:1"]
    assert cli.run(["check", "squares.py:wrong", *settings, "--shrink-to", "smallest.py"]) == 1
    assert "device='CPU:1'" in Path("smallest.py").read_text()
