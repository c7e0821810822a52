"""A file is written as a whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from gradtwin import InputError
from gradtwin.core.whole_file import write_whole


def test_a_full_disk_is_told_in_one_line_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the file and the system's words; no part of the new text is left."""
    path = tmp_path / "script.py"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"script\.py: No space left on device\. No part") as caught:
        write_whole(path, "new" * 1000, replace=True)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["script.py"]


def test_a_file_that_is_there_is_replaced_only_where_that_was_said(tmp_path: Path) -> None:
    """Without it the caller words the refusal."""
    path = tmp_path / "script.py"
    write_whole(path, "one", replace=False)
    with pytest.raises(FileExistsError):
        write_whole(path, "two", replace=False)
    assert path.read_text() == "one"
    write_whole(path, "three", replace=True)
    assert path.read_text() == "three" and os.listdir(tmp_path) == ["script.py"]
