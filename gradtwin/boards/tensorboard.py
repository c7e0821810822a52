"""TensorBoard in a process of its own, for this machine only."""

import socket
import subprocess
import sys
from pathlib import Path

from gradtwin.chatter import silence_tensorflow
from gradtwin.errors import InputError

HOST = "127.0.0.1"
PORT = 6006

# TensorBoard loads TensorFlow, with all its start-up messages if nobody has loaded it before.
_IN_SILENCE = """
from gradtwin.tensorflow_side import load_tensorflow
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
        InputError: there is no such directory, or the port is taken or impossible.
    """
    if not Path(logdir).is_dir():
        raise InputError(f"There is no directory {logdir}: run gradtwin train first, or give --logdir.")
    _refuse_taken(port)
    silence_tensorflow()
    command = [sys.executable, "-c", _IN_SILENCE, "--logdir", str(logdir)]
    return subprocess.Popen([*command, "--host", HOST, "--port", str(port)])


def _refuse_taken(port: int) -> None:
    if not 0 <= port <= 65_535:
        raise InputError(f"The port is a number from 0 to 65535, got {port}.")
    with socket.socket() as probe:
        # Without this a port that was in use a moment ago would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            line = f"Port {port} of {HOST} cannot be had ({error.strerror}): give another --port."
            raise InputError(line) from error
