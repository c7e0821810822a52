"""Ray found, started, and refused in words."""

import builtins
import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from gradtwin.core.errors import InputError
from gradtwin.sweep import cluster, sweep


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the two is missing, and before anything else is looked at."""
    imported = builtins.__import__

    def without_ray(name: str, *rest: Any) -> Any:
        if name == "ray":
            raise ModuleNotFoundError("No module named 'ray'", name="ray")
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(InputError, match=r"ray is not installed: python -m pip install 'gradtwin\[sweep\]'"):
        sweep(["no such twin"])


@pytest.mark.parametrize("address", ["", "head", "head:", "head:0", "head:65536", "ray://head:10001", "h e a d:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """Ray Client's is another kind of address."""
    with pytest.raises(InputError, match="expected HOST:PORT of a Ray head"):
        cluster.resources_at(address)


def test_a_closed_port_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: Ray is not even asked."""
    monkeypatch.setattr(subprocess, "run", None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(InputError, match=rf"Nothing answers at 127.0.0.1:{port} \(Connection refused\)"):
            cluster.resources_at(f"127.0.0.1:{port}")


def answering(*, stdout: str = "", stderr: str = "") -> Any:
    """Let the process that asks Ray say this."""
    return lambda command, **_: subprocess.CompletedProcess(command, 1, stdout, stderr)


@pytest.fixture
def port() -> Any:
    """Listen on a port, and say nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_what_answers_and_is_no_ray_is_refused_in_one_line(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the process that asks dies of: an error of Ray's, a missing token, an abort, or waiting too long."""
    said = "Traceback\nray.exceptions.RpcError: Timed out while waiting for GCS to become available.\n"
    for stderr, line in (
        (said, r"Ray does not answer at .* \(Timed out while waiting for GCS to become available\)"),
        ("AuthenticationError: InvalidAuthToken: no", "requires a token. Copy ~/.ray/auth_token"),
        ("*** SIGABRT received", "Ray does not answer at"),
    ):
        monkeypatch.setattr(subprocess, "run", answering(stderr=stderr))
        with pytest.raises(InputError, match=line) as refused:
            cluster.resources_at(f"127.0.0.1:{port}")
        assert "\n" not in str(refused.value)

    def forever(command: Any, **options: Any) -> Any:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", forever)
    with pytest.raises(InputError, match="within 30 s"):
        cluster.resources_at(f"127.0.0.1:{port}")


def test_a_ray_that_answers_tells_its_cores(ray_cluster: Any) -> None:
    """The probe is a process of its own and leaves this one as it was."""
    assert cluster.resources_at(ray_cluster.address)["CPU"] >= 2


def test_a_cluster_without_cores_is_refused() -> None:
    """Its workers would wait for ever."""
    with pytest.raises(InputError, match="no cores to run on"):
        cluster._cores({"memory": 1.0})


def test_the_folders_of_killed_sweeps_are_taken_away_and_no_others(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is named after the process that made it."""
    monkeypatch.setattr(cluster, "_short_directory", lambda: str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f"gradtwin-{dead.pid}-a", f"gradtwin-{os.getpid()}-a", "gradtwin-notes"):
        (tmp_path / name).mkdir()
    cluster._remove_left_behind()
    assert {path.name for path in tmp_path.iterdir()} == {f"gradtwin-{os.getpid()}-a", "gradtwin-notes"}
