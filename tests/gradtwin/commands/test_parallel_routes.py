"""The data-parallel routes on the command line."""

import json

from gradtwin.commands import cli
from gradtwin.twins import catalog

SQUARES = """
import numpy as np
import tensorflow as tf
from types import SimpleNamespace
from gradtwin import Twin

def forward(params, x):
    z = x * params["w"]
    return (z * z).mean(), {"x": x, "z": z}

def reference(params, x):
    return {"loss": tf.reduce_mean((x * params["w"]) ** 2)}

def without_two(params, cache):
    return {"w": (cache["x"] * cache["z"]).mean(axis=0) / 2}

init = lambda rng: {"w": rng.normal(size=2)}
batch = lambda rng: (rng.normal(size=(5, 2)),)
lacking = Twin("lacking", SimpleNamespace(init_params=init, forward=forward, backward=without_two), reference, batch)
"""


def test_of_all_twins_those_without_examples_are_left_out_by_name(capsys, monkeypatch):
    """A twin that is asked for by its name is refused instead."""
    monkeypatch.setattr(catalog, "names", lambda: ["gates", "xor", "node_relu"])
    assert cli.run(["check", "--route", "mirrored", "--dtype", "float64"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Skipped (no batch dimension): gates, node_relu.\n")
    assert "The batch of 4 examples was cut into shards of 3 and 1." in out
    assert "1 twin, 1 check: every gradient agrees." in out


def test_json_says_route_and_device_and_keeps_stdout_clean(capsys, monkeypatch):
    """What was left out is said on stderr there."""
    monkeypatch.setattr(catalog, "names", lambda: ["gates", "xor"])
    assert cli.run(["check", "--route", "mirrored", "--dtype", "float64", "--json"]) == 0
    captured = capsys.readouterr()
    (row,) = json.loads(captured.out)
    assert (row["route"], row["device"]) == ("mirrored", None) and "Skipped (no batch dimension): gates" in captured.err
    assert cli.run(["check", "xor", "--route", "xla", "--dtype", "float64", "--device", "CPU:1", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["route"], row["device"]) == ("xla", "CPU:1")


def test_a_failure_on_two_replicas_is_shrunk_on_one(tmp_path, capsys, monkeypatch):
    """The smallest batch has one example, which cannot be cut; the wrong gradient is wrong there too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "squares.py").write_text(SQUARES)
    command = ["check", "squares.py", "--dtype", "float64", "--route", "mirrored"]
    assert cli.run([*command, "--shrink-to", "smallest.py"]) == 1
    out = capsys.readouterr().out
    assert "disagree" in out and "half the right one" in out and "To repeat it: python smallest.py" in out
    assert "route='tape'" in (tmp_path / "smallest.py").read_text()
