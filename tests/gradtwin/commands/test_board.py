"""`gradtwin board`."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest


def test_board_serves_on_localhost_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    """TensorBoard answers on 127.0.0.1, and both processes are gone after Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gradtwin", "board", "--logdir", str(tmp_path), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    address = next(match for line in process.stderr if (match := re.search(r"http://127\.0\.0\.1:\d+/", line)))
    with urllib.request.urlopen(address.group()) as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    with pytest.raises(OSError):
        urllib.request.urlopen(address.group())
