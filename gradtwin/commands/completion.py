"""Completion in the shell: the script click makes for this program, and where a shell reads it."""

import shlex
from pathlib import Path

import click
from click.shell_completion import get_completion_class

START_FILES = {"bash": ".bashrc", "zsh": ".zshrc"}


def script(app: click.Command, shell: str) -> str:
    """Give the script that a shell reads: it asks `gradtwin` itself what may follow."""
    kind = get_completion_class(shell)
    assert kind is not None
    return kind(app, {}, "gradtwin", "_GRADTWIN_COMPLETE").source()


def install(app: click.Command, shell: str) -> str:
    """Write the script where the shell reads it, and say where that is.

    fish reads a directory of such scripts; bash and zsh get one line in their start file, once.
    """
    home = Path.home()
    if shell == "fish":
        file = home / ".config" / "fish" / "completions" / "gradtwin.fish"
    else:
        file = home / ".local" / "share" / "gradtwin" / f"completion.{shell}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(script(app, shell), encoding="utf-8")
    if shell in START_FILES:
        _append_once(home / START_FILES[shell], f"source {shlex.quote(str(file))}")
    return f"Completion for {shell} is in {file}. Start a new shell to use it."


def _append_once(file: Path, line: str) -> None:
    """Append a line to a file of the user's; what is there is only read, so that nothing can spoil it."""
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    if line not in text.splitlines():
        with file.open("a", encoding="utf-8") as start_file:
            start_file.write("\n" * (text != "" and not text.endswith("\n")) + f"{line}\n")
