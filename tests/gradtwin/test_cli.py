"""The command line: what it prints, where, and with which exit status."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path

import pytest

from gradtwin import catalog, cli

TWIN_FILE = textwrap.dedent("""
    from types import SimpleNamespace

    import tensorflow as tf

    import gradtwin

    print("the user's own words")


    def init_params(rng):
        return {"W": rng.standard_normal((3, 2))}


    def forward(params, x):
        y = x @ params["W"]
        return (y**2).sum(), {"x": x, "y": y}


    def backward(params, cache):
        return {"W": 2 * cache["x"].T @ cache["y"]}


    def without_the_two(params, cache):
        return {"W": cache["x"].T @ cache["y"]}


    def reference(params, x):
        return tf.reduce_sum(tf.square(x @ params["W"]))


    def batch(rng):
        return (rng.standard_normal((4, 3)),)


    right_side = SimpleNamespace(init_params=init_params, forward=forward, backward=backward)
    wrong_side = SimpleNamespace(init_params=init_params, forward=forward, backward=without_the_two)
    right = gradtwin.Twin(name="right", manual=right_side, reference=reference, batch=batch)
    wrong = gradtwin.Twin(name="wrong", manual=wrong_side, reference=reference, batch=batch)
""")


@pytest.fixture
def twin_file(tmp_path: Path) -> Path:
    file = tmp_path / "squares.py"
    file.write_text(TWIN_FILE)
    return file


def run_fresh(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `gradtwin` in a process of its own, away from the settings of this one."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "COLUMNS"))}
    return subprocess.run(
        [sys.executable, "-m", "gradtwin", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=inherited | environment,
    )


def modules_after(code: str) -> set[str]:
    """Run code in a fresh process and give the modules it has loaded."""
    code = f"{code}\nimport sys; print('modules:', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("modules:")[2].split())


@pytest.mark.parametrize(
    "code",
    [
        "import gradtwin, gradtwin.cli, gradtwin.catalog",
        "import gradtwin.cli; gradtwin.cli.run(['list'])",
        "import gradtwin.cli; gradtwin.cli.run(['--help'])",
        "import gradtwin.cli; gradtwin.cli.run(['check', 'xro'])",
        "import gradtwin.cli; gradtwin.cli.run([])",
    ],
)
def test_what_does_not_compare_or_train_loads_no_tensorflow(code: str) -> None:
    """Help, list and a refused name answer at once, so TensorFlow and matplotlib stay unloaded."""
    loaded = modules_after(code)
    assert "gradtwin.cli" in loaded
    assert not loaded & {"tensorflow", "keras", "matplotlib", "tensorboard"}


def test_a_check_leaves_stderr_empty_and_one_json_document_on_stdout() -> None:
    """TensorFlow's start-up and XLA's notes are written by C++, past Python's sys.stderr: look at the real one."""
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


def test_gradtwin_alone_says_what_to_do_first(capsys: pytest.CaptureFixture[str]) -> None:
    """The bare command is a question, not a mistake."""
    assert cli.run([]) == 0
    assert "First steps" in capsys.readouterr().out


def test_version_is_the_package_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`gradtwin --version` names the release."""
    assert cli.run(["--version"]) == 0
    assert re.fullmatch(r"gradtwin \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_list_names_every_twin_of_the_catalogue_with_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    """`list --json` has the promised keys, in the catalogue's order; 16 x 7 + 7 = 119 parameters for zoo."""
    assert cli.run(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == catalog.names()
    assert {tuple(row) for row in rows} == {("name", "parameters", "loss", "reduction", "data", "source")}
    assert {row["name"]: row["parameters"] for row in rows}["zoo"] == 119


def test_list_for_people_fits_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is wider than the terminal everyone has."""
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.run(["list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in catalog.names())
    assert max(map(len, out.splitlines())) <= 80


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
    manual, reference = re.search(r"dW\[\d, \d\]: manual (\S+), TensorFlow (\S+);", out).groups()  # type: ignore[union-attr]
    assert float(manual) == pytest.approx(float(reference) / 2)
    assert "wrong failed" in out and "right  agree" in out
    command = re.search(r"repeat: gradtwin (.*)", out).group(1)  # type: ignore[union-attr]
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


def test_a_reader_that_stops_reading_is_no_error() -> None:
    """`gradtwin list | head -1` ends without a traceback."""
    command = f"{sys.executable} -m gradtwin list | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stdout.startswith("gates")
    assert done.stderr == ""


def test_a_terminal_without_unicode_gets_replacements_and_no_traceback() -> None:
    """The formulas have sums and sigmas; an ASCII terminal shows question marks."""
    done = run_fresh("list", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode == 0
    assert "zoo" in done.stdout


def test_board_serves_on_localhost_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    """TensorBoard answers on 127.0.0.1, and both processes are gone after Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gradtwin", "board", "--logdir", str(tmp_path), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    address = next(
        match for line in process.stderr if (match := re.search(r"http://127\.0\.0\.1:\d+/", line))
    )
    with urllib.request.urlopen(address.group()) as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    with pytest.raises(OSError):
        urllib.request.urlopen(address.group())
