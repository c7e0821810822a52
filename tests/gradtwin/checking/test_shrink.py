"""A failing check, shrunk, and its script, run alone."""

import importlib
import shlex
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

import gradtwin
from gradtwin.commands import cli
from gradtwin.core.errors import InputError
from gradtwin.twins import catalog

RIGHT = textwrap.dedent("""
    from types import SimpleNamespace

    import numpy as np
    import tensorflow as tf

    import gradtwin

    def init_params(rng):
        return {"W1": rng.standard_normal((4, 5)), "b1": rng.standard_normal(5), "W2": rng.standard_normal((5, 1))}

    def forward(params, x, t):
        z1 = x @ params["W1"] + params["b1"]
        a1 = np.tanh(z1)
        r = a1 @ params["W2"] - t
        return (r**2).mean(), {"x": x, "z1": z1, "a1": a1, "r": r}

    def backward(params, cache):
        dr = 2 * cache["r"] / cache["r"].size
        dz1 = (dr @ params["W2"].T) * (1 - cache["a1"] ** 2)
        return {"r": dr, "W2": cache["a1"].T @ dr, "z1": dz1, "W1": cache["x"].T @ dz1, "b1": dz1.sum(axis=0)}

    def reference(params, x, t):
        z1 = x @ params["W1"] + params["b1"]
        a1 = tf.tanh(z1)
        r = a1 @ params["W2"] - t
        return {"z1": z1, "a1": a1, "r": r, "loss": tf.reduce_mean(r**2)}

    def batch(rng):
        return rng.standard_normal((12, 4)), rng.standard_normal((12, 1))

    def manual(params, x, t):
        loss, cache = forward(params, x, t)
        gradients = backward(params, cache)
        return loss, {name: gradients[name] for name in params}

    side = SimpleNamespace(init_params=init_params, forward=forward, backward=backward)
    TWIN = gradtwin.Twin(name="tanh", manual=side, reference=reference, batch=batch)
""")
FAULTS = {
    "a mean for a sum": ("dz1.sum(axis=0)", "dz1.mean(axis=0)"),
    "no derivative": ("(dr @ params[\"W2\"].T) * (1 - cache[\"a1\"] ** 2)", "dr @ params[\"W2\"].T"),
    "one row only": ("cache[\"a1\"].T @ dr", "cache[\"a1\"][:1].T @ dr[:1]"),
}


def write(folder: Path, fault: str | None = None) -> Path:
    """Write a user's file, right or with one fault."""
    text = RIGHT
    if fault is not None:
        right, wrong = FAULTS[fault]
        assert RIGHT.count(right) == 1
        text = RIGHT.replace(right, wrong)
    file = folder / "mine_to_shrink.py"
    file.write_text(text)
    return file


def run_alone(script: Path, elsewhere: Path) -> subprocess.CompletedProcess:
    """Run a script in a process and a folder of its own."""
    return subprocess.run([sys.executable, str(script)], cwd=elsewhere, capture_output=True, text=True)


def test_the_script_fails_alone_until_the_function_is_repaired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Status 1 with the report; after the repair of the user's file, status 0 from the same script."""
    file, script = write(tmp_path, "one row only"), tmp_path / "smallest.py"
    assert cli.run(["check", f"{file}:TWIN", "--shrink-to", str(script), "--dtype", "float64", "--route", "tape"]) == 1
    assert f"{script}: " in capsys.readouterr().out
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    failed = run_alone(script, elsewhere)
    assert failed.returncode == 1, failed.stderr
    assert "disagree, blame: manual" in failed.stdout and f"repeat: python {script}" in failed.stdout
    write(tmp_path)
    repaired = run_alone(script, elsewhere)
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr


@pytest.mark.parametrize(("fault", "rows"), [("a mean for a sum", 2), ("no derivative", 1), ("one row only", 2)])
def test_the_batch_is_as_small_as_the_fault_allows(fault: str, rows: int, tmp_path: Path) -> None:
    """A mean for a sum shows from two rows, a missing derivative on one, a lost row on two."""
    (twin,) = gradtwin_twins(write(tmp_path, fault))
    smallest = gradtwin.shrink(twin)
    assert not smallest.report.agrees
    assert [len(array) for array in smallest.batch] == [rows, rows]
    whole = gradtwin.check(twin)
    assert (smallest.report.verdict, smallest.report.first_wrong) == (whole.verdict, whole.first_wrong)


def gradtwin_twins(file: Path) -> list[gradtwin.Twin]:
    from gradtwin.twins import twin_files

    return list(twin_files.load(f"{file}:TWIN").values())


def test_entries_that_are_not_needed_become_zero_and_the_rest_short(tmp_path: Path) -> None:
    """No entry that is left can be zero and still fail; none has more than three digits."""
    (twin,) = gradtwin_twins(write(tmp_path, "no derivative"))
    smallest = gradtwin.shrink(twin)
    arrays = [*smallest.params.values(), *smallest.batch]
    numbers = np.concatenate([np.ravel(array) for array in arrays])
    left = numbers[numbers != 0]
    assert 0 < left.size <= 4
    assert all(float(f"{number:.3g}") == number for number in left)
    assert smallest.size == f"1 row, {left.size} of {numbers.size} numbers not zero"


def faulty_deep() -> gradtwin.Twin:
    """A built-in twin of any widths with a sign lost in its first layer."""
    deep = catalog.get("deep")

    def backward(params: dict, cache: dict) -> dict:
        gradients = deep.manual.backward(params, cache)
        return gradients | {"W1": -gradients["W1"]}

    side = SimpleNamespace(init_params=deep.manual.init_params, forward=deep.manual.forward, backward=backward)
    return replace(deep, name="faulty", manual=side)


def test_widths_shrink_where_the_twin_can_be_had_in_others() -> None:
    """A lost sign shows on a net of single units; the fault stays in though the widths are the built-in's."""
    smallest = gradtwin.shrink(faulty_deep())
    assert {name: p.shape for name, p in smallest.params.items()} == {
        "W1": (1, 1), "b1": (1,), "W2": (1, 1), "b2": (1,), "W3": (1, 1), "b3": (1,), "W4": (1, 1), "b4": (1,),
    }  # fmt: skip
    assert smallest.report.first_wrong == "W1"


def test_targets_of_zeros_and_ones_and_masks_keep_their_entries() -> None:
    """One row of targets of the zoo is one-hot still, for its formula is right only then."""
    zoo = catalog.get("zoo")

    def backward(params: dict, cache: dict) -> dict:
        gradients = zoo.manual.backward(params, cache)
        return gradients | {"W": 2 * gradients["W"]}

    side = SimpleNamespace(init_params=zoo.manual.init_params, forward=zoo.manual.forward, backward=backward)
    smallest = gradtwin.shrink(replace(zoo, manual=side))
    targets = smallest.batch[1]
    assert np.isin(targets, (0.0, 1.0)).all() and (targets.sum(axis=1) == 1).all()


# ---- functions -----------------------------------------------------------------------------------------


def test_a_pair_of_functions_is_shrunk_and_imported_by_its_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """From the module that holds them, wherever the script runs."""
    write(tmp_path, "a mean for a sum")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine_to_shrink", raising=False)  # another test's file of that name
    mine = importlib.import_module("mine_to_shrink")
    rng = np.random.default_rng(0)
    try:
        smallest = gradtwin.shrink_gradients(mine.manual, mine.reference, mine.init_params(rng), *mine.batch(rng))
        script = smallest.write(tmp_path / "smallest.py")
    finally:
        del sys.modules["mine_to_shrink"]
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert "from mine_to_shrink import manual as manual" in script.read_text()
    assert run_alone(script, elsewhere).returncode == 1
    write(tmp_path)
    assert run_alone(script, elsewhere).returncode == 0


def test_functions_that_no_script_can_import_are_shrunk_but_not_written(tmp_path: Path) -> None:
    """The numbers are there; the line says what is missing."""

    def reference(params: dict, x: object) -> object:
        import tensorflow as tf

        return tf.reduce_sum((params["w"] * x) ** 2)

    def manual(params: dict, x: np.ndarray) -> tuple:
        return ((params["w"] * x) ** 2).sum(), {"w": params["w"] * x**2}

    rng = np.random.default_rng(0)
    smallest = gradtwin.shrink_gradients(manual, reference, {"w": rng.random(5)}, rng.random(5))
    assert [np.count_nonzero(a) for a in (smallest.params["w"], smallest.batch[0])] == [1, 1]
    with pytest.raises(InputError, match="cannot import .*manual: expected it at the top level"):
        smallest.write(tmp_path / "smallest.py")
    assert not (tmp_path / "smallest.py").exists()


# ---- what is refused, and what is offered --------------------------------------------------------------


def test_a_check_that_does_not_fail_has_nothing_to_shrink(tmp_path: Path) -> None:
    """By the library an error; by the command line nothing to do, and no file."""
    with pytest.raises(InputError, match="xor: nothing to shrink"):
        gradtwin.shrink("xor")
    script = tmp_path / "smallest.py"
    arguments = ["check", "gates", "--dtype", "float64", "--route", "tape"]
    assert cli.run([*arguments, "--shrink-to", str(script)]) == 0
    assert not script.exists()


def test_a_file_of_somebody_elses_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused before any check runs, and so is a place that is not there."""
    theirs = tmp_path / "theirs.py"
    theirs.write_text("print('mine')\n")
    for place, message in ((theirs, "exists and was not written by"), (tmp_path / "no" / "a.py", "no directory")):
        assert cli.run(["check", "gates", "--shrink-to", str(place)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and message in err and err.count("\n") == 1
    assert theirs.read_text() == "print('mine')\n"


def test_an_earlier_script_is_replaced(tmp_path: Path) -> None:
    """The same command twice."""
    file, script = write(tmp_path, "no derivative"), tmp_path / "smallest.py"
    for _ in range(2):
        (twin,) = gradtwin_twins(file)
        gradtwin.shrink(twin, where=f"{file}:TWIN").write(script)
    assert script.read_text().startswith('"""The smallest example found by gradtwin: tanh, disagree, blame: manual')


def test_a_failing_check_offers_the_smallest_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole command, for the failure that is shown first; not into a JSON document."""
    file = write(tmp_path, "no derivative")
    arguments = ["check", f"{file}:TWIN", "--dtype", "float64", "--route", "tape"]
    assert cli.run(arguments) == 1
    offer = f"gradtwin check {file}:TWIN --dtype float64 --route tape --seed 0 --shrink-to smallest.py"
    assert offer in capsys.readouterr().out
    assert cli.run([*arguments, "--json"]) == 1
    assert "--shrink-to" not in capsys.readouterr().out


def test_numbers_are_written_to_the_last_bit(tmp_path: Path) -> None:
    """Few numbers as a literal, a large array that is nearly all zero by its entries; read back they are equal."""
    from gradtwin.checking.shrink_script import Source, write_script

    rng = np.random.default_rng(0)
    sparse = np.zeros((30, 2), np.float32)
    sparse[7, 1] = rng.random()
    low = rng.standard_normal(5).astype(ml_dtypes.bfloat16)
    params = {"W": rng.standard_normal((3, 2)), "s": np.array(0.1), "sparse": sparse, "low": low}
    batch = (rng.integers(9, size=4), rng.standard_normal(40))
    (twin,) = gradtwin_twins(write(tmp_path, "no derivative"))
    report = gradtwin.check(twin)
    script = write_script(tmp_path / "a.py", Source((), (), "check(params, batch)"), params, batch, report, "small")
    seen: dict = {}

    def keep(params: dict, batch: tuple) -> object:
        seen.update(params=params, batch=batch)
        return report

    with pytest.raises(SystemExit):
        exec(script.read_text(), {"check": keep})
    for mine, theirs in zip([*params.values(), *batch], [*seen["params"].values(), *seen["batch"]], strict=True):
        assert mine.dtype == theirs.dtype and np.array_equal(mine, theirs)
    assert "params['sparse'][7, 1] = " in script.read_text()


# ---- on the device and the shards of the failed check ----------------------------------------------------

ONE_DEVICE = textwrap.dedent("""
    from types import SimpleNamespace

    import numpy as np
    import tensorflow as tf

    import gradtwin

    def init_params(rng):
        return {"w": rng.standard_normal((3, 1))}

    def forward(params, x):
        r = x @ params["w"]
        return (r**2).sum(), {"x": x, "r": r}

    def backward(params, cache):
        return {"w": 2 * cache["x"].T @ cache["r"]}

    def manual(params, x):
        loss, cache = forward(params, x)
        return loss, backward(params, cache)

    def reference(params, x):
        # right on the first device only: its gradient is twice too large on the second
        r = x @ params["w"]
        if "CPU:1" in r.device:
            r = 2 * r - tf.stop_gradient(r)
        return tf.reduce_sum(r**2)

    def batch(rng):
        return (rng.standard_normal((6, 3)),)

    side = SimpleNamespace(init_params=init_params, forward=forward, backward=backward)
    TWIN = gradtwin.Twin(name="one device", manual=side, reference=reference, batch=batch)
""")


@pytest.fixture
def one_device(tmp_path: Path) -> Path:
    """A file whose reference is wrong on the second device only."""
    file = tmp_path / "one_device.py"
    file.write_text(ONE_DEVICE)
    return file


def test_the_line_that_is_offered_shrinks_on_the_device_of_the_failure(
    one_device: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """The offered command is run as it stands; on the CPU's first device there would be nothing to shrink."""
    words = ["check", f"{one_device}:TWIN", "--dtype", "float64", "--route", "tape"]
    assert cli.run(words) == 0
    capsys.readouterr()
    assert cli.run([*words, "--device", "CPU:1"]) == 1
    offered = capsys.readouterr().out.strip().splitlines()[-1].partition("gradtwin ")[2]
    script = one_device.parent / "smallest.py"
    assert "--device CPU:1" in offered and offered.endswith("smallest.py")
    assert cli.run([script.as_posix() if word == "smallest.py" else word for word in shlex.split(offered)]) == 1
    assert "device='CPU:1'" in script.read_text()
    alone = run_alone(script, tmp_path_factory.mktemp("elsewhere"))
    assert alone.returncode == 1 and "disagree, blame: reference" in alone.stdout, alone.stderr


def test_two_functions_shrink_on_the_device_of_the_failure(one_device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a twin does."""
    monkeypatch.syspath_prepend(str(one_device.parent))
    module = importlib.import_module("one_device")
    given = module.manual, module.reference, {"w": np.ones((3, 1))}, np.random.default_rng(0).normal(size=(6, 3))
    with pytest.raises(InputError, match="nothing to shrink"):
        gradtwin.shrink_gradients(*given)
    smallest = gradtwin.shrink_gradients(*given, device="CPU:1")
    assert smallest.report.blame == "reference" and smallest.report.device == "CPU:1"
    assert "device='CPU:1'" in smallest.source().call


def mean_of_means(params: dict, x: np.ndarray) -> tuple:
    """Data-parallel code for shards of 4 and 2, or what is left of them: its gradient is a mean of their means."""
    shards = [x[:-1], x[-1:]] if len(x) < 6 else [x[:4], x[4:]]
    means = [2 * shard.T @ (shard @ params["w"]) / len(shard) for shard in shards]
    return ((x @ params["w"]) ** 2).mean(), {"w": np.mean(means, axis=0)}


def mean_of_squares(params: dict, x: object) -> object:
    """Give the right loss."""
    return tf.reduce_mean((x @ params["w"]) ** 2)


def test_shards_shrink_with_their_rows_and_the_script_has_them() -> None:
    """Three rows in shards of 2 and 1 still show a mean of means; two rows in equal shards would not."""
    x = np.random.default_rng(1).normal(size=(6, 2))
    smallest = gradtwin.shrink_gradients(mean_of_means, mean_of_squares, {"w": np.ones((2, 1))}, x, shards=(4, 2))
    assert smallest.report.cause_id == "mean_of_means"
    assert len(smallest.batch[0]) == 3 and "shards=(2, 1)" in smallest.source().call
