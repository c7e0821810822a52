"""Do again what the pages show, their Python blocks and their sessions, and write down what comes.

    python docs/run_sessions.py             # every page
    python docs/run_sessions.py README.md   # one of them

Numbers differ from machine to machine. So an output is written anew only where its words have changed, and `tests/docs`
fails for the same reason.
"""

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "docs/data-parallel.md", "docs/tour.md", "docs/your-own-gradient.md"]
EACH_ALONE = "README.md"  # its Python blocks must run by themselves, as a reader copies them


def blocks(text: str, *languages: str) -> list[tuple[str, str]]:
    """Give the fenced blocks of the given languages, as (language, body)."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [(language, body) for language, body in fenced if language in languages]


def deeds(text: str) -> Iterator[tuple[str, str, str | None]]:
    """List what a page does, as (language, body, what it shows): its files, its Python, its sessions."""
    fenced = blocks(text, "python", "text", "console", "sh", "toml")
    for i, (language, body) in enumerate(fenced):
        follows = fenced[i + 1] if i + 1 < len(fenced) else ("", "")
        if language == "python":
            yield language, body, follows[1] if follows[0] == "text" else None
        elif language == "console":
            command, shown = body.removeprefix("$ ").split("\n", 1)
            yield language, command, shown


def printed_by(language: str, body: str, namespace: dict[str, Any]) -> str:
    """Do one of the deeds of a page in this process, and give what it prints."""
    from gradtwin.commands import cli

    file = re.match(r"# (\w+\.py)\n", body)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        if language == "console":
            program, *words = body.split()
            {"gradtwin": cli.run, "pytest": _run_pytest}[program](words)
        elif file:
            Path(file[1]).write_text(body, encoding="utf-8")
        else:
            exec(body, namespace)
    return out.getvalue()


def _run_pytest(words: list[str]) -> None:
    """Run pytest within pytest; what it imports from the page's files is forgotten again."""
    known = set(sys.modules)
    quiet = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # this process has loaded the plugin already
    pytest.main([*words, *quiet, "--capture=sys", "-p", "no:cacheprovider", "--rootdir=."])
    for name in set(sys.modules) - known:
        file = getattr(sys.modules[name], "__file__", None)
        if not file or Path(file).parent == Path.cwd():
            del sys.modules[name]


def numbers_masked(text: str) -> str:
    """Replace numbers and runs of blanks, which differ from machine to machine."""
    return re.sub(r"\s+", " ", re.sub(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", "#", text)).strip()


def shown_otherwise(text: str, *, alone: bool = False) -> list[tuple[str, str, str]]:
    """Do all that a page does, in order, in the current directory.

    Args:
        text: the page.
        alone: every Python block must run by itself.

    Returns:
        (body, what the page shows, what came) of each deed whose output differs, numbers aside.
    """
    namespace: dict[str, Any] = {}
    differ = []
    for language, body, shown in deeds(text):
        namespace = {} if alone else namespace
        printed = printed_by(language, body, namespace)
        if shown is not None and numbers_masked(printed) != numbers_masked(shown):
            differ.append((body, shown, printed))
    return differ


def main(names: list[str]) -> None:
    """Write the outputs that have changed into the pages, and name the pages."""
    os.environ["COLUMNS"] = "80"
    for name in names or PAGES:
        text = page = (ROOT / name).read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as elsewhere, contextlib.chdir(elsewhere):
            for _, shown, printed in shown_otherwise(page, alone=name == EACH_ALONE):
                text = text.replace(shown, f"{printed.rstrip()}\n", 1)
        if text != page:
            (ROOT / name).write_text(text, encoding="utf-8")
            print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
