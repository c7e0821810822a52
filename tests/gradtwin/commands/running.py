"""Two ways to run a command line: in a fresh process, and where it must be refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradtwin.commands import cli


def run_fresh(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `gradtwin` in a process of its own, away from the settings of this one."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "COLUMNS"))}
    return subprocess.run(
        [sys.executable, "-m", "gradtwin", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=inherited | environment,
    )


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command line that must be refused, and give the one line it says."""
    status = cli.run(arguments)
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert err.startswith("gradtwin: ") and err.count("\n") == 1 and err.endswith("\n")
    return err
