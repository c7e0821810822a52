"""The command line: what it prints, where, and with which exit status."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path

import pytest

from gradtwin.commands import cli
from gradtwin.twins import catalog

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
    """Write a user's file with a right twin and one whose gradient lacks the factor 2."""
    file = tmp_path / "squares.py"
    file.write_text(TWIN_FILE)
    return file


def run_fresh(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
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
        "import gradtwin, gradtwin.commands.cli, gradtwin.catalog",
        "import gradtwin.commands.cli; gradtwin.commands.cli.run(['list'])",
        "import gradtwin.commands.cli; gradtwin.commands.cli.run(['--help'])",
        "import gradtwin.commands.cli; gradtwin.commands.cli.run(['check', 'xro'])",
        "import gradtwin.commands.cli; gradtwin.commands.cli.run([])",
    ],
)
def test_what_does_not_compare_or_train_loads_no_tensorflow(code: str) -> None:
    """Help, list and a refused name answer at once, so TensorFlow and matplotlib stay unloaded."""
    loaded = modules_after(code)
    assert "gradtwin.commands.cli" in loaded
    assert not loaded & {"tensorflow", "keras", "matplotlib", "tensorboard"}


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


def test_list_for_people_fits_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_train_runs_every_twin_at_every_learning_rate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`train --json` has one row a run, the promised keys, and the files where the row says."""
    rates = ["--learning-rate", "0.1", "--learning-rate", "0.01"]
    logdir = tmp_path / "logs"
    assert cli.run(["train", "xor", "logistic", *rates, "--steps", "5", "--logdir", str(logdir), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(r["twin"], r["learning_rate"], r["steps"]) for r in rows] == [
        (twin, rate, 5) for twin in ("xor", "logistic") for rate in (0.1, 0.01)
    ]
    promised = "twin run dtype learning_rate steps manual tensorflow gap diverged_at".split()
    for row in rows:
        assert set(promised) <= set(row)
        assert {"loss", "accuracy"} <= set(row["manual"]) & set(row["tensorflow"])
        assert {"manual", "tensorflow"} <= {part.name for part in (logdir / row["twin"] / row["run"]).iterdir()}


def test_zoo_is_trained_as_its_source_prints_it_beside_the_right_way(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Both reach 100 % within 310 updates, the row where 000 stops printing; only the faulty side drifts."""
    assert cli.run(["train", "zoo", "--logdir", str(tmp_path), "--json"]) == 0
    right, faulty = json.loads(capsys.readouterr().out)
    assert (right["variant"], faulty["variant"]) == ("", "F000-1+F000-2")
    for row in (right, faulty):
        at_310 = row["logged"]["step"].index(310)
        assert set(row["logged"]["accuracy_manual"][at_310:]) == {1.0}
    assert right["diverged_at"] is None and right["gap"] < 1e-9
    assert faulty["gap"] > 1


def test_train_for_people_shows_both_sides_the_gap_and_where_the_files_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Loss, accuracy, predictions and gap; no progress bar and no escape codes in a pipe."""
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.run(["train", "xor", "--steps", "200", "--logdir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert len(re.findall(r"^  (?:manual|reference) +0\.\d+ +\d+\.00 %", out, re.MULTILINE)) == 2
    assert "prediction, 4 rows" in out
    assert "after 200 updates, never above 1e-6" in out
    assert str(tmp_path / "xor") in out
    assert "\x1b" not in out and "training xor" not in out


def test_hidden_widths_make_another_network(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`--hidden 3 --hidden 4` trains 2-3-4-1: parameters of three layers."""
    options = ["--hidden", "3", "--hidden", "4", "--steps", "2", "--seed", "1", "--json"]
    assert cli.run(["train", "wide", *options, "--logdir", str(tmp_path)]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert set(row["logged"]["gap"]) == {"W1", "b1", "W2", "b2", "W3", "b3"}


def test_ctrl_c_ends_the_training_in_order(tmp_path: Path) -> None:
    """Exit 130, the summary so far on stdout, no traceback, event files that can be read."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    process = subprocess.Popen(
        [sys.executable, "-m", "gradtwin", "train", "xor", "--steps", "1000000", "--logdir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    while not all(any(tmp_path.glob(f"xor/*/{side}/*")) for side in ("manual", "tensorflow")):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped by Ctrl-C after" in out
    assert err == ""
    for file in tmp_path.glob("xor/*/*/*"):
        assert len(list(EventFileLoader(str(file)).Load())) > 1


def test_replay_prints_each_figure_in_its_own_digits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As printed, by hand, by TensorFlow; 001 prints the hand-set weights as whole numbers."""
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.run(["replay", "001-handset", "001-logistic-h"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"^  (\w+) +5 -7 -8 3$", out, re.MULTILINE) == ["printed", "manual", "TensorFlow"]
    assert re.findall(r"^  (\w+) +0\.5 0\.5 0\.5 0\.5$", out, re.MULTILINE) == [
        "printed",
        "manual",
        "TensorFlow",
    ]
    assert "2 of 2 figures reproduced." in out


def test_a_figure_that_is_not_reproduced_fails_the_replay(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted error in the hand-set start is seen: exit 1, and the figure is named."""
    from gradtwin.replay import RECIPES

    monkeypatch.setitem(RECIPES, "001-handset", lambda bench: [[5.0, -7.0], [-8.0, 4.0]])
    assert cli.run(["replay", "001-handset"]) == 1
    assert "not reproduced: 001-handset." in capsys.readouterr().out
    assert cli.run(["replay", "001-handset", "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert list(row)[:7] == "figure source system printed manual tensorflow reproduced".split()
    assert row["reproduced"] is False


def test_a_figure_that_needs_mnist_says_so_and_does_not_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without MNIST the rest still passes, and nobody reads that the figure was reproduced."""
    monkeypatch.delenv("GRADTWIN_MNIST_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert cli.run(["replay", "001-handset", "004-losses"]) == 0
    assert "1 of 2 figures reproduced; 1 need" in capsys.readouterr().out


def test_board_serves_on_localhost_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    """TensorBoard answers on 127.0.0.1, and both processes are gone after Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gradtwin", "board", "--logdir", str(tmp_path), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    address = next(match for line in process.stderr if (match := re.search(r"http://127\.0\.0\.1:\d+/", line)))
    with urllib.request.urlopen(address.group()) as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    with pytest.raises(OSError):
        urllib.request.urlopen(address.group())
