"""A disk that becomes full under a training, a report and a script.

Where one may mount it the disk is a tmpfs of a few kilobytes; elsewhere no file of this process may grow beyond half as
many, and the kernel refuses in the same way. Each time: exit status 2, one line that names the file, what there was of
a training stays readable, and of a report or a script there is no part.
"""

import contextlib
import io
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.endurance.outcome import Outcome
from benchmarks.endurance.readable import everything, read
from gradtwin.commands import cli

KILOBYTES = (12, 32, 64, 96, 128, 160, 200, 240)

_WRONG = """
import dataclasses
from types import SimpleNamespace
from gradtwin.twins import catalog
from manual_grads.networks import xor

def twice(params, cache):
    gradients = xor.backward(params, cache)
    return gradients | {"W1": gradients["W1"] * 2}

side = SimpleNamespace(init_params=xor.init_params, forward=xor.forward, backward=twice)
wrong = dataclasses.replace(catalog.get("xor"), name="wrong", manual=side)
"""


def run(*, short: bool = False, may_mount: bool = True) -> Outcome:
    """Fill the disk under trainings at several sizes, then under a report and a script."""
    broken: list[str] = []
    readable, kinds = [], set()
    for kilobytes in KILOBYTES[1:2] if short else KILOBYTES:
        with _small_disk(kilobytes, may_mount) as (disk, kind):
            kinds.add(kind)
            broken += _refused(f"train at {kilobytes} kB", disk, ["train", "xor", "--logdir", str(disk / "logs")])
            runs = list((disk / "logs").glob("*/*"))
            readable.append(sum(read(one).records for one in runs))
            if any(path.name.endswith(".part") for path in everything(disk)):
                broken.append(f"train at {kilobytes} kB: something was left behind")
    for words, name in ((["report", "gates", "--output"], "a.html"), (["check", "WRONG", "--shrink-to"], "a.py")):
        with tempfile.TemporaryDirectory() as folder, _small_disk(1, may_mount) as (disk, _):
            wrong = Path(folder, "wrong.py")
            wrong.write_text(_WRONG)
            (disk / "full").write_bytes(bytes(256))  # which takes a page
            asked = [str(wrong) if word == "WRONG" else word for word in words]
            broken += _refused(words[0], disk, [*asked, str(disk / name)])
            if [path.name for path in everything(disk)] != ["full"]:
                broken.append(f"{words[0]}: half a file was left")
    figures = {"disk": " and ".join(sorted(kinds)), "whole records readable": str(readable)}
    done = f"full under {len(readable)} trainings, a report and --shrink-to"
    return Outcome("disk", done, figures, tuple(broken))


def _refused(what: str, disk: Path, words: list[str]) -> list[str]:
    """Run a command; say what was not as it should be."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = cli.run(words)
        except Exception as error:  # which a user would see as a traceback
            return [f"{what}: {type(error).__name__}"]
    line = err.getvalue()
    as_it_should = status == 2 and line.startswith(f"gradtwin: Cannot write {disk}") and line.count("\n") == 1
    return [] if as_it_should else [f"{what}: status {status}, {line!r}"]


@contextlib.contextmanager
def _small_disk(kilobytes: int, may_mount: bool) -> Iterator[tuple[Path, str]]:
    """Give a folder for so many kilobytes, and say how it was made."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
        if may_mount and subprocess.run(mount, capture_output=True).returncode == 0:
            try:
                yield Path(folder), "a tmpfs"
            finally:
                subprocess.run(["umount", folder], check=True)
        else:
            with _no_file_beyond(kilobytes * 1024 // 2):
                yield Path(folder), "a limit for each file"


@contextlib.contextmanager
def _no_file_beyond(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
