"""What the tests of the commands share: a user's file, and a command line run at a width."""

import textwrap
from pathlib import Path
from typing import Any

import pytest

from gradtwin.commands import cli

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


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that runs one command line at a width and gives what it prints."""

    def run(words: list[str], columns: int = 80) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        cli.run(words)
        return capsys.readouterr().out

    return run
