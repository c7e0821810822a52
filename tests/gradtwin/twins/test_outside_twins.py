"""Twins of installed packages, beside the built-in ones."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import gradtwin
from gradtwin.commands import cli
from gradtwin.twins import catalog

MODULE = textwrap.dedent("""
    import numpy as np
    from types import SimpleNamespace
    from gradtwin import Twin

    def init_params(rng):
        return {"w": rng.standard_normal(3)}

    def forward(params, x):
        return np.tanh(params["w"] * x).sum(), {"x": x}

    def backward(params, cache):
        return {"w": cache["x"] / np.cosh(params["w"] * cache["x"]) ** 2}

    def wrong(params, cache):
        return {"w": cache["x"]}

    def batch(rng):
        return (rng.standard_normal(3),)

    def side(backward):
        return SimpleNamespace(init_params=init_params, forward=forward, backward=backward)

    reference = "tanh_twin_reference:forward"
    TWIN = Twin(name="any", manual=side(backward), reference=reference, batch=batch, loss="sum tanh(w x)")
    WRONG = Twin(name="any", manual=side(wrong), reference=reference, batch=batch)
    PLAIN = SimpleNamespace(manual=side(backward), reference=reference, batch=batch)
    NUMBER = 3
""")
REFERENCE = textwrap.dedent("""
    import tensorflow as tf

    def forward(params, x):
        return tf.reduce_sum(tf.tanh(params["w"] * x))
""")


def install(folder: Path, entry_points: str, *, package: str = "tanh-twin") -> None:
    """Put a package with these entry points of the group into a folder that is on the path."""
    metadata = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[gradtwin.twins]\n" + entry_points + "\n")
    (folder / "tanh_twin.py").write_text(MODULE)
    (folder / "tanh_twin_reference.py").write_text(REFERENCE)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for packages, on the path of this test only."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused, and give its one line."""
    status = cli.run(arguments)
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert err.count("\n") == 1 and "Traceback" not in err
    return err


def test_a_declared_twin_stands_in_the_catalogue_after_the_built_in_ones(site: Path) -> None:
    """Under the name of its entry point, whatever it calls itself."""
    install(site, "tanh = tanh_twin:TWIN\nplain = tanh_twin:PLAIN")
    assert catalog.names()[-2:] == ["plain", "tanh"]
    assert [twin.name for twin in catalog.twins()][-2:] == ["plain", "tanh"]
    assert catalog.get("tanh").loss == "sum tanh(w x)"


def test_a_package_installed_while_python_runs_is_found(site: Path) -> None:
    """The entry points are read once for each state of the path, and again when a folder on it changed."""
    assert "tanh" not in catalog.names()
    install(site, "tanh = tanh_twin:TWIN")
    assert "tanh" in catalog.names()


def test_a_declared_twin_is_checked_by_its_name(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A right one agrees, a wrong one fails and is told how to see it again by that name."""
    install(site, "tanh = tanh_twin:TWIN\nwrong = tanh_twin:WRONG")
    assert gradtwin.check("tanh").agrees
    assert cli.run(["check", "wrong", "--dtype", "float64", "--route", "tape"]) == 1
    assert "repeat: gradtwin check wrong --dtype float64" in capsys.readouterr().out


def test_list_shows_it_and_tensorflow_stays_out(tmp_path: Path) -> None:
    """In a fresh process, with the reference named by a string."""
    install(tmp_path, "tanh = tanh_twin:TWIN")
    code = "import sys; from gradtwin.commands import cli; cli.run(['list', '--json']); "
    code += "sys.exit('tensorflow' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[-1] == {
        "name": "tanh", "parameters": 3, "loss": "sum tanh(w x)", "reduction": "", "data": "random", "source": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_module:TWIN", "does not load from 'no_such_module:TWIN': ModuleNotFoundError"),
        ("tanh_twin:NOTHING", "does not load from 'tanh_twin:NOTHING': AttributeError"),
        ("tanh_twin:NUMBER", "is no twin but a int"),
    ],
)
def test_a_broken_entry_point_is_told_in_one_line_that_names_its_package(
    value: str, message: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether it is listed or asked for; the built-in twins work on."""
    install(site, f"broken = {value}")
    for arguments in (["list"], ["check", "broken"]):
        line = refusal(arguments, capsys)
        assert "Twin 'broken' of package 'tanh-twin'" in line and message in line
    assert catalog.get("xor").name == "xor"


def test_the_name_of_a_built_in_twin_is_taken(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither twin is checked under it, and the package is named."""
    install(site, "xor = tanh_twin:TWIN")
    for arguments in (["list"], ["check", "xor"]):
        assert "Package 'tanh-twin' declares a twin 'xor', but that is a built-in one" in refusal(arguments, capsys)


def test_two_packages_cannot_share_a_name(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both are named."""
    install(site, "tanh = tanh_twin:TWIN")
    install(site, "tanh = tanh_twin:PLAIN", package="other-twin")
    assert "Packages 'other-twin' and 'tanh-twin' both declare a twin 'tanh'" in refusal(["check", "tanh"], capsys)


def test_a_mistyped_name_of_a_declared_twin_is_recognised(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As for a built-in one."""
    install(site, "hyperbolic = tanh_twin:TWIN")
    assert "Did you mean 'hyperbolic'?" in refusal(["check", "hyperbolc"], capsys)
