"""A stranger's gradient that cannot be checked: one clear line, exit status 2, their line and not ours."""

import textwrap
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import gradtwin
from gradtwin.commands import cli

HEAD = textwrap.dedent("""
    import numpy as np
    import tensorflow as tf
    from types import SimpleNamespace
    from gradtwin import Twin

    def init_params(rng):
        return {"w": rng.standard_normal(3)}

    def forward(params, x):
        return np.tanh(params["w"] * x).sum(), {"x": x}

    def backward(params, cache):
        return {"w": cache["x"] / np.cosh(params["w"] * cache["x"]) ** 2}

    def reference(params, x):
        return tf.reduce_sum(tf.tanh(params["w"] * x))

    def batch(rng):
        return (rng.standard_normal(3),)
""")
TAIL = textwrap.dedent("""
    manual = SimpleNamespace(init_params=init_params, forward=forward, backward=backward)
    mine = Twin(name="mine", manual=manual, reference=reference, batch=batch)
""")
FAULTS = {
    "forward returns None": ("def forward(params, x):\n    pass", "expected (loss, cache), got None"),
    "backward returns None": ("def backward(params, cache):\n    pass", "expected a dictionary of arrays, got None"),
    "a gradient is missing": ("def backward(params, cache):\n    return {}", "lack w"),
    "a gradient of nothing": (
        "def backward(params, cache):\n    return {'w': cache['x'], 'v': cache['x']}",
        "'v', which is not a parameter",
    ),
    "another shape": (
        "def backward(params, cache):\n    return {'w': cache['x'][:2]}",
        "Gradient of w: expected shape (3,), got (2,)",
    ),
    "float32 for float64": (
        "def backward(params, cache):\n    return {'w': cache['x'].astype(np.float32)}",
        "Gradient of w: expected dtype float64, got float32",
    ),
    "a vector for a loss": (
        "def reference(params, x):\n    return tf.tanh(params['w'] * x)",
        "The reference's loss: expected one scalar, got shape (3,); take the sum or the mean.",
    ),
    "a reference that returns None": ("def reference(params, x):\n    pass", "expected a scalar tensor"),
    "a dictionary without a loss": ("def reference(params, x):\n    return {'los': x}", "got the keys los"),
    "a reference of other keys": (
        "def reference(params, x):\n    return tf.reduce_sum(params['W'])",
        "The reference raised KeyError: 'W'",
    ),
    "an exception of theirs": (
        "def backward(params, cache):\n    return {'w': cache['y']}",
        "The manual function raised KeyError: 'y'",
    ),
    "an exception deep in numpy": (
        "def forward(params, x):\n    return params['w'] @ np.ones((4, 2)), {}",
        "The manual function raised ValueError: matmul",
    ),
    "parameters that are no dictionary": ("def init_params(rng):\n    return [1.0]", "a dictionary of arrays"),
    "a batch that is no tuple": ("def batch(rng):\n    return rng.standard_normal(3)", "batch as a tuple"),
    "an exception while drawing": ("def batch(rng):\n    return rng.normall(3)", "'mine' raised AttributeError"),
    "a forward that draws": (
        "def forward(params, x):\n    return np.random.random(), {'x': x}",
        "for the same arguments: expected one number",
    ),
    "a forward of other arguments": ("def forward(params, x, t):\n    return 0.0, {}", "give one array for each"),
}


def write(folder: Path, fault: str = "", *, tail: str = TAIL) -> str:
    """Write a user's file in which a later definition replaces a right one."""
    file = folder / "mine.py"
    file.write_text(HEAD + "\n" + fault + "\n" + tail)
    return str(file)


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused, and give its one line."""
    status = cli.run(arguments)
    out, err = capsys.readouterr()
    assert status == 2
    assert "Traceback" not in out + err
    assert err.startswith("gradtwin: ") and err.count("\n") == 1
    return err


def test_the_file_is_right_before_anything_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every refusal below comes of the one definition that was replaced."""
    assert cli.run(["check", write(tmp_path), "--route", "tape"]) == 0


@pytest.mark.parametrize("route", ["tape", "gradients"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_side_that_breaks_the_contract_is_told_in_one_line(
    fault: str, route: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says what was expected and what came; status 2, eagerly and in a graph."""
    code, message = FAULTS[fault]
    file = write(tmp_path, code)
    assert message in refusal(["check", file, "--route", route, "--dtype", "float64"], capsys)


@pytest.mark.parametrize("route", ["tape", "gradients", "xla"])
@pytest.mark.parametrize("side", ["an exception of theirs", "a reference of other keys"])
def test_an_exception_in_their_code_names_their_file_and_line(
    side: str, route: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their file and the number of their line, on every way to TensorFlow's gradient."""
    code = FAULTS[side][0]
    moved = "\n" * (10 + len(route))  # or TensorFlow takes the function for one it has traced in another file
    file = write(tmp_path, moved + code)
    line = Path(file).read_text().splitlines().index(code.splitlines()[1]) + 1
    assert f"({file}, line {line})" in refusal(["check", file, "--route", route, "--dtype", "float64"], capsys)


@pytest.mark.parametrize(
    ("text", "object_name", "message"),
    [
        ("import nothing_of_this_name", "", "does not import: ModuleNotFoundError"),
        ("def f(:", "", "does not import: SyntaxError"),
        ("x = 3", ":x", "is no twin but a int"),
        ("x = 3", "", "holds no gradtwin.Twin"),
    ],
)
def test_a_file_that_holds_no_twin_is_told_in_one_line(
    text: str, object_name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It does not import, or what it names is something else."""
    file = tmp_path / "mine.py"
    file.write_text(text)
    assert message in refusal(["check", str(file) + object_name], capsys)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("'no_module_of_this_name'", "The reference 'no_module_of_this_name' does not import: ModuleNotFoundError"),
        ("'math:no_function'", "The reference: module 'math' has no 'no_function'."),
        ("3", "The reference: expected a function of (params, *batch), got a int."),
    ],
)
def test_a_reference_that_cannot_be_called_is_refused(
    reference: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A string that names nothing, or an object that is no function."""
    file = write(tmp_path, tail=TAIL.replace("reference=reference", f"reference={reference}"))
    assert message in refusal(["check", file], capsys)


# ---- check_gradients -----------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
W, X = RNG.standard_normal(5), RNG.standard_normal(5)


def tanh_by_hand(params: dict, x: np.ndarray) -> tuple[np.ndarray, dict]:
    """Give Σ tanh(w x) and its gradient."""
    return np.tanh(params["w"] * x).sum(), {"w": x / np.cosh(params["w"] * x) ** 2}


def tanh_by_tensorflow(params: dict, x: tf.Tensor) -> tf.Tensor:
    """Give Σ tanh(w x)."""
    return tf.reduce_sum(tf.tanh(params["w"] * x))


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (lambda p, x: p["w"] * x, "expected one scalar, got shape (5,)"),
        (lambda p, x: None, "expected a scalar tensor"),
        (lambda p, x: {"y": x}, "got the keys y"),
        (lambda p: p["w"], "The reference raised TypeError"),
        ("gradtwin.no_such_module", "does not import"),
    ],
)
def test_check_gradients_refuses_a_reference_without_one_scalar_loss(reference: object, message: str) -> None:
    """The same lines as from the command line, raised as InputError."""
    try:
        gradtwin.check_gradients(tanh_by_hand, reference, {"w": W}, X)  # type: ignore[arg-type]
    except gradtwin.InputError as refused:
        assert message in str(refused) and "\n" not in str(refused)
    else:
        raise AssertionError("was accepted")


@pytest.mark.parametrize("thing", [3, None, tanh_by_hand])
def test_what_is_no_twin_is_refused(thing: object) -> None:
    """A Twin or a name is expected."""
    with pytest.raises(gradtwin.InputError, match=r"Expected a gradtwin.Twin or the name of one, got "):
        gradtwin.check(thing)  # type: ignore[arg-type]


def test_a_manual_side_that_is_no_function_is_refused() -> None:
    """The dictionary of gradients itself is no function."""
    with pytest.raises(gradtwin.InputError, match="The manual function: expected"):
        gradtwin.check_gradients({"w": X}, tanh_by_tensorflow, {"w": W}, X)  # type: ignore[arg-type]


def test_an_exception_keeps_its_cause_for_a_debugger() -> None:
    """The one line is chained to what their code raised."""

    def manual(params: dict, x: np.ndarray) -> tuple:
        return params["nothing"], {}

    with pytest.raises(gradtwin.InputError, match=r"KeyError: 'nothing' \(.*test_bad_gradients.py, line \d+\)") as told:
        gradtwin.check_gradients(manual, tanh_by_tensorflow, {"w": W}, X)
    assert isinstance(told.value.__cause__, KeyError)


def absolute(params: dict, x: np.ndarray) -> tuple[np.ndarray, dict]:
    """Give Σ |w x| and a gradient that is wrong by a tenth of a percent; |.| drops the imaginary part."""
    z = params["w"] * x
    return np.abs(z).sum(), {"w": np.sign(z) * x * 1.001}


def absolute_by_tensorflow(params: dict, x: tf.Tensor) -> tf.Tensor:
    """Give Σ |w x|."""
    return tf.reduce_sum(tf.abs(params["w"] * x))


def test_a_forward_that_is_not_analytic_is_judged_by_the_next_witness_and_the_report_says_so() -> None:
    """The complex step would have been silently wrong here; Ridders' differences blame the right side."""
    report = gradtwin.check_gradients(absolute, absolute_by_tensorflow, {"w": W}, X)
    assert (report.verdict, report.blame) == ("disagree", "manual")
    (note,) = [note for note in report.notes if note.id == "complex_step_refused"]
    assert note.startswith("w:") and "Ridders" in note
    (row,) = [t for t in report.tensors if t.name == "w"]
    index = row.worst.index
    assert row.worst.witness == pytest.approx(np.abs(X[index]) * np.sign(W[index]), rel=1e-9)


def test_an_analytic_forward_is_not_said_to_be_anything_else() -> None:
    """The complex step testifies against a wrong gradient of tanh, and no note is made."""

    def doubled(params: dict, x: np.ndarray) -> tuple[np.ndarray, dict]:
        loss, gradients = tanh_by_hand(params, x)
        return loss, {"w": 2 * gradients["w"]}

    report = gradtwin.check_gradients(doubled, tanh_by_tensorflow, {"w": W}, X)
    assert (report.verdict, report.blame) == ("disagree", "manual")
    assert "complex_step_refused" not in [note.id for note in report.notes]
