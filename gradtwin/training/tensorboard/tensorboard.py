"""Start TensorBoard in a separate process, for this machine only."""

import getpass
import os
import socket
import subprocess
import sys
from pathlib import Path

from gradtwin.core.chatter import silence_tensorflow
from gradtwin.core.errors import InputError

HOST = "127.0.0.1"
PORT = 6006
# TensorBoard would keep ten pictures of a tag, and those of all sides and steps are looked at one after another.
SAMPLES = "images=100,text=100"

# TensorBoard loads TensorFlow, with all its start-up messages unless it is loaded quietly before.
_IN_SILENCE = """
from gradtwin.backend.tensorflow_side import load_tensorflow
load_tensorflow()
from tensorboard.main import run_main
run_main()
"""


def launch(logdir: str | Path = "logs", port: int = PORT) -> subprocess.Popen[bytes]:
    """Start TensorBoard on a directory of runs; no other machine can reach it.

    Args:
        logdir: the directory that `gradtwin train` wrote to.
        port: where it listens on 127.0.0.1; 0 lets the system choose.

    Returns:
        The running process; `terminate()` ends it.

    Raises:
        InputError: there is no such directory, or the port is in use or out of range.
    """
    if not Path(logdir).is_dir():
        raise InputError(f"There is no directory {logdir}: run gradtwin train first, or give --logdir.")
    _refuse_taken(port)
    silence_tensorflow()
    command = [sys.executable, "-c", _IN_SILENCE, "--logdir", str(logdir), "--samples_per_plugin", SAMPLES]
    return subprocess.Popen([*command, "--host", HOST, "--port", str(port)])


def free_port() -> int:
    """Let the system choose a free port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def where_to_look(port: int) -> str:
    """Say how to open the page, from here and through a tunnel from another machine.

    Logged in by ssh, the address by which this machine was reached is the one to give; else its name.
    """
    _, _, address, ssh_port = (os.environ.get("SSH_CONNECTION", "").split() + [""] * 4)[:4]
    option = f"-p {ssh_port} " if ssh_port not in ("", "22") else ""
    target = _user() + (address or socket.gethostname())
    return (
        f"TensorBoard: http://localhost:{port} (it takes some seconds; Ctrl-C ends it)\n"
        f"From another machine: ssh -L {port}:{HOST}:{port} {option}{target}\n"
        f"and open the same address there."
    )


def _user() -> str:
    """Give the user's name and an @, or nothing where a process runs under a number without a name."""
    try:
        return f"{getpass.getuser()}@"
    except (OSError, KeyError, ImportError):
        return ""


def has_runs(logdir: str | Path) -> bool:
    """Whether there is any event file below a directory."""
    return any(Path(logdir).rglob("*tfevents*"))


def _refuse_taken(port: int) -> None:
    if not 0 <= port <= 65_535:
        raise InputError(f"The port is a number from 0 to 65535, got {port}.")
    with socket.socket() as probe:
        # Without this a port that was in use a moment ago would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            line = f"Port {port} is not available ({error.strerror}); choose another with --port."
            raise InputError(line) from error
