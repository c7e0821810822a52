"""TensorFlow's start-up messages stay away, and nothing else does."""

import os
import subprocess
import sys

import pytest

from gradtwin.core.chatter import let_idle_threads_sleep, silence_tensorflow, stderr_held_back


def test_what_cpp_writes_to_stderr_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    """The file descriptor itself is held, not only Python's sys.stderr; afterwards it is the old one."""
    with stderr_held_back():
        os.write(2, b"no GPU here\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_what_was_held_back_is_told_after_all_when_the_import_fails(capfd: pytest.CaptureFixture[str]) -> None:
    """A loader's last words are the reason of the failure."""
    with pytest.raises(ImportError), stderr_held_back():
        os.write(2, b"this library is too old\n")
        raise ImportError
    assert capfd.readouterr().err == "this library is too old\n"


def test_a_users_own_log_level_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is the default, not an order."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    silence_tensorflow()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0"


def test_a_users_own_time_for_threads_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default is only for who has said nothing."""
    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", "26")
    let_idle_threads_sleep()
    assert os.environ["OPENBLAS_THREAD_TIMEOUT"] == "26"


def test_the_command_line_says_it_before_numpy_is_loaded() -> None:
    """Later it would be too late: OpenBLAS reads it when it starts."""
    program = (
        "import sys; from gradtwin.commands import cli; from gradtwin.core import chatter\n"
        "sys.argv = ['gradtwin', '--version']\n"
        "chatter.let_idle_threads_sleep = cli.let_idle_threads_sleep = lambda: print('numpy' in sys.modules)\n"
        "cli.main()"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[0] == "False"
