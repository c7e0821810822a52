"""Completion in the shell: what it answers, and how it is installed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def complete(line: str) -> list[str]:
    """Ask for the completion of a command line as bash does."""
    words = line.split(" ")
    environment = {"_GRADTWIN_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run([sys.executable, "-m", "gradtwin"], env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    return [answer.partition(",")[2] for answer in done.stdout.split()]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("gradtwin ch", ["check"]),
        ("gradtwin check x", ["xor"]),
        ("gradtwin train xor --opt", ["--optimizer"]),
        ("gradtwin replay 001-hands", ["001-handset", "001-handset-h"]),
    ],
)
def test_the_shell_completes_commands_options_twins_and_figures(line: str, words: list[str]) -> None:
    """What `--install-completion` installs asks `gradtwin` itself, which answers a word a line, after its kind."""
    assert complete(line) == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_installed_and_installing_it_again_adds_nothing(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Any
) -> None:
    """The script is where the shell reads it; what stood in the shell's start file stays."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    for start_file in (".bashrc", ".zshrc"):
        (tmp_path / start_file).write_text("alias l=ls")
    script = printed(["--show-completion"])
    assert f"_GRADTWIN_COMPLETE={shell}_complete" in script
    assert shell in printed(["--install-completion"])
    first = {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    printed(["--install-completion", shell])
    assert first == {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    (written,) = [file for file, text in first.items() if "_GRADTWIN_COMPLETE" in text]
    if shell != "fish":
        assert first[tmp_path / f".{shell}rc"] == f"alias l=ls\nsource {written}\n"


def test_the_installed_script_completes_in_a_real_bash(tmp_path: Path) -> None:
    """Bash reads its start file, and `gradtwin ch` becomes `gradtwin check`."""
    environment = os.environ | {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    install = [sys.executable, "-m", "gradtwin", "--install-completion", "bash"]
    subprocess.run(install, env=environment, check=True, capture_output=True)
    (tmp_path / "gradtwin").write_text(f"#!/bin/sh\nexec {sys.executable} -m gradtwin \"$@\"\n")
    (tmp_path / "gradtwin").chmod(0o755)
    ask = (
        f"PATH={tmp_path}:$PATH; . {tmp_path}/.bashrc; COMP_WORDS=(gradtwin ch); COMP_CWORD=1; "
        '_gradtwin_completion gradtwin ch gradtwin; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", ask], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["check"], done.stderr
