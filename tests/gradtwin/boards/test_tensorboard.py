"""TensorBoard is started for this machine only, on what is there."""

import json
import os
import socket
import time
import urllib.error
import urllib.request

import pytest

from gradtwin import boards, training
from gradtwin.errors import InputError


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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


def test_tensorboard_shows_both_sides_of_a_run(tmp_path):
    """Started on real files it lists both runs and gives the loss that the history has."""
    history = training.train("xor", steps=20, log_every=10, logdir=tmp_path)
    port = _free_port()
    process = boards.launch(tmp_path, port)
    try:
        root = f"http://127.0.0.1:{port}/data/plugin/scalars"
        runs = {f"xor/{history.run}/{side}" for side in ("manual", "tensorflow")}
        _wait_for(lambda: runs <= {run for run, tags in _get(f"{root}/tags").items() if "loss" in tags})
        for side in ("manual", "tensorflow"):
            points = _get(f"{root}/scalars?run=xor%2F{history.run}%2F{side}&tag=loss")
            assert [step for _, step, _ in points] == [0, 10, 20]
            assert [value for *_, value in points] == pytest.approx(history.logged[f"loss_{side}"], rel=1e-6)
    finally:
        process.terminate()
        process.wait(20)


def test_tensorboard_is_bound_to_this_machine_and_quiet(tmp_path, monkeypatch):
    """The address is 127.0.0.1, and TensorFlow's start-up messages are switched off."""
    started = []
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    monkeypatch.setattr(boards.tensorboard.subprocess, "Popen", started.append)
    port = _free_port()
    boards.launch(tmp_path, port)
    (command,) = started
    assert command[1] == "-c" and "run_main()" in command[2]
    assert command[3:] == ["--logdir", str(tmp_path), "--host", "127.0.0.1", "--port", str(port)]
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"


@pytest.mark.parametrize("what", ["missing", "file"])
def test_a_log_directory_that_is_none_is_refused(tmp_path, what):
    """TensorBoard itself would start and show nothing."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="There is no directory .*: run gradtwin train first"):
        boards.launch(tmp_path / what)


def test_a_port_in_use_is_refused(tmp_path):
    """With the port's number in the line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"Port {port} .* cannot be had .*in use"):
            boards.launch(tmp_path, port)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_cannot_be_is_refused(tmp_path, port):
    """TCP has 65,535 of them."""
    with pytest.raises(InputError, match=f"from 0 to 65535, got {port}"):
        boards.launch(tmp_path, port)
