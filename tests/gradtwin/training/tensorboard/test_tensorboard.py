"""TensorBoard is started for this machine only, on what is there."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
import tensorflow as tf

from gradtwin.core.errors import InputError
from gradtwin.training import lockstep
from gradtwin.training.tensorboard import summaries, tensorboard
from gradtwin.training.tensorboard.event_file import EventFile

SIDES = ("manual", "tensorflow")


def _get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def _wait_for(question, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            answer = question()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            answer = None
        if answer:
            return answer
        time.sleep(0.2)
    raise AssertionError("TensorBoard did not answer")


def _leave_what_others_wrote(logdir):
    """Runs of an older version and of another program, a half-written file, and what is no event file at all."""
    for side in SIDES:
        older = EventFile(logdir / "xor" / "lr0.1-gd-100steps-float64-run001" / side)
        older.add(0, [summaries.scalar("loss", 0.75), summaries.scalar("gap/W1", 0.0)])
        older.add(1, [summaries.histogram("layer1/weights", [1.0, 2.0])])
        older.close()
    with tf.summary.create_file_writer(str(logdir / "another program")).as_default():
        tf.summary.scalar("loss", 3.0, step=1)
        tf.summary.text("check", "another's text", step=1)
    half = EventFile(logdir / "half" / "manual")
    for step in range(5):
        half.add(step, [summaries.scalar("loss", step)])
    half.close()
    half.path.write_bytes(half.path.read_bytes()[:-7])
    (logdir / "noise").mkdir()
    (logdir / "noise" / "events.out.tfevents.1.host").write_bytes(b"this is no event file " * 100)
    (logdir / "notes.txt").write_text("mine")


def test_tensorboard_shows_a_run_beside_whatever_else_lies_there(tmp_path):
    """Both sides of a new run, an older version's, another program's and the whole part of a half-written file."""
    _leave_what_others_wrote(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    history = lockstep.train("xor", steps=100, log_every=50, logdir=tmp_path)
    assert history.run == "lr0.1-gd-100steps-float64-run002"
    assert {path: path.read_bytes() for path in before} == before
    port = tensorboard.free_port()
    process = tensorboard.launch(tmp_path, port)
    try:
        root = f"http://127.0.0.1:{port}/data/plugin/scalars"
        older = "xor/lr0.1-gd-100steps-float64-run001"
        runs = {f"xor/{history.run}/{side}" for side in SIDES} | {f"{older}/manual", "another program", "half/manual"}
        _wait_for(lambda: runs <= set(_get(f"{root}/tags")))
        assert not any(run.startswith("noise") for run in _get(f"{root}/tags"))
        for side in SIDES:
            points = _get(f"{root}/scalars?run=xor%2F{history.run}%2F{side}&tag=loss")
            assert [step for _, step, _ in points] == [0, 50, 100]
            assert [value for *_, value in points] == pytest.approx(history.logged[f"loss_{side}"], rel=1e-6)
        assert [step for _, step, _ in _get(f"{root}/scalars?run=half%2Fmanual&tag=loss")] == [0, 1, 2, 3]
        assert _get(f"http://127.0.0.1:{port}/data/plugin/custom_scalars/layout")["category"]
    finally:
        process.terminate()
        process.wait(20)


# ---- what is said on the terminal -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("connection", "target"),
    [
        ("", f"ada@{socket.gethostname()}"),
        ("10.0.0.9 50000 10.0.0.5 22", "ada@10.0.0.5"),
        ("10.0.0.9 50000 10.0.0.5 2222", "-p 2222 ada@10.0.0.5"),
        ("fe80::9 50000 fe80::5 22", "ada@fe80::5"),
    ],
)
def test_the_tunnel_for_another_machine_is_right(monkeypatch, connection, target):
    """The port here, 127.0.0.1 as seen from this machine, and this machine as ssh reached it, else by its name."""
    monkeypatch.setenv("SSH_CONNECTION", connection)
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    lines = tensorboard.where_to_look(6007).splitlines()
    assert "http://localhost:6007" in lines[0]
    assert lines[1] == f"From another machine: ssh -L 6007:127.0.0.1:6007 {target}"


def test_without_a_user_name_the_tunnel_names_the_machine(monkeypatch):
    """A container may run under a number that has no name."""

    def nobody():
        raise KeyError("uid not found")

    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setattr("getpass.getuser", nobody)
    assert tensorboard.where_to_look(6006).splitlines()[1].endswith(f" {socket.gethostname()}")


@pytest.mark.parametrize("port", ["0", None])
def test_the_command_says_where_to_look_and_that_there_is_nothing_yet(tmp_path, port):
    """In a pipe, without a browser or a display; with port 0 the address has the port that was found."""
    words = [sys.executable, "-m", "gradtwin", "board", "--logdir", str(tmp_path)]
    port = port or str(tensorboard.free_port())
    quiet = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "BROWSER", "SSH_CONNECTION")}
    with subprocess.Popen(
        [*words, "--port", port], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=quiet
    ) as process:
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    (found,) = re.findall(r"http://localhost:(\d+)", lines[0])
    assert int(found) > 0 and (port == "0" or found == port)
    assert f"ssh -L {found}:127.0.0.1:{found} " in lines[1]
    assert lines[3].startswith(f"No runs in {tmp_path} yet. Start one with: gradtwin train xor")


def test_a_directory_with_a_run_has_runs(tmp_path):
    """However deep."""
    assert not tensorboard.has_runs(tmp_path)
    EventFile(tmp_path / "xor" / "run" / "manual").close()
    assert tensorboard.has_runs(tmp_path)


def test_tensorboard_is_bound_to_this_machine_and_quiet(tmp_path, monkeypatch):
    """The address is 127.0.0.1, and TensorFlow's start-up messages are switched off."""
    started = []
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    monkeypatch.setattr(tensorboard.subprocess, "Popen", started.append)
    port = tensorboard.free_port()
    tensorboard.launch(tmp_path, port)
    (command,) = started
    assert command[1] == "-c" and "run_main()" in command[2]
    options = dict(zip(command[3::2], command[4::2], strict=True))
    assert (options["--logdir"], options["--host"], options["--port"]) == (str(tmp_path), "127.0.0.1", str(port))
    assert "images=100" in options["--samples_per_plugin"]
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"


@pytest.mark.parametrize("what", ["missing", "file"])
def test_a_log_directory_that_is_none_is_refused(tmp_path, what):
    """TensorBoard itself would start and show nothing."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="There is no directory .*: run gradtwin train first"):
        tensorboard.launch(tmp_path / what)


def test_a_port_in_use_is_refused(tmp_path):
    """With the port's number in the line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"Port {port} is not available .*in use"):
            tensorboard.launch(tmp_path, port)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_cannot_be_is_refused(tmp_path, port):
    """TCP has 65,535 of them."""
    with pytest.raises(InputError, match=f"from 0 to 65535, got {port}"):
        tensorboard.launch(tmp_path, port)
