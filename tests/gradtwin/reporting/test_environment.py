"""The kind of machine, and nothing that names a person or a place."""

import getpass
import platform
from pathlib import Path

import pytest

from gradtwin.reporting import environment


def test_the_machine_is_described_without_a_host_a_user_or_a_path() -> None:
    """A model, a number of cores, an architecture, a system."""
    machine = environment.machine()
    assert list(machine) == ["processor", "cores", "architecture", "system"] and all(machine.values())
    said = " ".join(machine.values())
    assert platform.node() not in said and getpass.getuser() not in said.split() and str(Path.home()) not in said


def test_the_processors_model_is_read_from_where_linux_says_it(tmp_path: Path) -> None:
    """And where there is no such file the platform is asked."""
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\nmodel name\t: another\n")
    assert environment._processor(tmp_path / "cpuinfo") == "Some CPU @ 3 GHz"
    assert environment._processor(tmp_path / "nothing") == (platform.processor() or platform.machine())


def test_a_system_without_a_release_file_is_named_by_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS and Windows."""

    def none() -> dict[str, str]:
        raise OSError("no os-release")

    monkeypatch.setattr(platform, "freedesktop_os_release", none)
    assert environment._system().startswith(platform.system())


def test_versions_are_those_of_what_computes() -> None:
    """Python, Gradtwin, numpy and TensorFlow."""
    assert {"python", "gradtwin", "numpy", "tensorflow"} <= set(environment.versions())
