"""The folder of results: whole at every moment, and read or refused as what it is."""

import errno
import os
import random
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradtwin.core.errors import InputError
from gradtwin.sweep import journal, read_results, results, table
from gradtwin.sweep.axes import axes_of
from gradtwin.sweep.case import SweepCase
from gradtwin.sweep.grid import Grid
from gradtwin.sweep.plan import plan
from gradtwin.sweep.results import JOURNAL, MANIFEST, Results, open_results
from gradtwin.sweep.run_case import failure, row_of


def grid_of(seeds: str = "0..99") -> Grid:
    return plan("check", ["xor"], axes_of("check", {"seed": seeds}))


def row(number: int) -> dict[str, Any]:
    return row_of(SweepCase(number, "check", "xor", seed=number)) | failure("error", "made up") | {"seconds": 0.5}


def numbers(folder: Path) -> list[int]:
    return read_results(folder)["number"].to_pylist()


@pytest.fixture
def parts_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a part of every three rows."""
    monkeypatch.setattr(results, "ROWS_PER_PART", 3)


def filled(folder: Path, count: int) -> Results:
    store = open_results(folder, grid_of(), resume=False)
    for number in range(count):
        store.add(row(number))
    return store


# ---- what is there at every moment ---------------------------------------------------------------------


def test_every_row_can_be_read_as_soon_as_it_was_added(tmp_path: Path, parts_of_three: None) -> None:
    """From the journal or from a part, without the writer being done; and after it is, from parts alone."""
    store = open_results(tmp_path / "r", grid_of(), resume=False)
    for number in range(8):
        store.add(row(number))
        assert numbers(tmp_path / "r") == list(range(number + 1))
    store.close()
    assert numbers(tmp_path / "r") == list(range(8))
    assert len(list((tmp_path / "r").glob("part-0000[012].parquet"))) == 3
    assert pq.read_table(tmp_path / "r").num_rows == 8  # as any reader of Parquet takes the folder


def test_the_table_has_the_columns_and_the_format_it_says(tmp_path: Path) -> None:
    """Every column is documented, typed, and null where a case has nothing for it."""
    filled(tmp_path / "r", 2).close()
    found = pq.read_table(tmp_path / "r" / "part-00000.parquet")
    assert found.schema.metadata[table.FORMAT_KEY] == b"1"
    assert found.column_names == list(table.COLUMNS)
    assert all(name in (table.__doc__ or "") for name in table.COLUMNS)
    assert found["message"].to_pylist() == ["made up", "made up"] and found["widths"].null_count == 2


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_half_written_last_line_is_begun_anew(tmp_path: Path, cut: int) -> None:
    """The process was killed while it wrote: the rows before it count, and its case is run again."""
    filled(tmp_path / "r", 5).abandon()
    log = tmp_path / "r" / JOURNAL
    log.write_bytes(log.read_bytes()[:-cut])
    assert numbers(tmp_path / "r") == [0, 1, 2, 3]
    store = open_results(tmp_path / "r", grid_of(), resume=True)
    store.add(row(4))
    store.close()
    assert numbers(tmp_path / "r") == [0, 1, 2, 3, 4]


def test_nothing_of_a_half_written_line_is_left_behind_a_shorter_one(tmp_path: Path) -> None:
    """Its end would make a damaged line of its own."""
    filled(tmp_path / "r", 1).abandon()
    with open(tmp_path / "r" / JOURNAL, "ab") as log:
        log.write(b'{"number": 1, "message": "' + b"long " * 1000)
    store = open_results(tmp_path / "r", grid_of(), resume=True)
    store.add(row(1))
    store.add(row(2))
    assert numbers(tmp_path / "r") == [0, 1, 2]
    store.close()


def test_a_kill_between_a_part_and_its_journal_counts_no_row_twice(
    tmp_path: Path, parts_of_three: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part is there and the journal still is: the part counts."""

    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    store = filled(tmp_path / "r", 2)
    monkeypatch.setattr(journal.Journal, "begin", kill)
    with pytest.raises(Killed):
        store.add(row(2))
    os.close(store._lock)
    monkeypatch.undo()
    assert numbers(tmp_path / "r") == [0, 1, 2]
    store = open_results(tmp_path / "r", grid_of(), resume=True)
    store.add(row(3))
    assert numbers(tmp_path / "r") == [0, 1, 2, 3]
    store.close()
    assert numbers(tmp_path / "r") == [0, 1, 2, 3]


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from gradtwin.sweep import results
from gradtwin.sweep.results import open_results, rows_of
from test_results import grid_of, row
results.ROWS_PER_PART = 7
folder = Path(sys.argv[1])
store = open_results(folder, grid_of("0..999999"), resume=True)
number = len(list(rows_of(folder)))
print("ready", flush=True)
while True:
    store.add(row(number))
    print(number, flush=True)
    number += 1
"""


def test_kill_9_at_random_moments_loses_no_row_that_was_added(tmp_path: Path) -> None:
    """Every row the writer has told of is there, once; at most one more is, which it had no time to tell of."""
    code = textwrap.dedent(WRITER.format(tests=str(Path(__file__).parent)))
    draws, told = random.Random(5), -1
    for _ in range(4):
        command = [sys.executable, "-c", code, str(tmp_path / "r")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
            for _ in range(draws.randrange(60)):
                told = int(writer.stdout.readline())
            writer.kill()
            told = max([told, *(int(line) for line in writer.stdout.read().split("\n")[:-1])])
        found = numbers(tmp_path / "r")
        assert found == list(range(len(found)))
        assert told + 1 <= len(found) <= told + 2


# ---- whose folder it is --------------------------------------------------------------------------------


def test_a_folder_with_a_sweep_is_taken_only_to_resume_it(tmp_path: Path) -> None:
    """Otherwise it is refused, and nothing in it changes."""
    filled(tmp_path / "r", 3).close()
    before = {path: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    with pytest.raises(InputError, match="holds a sweep already. Continue it with --resume"):
        open_results(tmp_path / "r", grid_of(), resume=False)
    with pytest.raises(InputError, match="another grid"):
        open_results(tmp_path / "r", grid_of("0..98"), resume=True)
    assert {path: path.read_bytes() for path in (tmp_path / "r").iterdir()} == before


def test_two_sweeps_do_not_write_into_one_folder(tmp_path: Path) -> None:
    """The second is refused as long as the first one lives."""
    store = filled(tmp_path / "r", 1)
    with pytest.raises(InputError, match="Another sweep is writing"):
        open_results(tmp_path / "r", grid_of(), resume=True)
    store.close()
    open_results(tmp_path / "r", grid_of(), resume=True).close()


def test_other_things_in_the_folder_and_a_file_in_its_place_are_refused(tmp_path: Path) -> None:
    """Nothing of anybody's is written over."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds other files, such as notes.txt"):
        open_results(tmp_path, grid_of(), resume=True)
    with pytest.raises(InputError, match="is a file, or lies below one"):
        open_results(tmp_path / "notes.txt" / "r", grid_of(), resume=False)
    with pytest.raises(InputError, match="holds no sweep"):
        read_results(tmp_path)


# ---- what is damaged -----------------------------------------------------------------------------------



def test_a_half_written_or_foreign_part_is_refused_in_one_line(tmp_path: Path) -> None:
    """It is named, with what to do; without it the other rows can be read and its cases are run again."""
    filled(tmp_path / "r", 3).close()
    part = tmp_path / "r" / "part-00000.parquet"
    whole = part.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"PAR1 and no more", whole[:-1] + b"X"):
        part.write_bytes(content)
        with pytest.raises(InputError, match=r"part-00000.parquet is damaged or half-written") as refused:
            read_results(tmp_path / "r")
        assert "\n" not in str(refused.value)
    part.unlink()
    assert numbers(tmp_path / "r") == []


@pytest.mark.parametrize("theirs", [b"2", None])
def test_a_part_of_another_version_is_refused_in_one_line(tmp_path: Path, theirs: bytes | None) -> None:
    """By its metadata, whatever its columns are."""
    filled(tmp_path / "r", 3).close()
    metadata = {} if theirs is None else {table.FORMAT_KEY: theirs}
    other = pa.table({"number": [1]}).replace_schema_metadata(metadata)
    pq.write_table(other, tmp_path / "r" / "part-00000.parquet")
    with pytest.raises(InputError, match="has format (2|none), but this Gradtwin reads 1"):
        read_results(tmp_path / "r")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": 1, "grid": {}}'])
def test_a_damaged_manifest_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    """So is one of another format, below."""
    filled(tmp_path / "r", 1).close()
    manifest = tmp_path / "r" / MANIFEST
    whole = manifest.read_text()
    manifest.write_text(content)
    with pytest.raises(InputError, match=r"_sweep.json is damaged or half-written"):
        open_results(tmp_path / "r", grid_of(), resume=True)
    manifest.write_text(whole.replace('"format": 1', '"format": 2'))
    with pytest.raises(InputError, match="has format 2"):
        read_results(tmp_path / "r")


def test_a_damaged_line_in_the_midst_of_the_journal_is_refused(tmp_path: Path) -> None:
    """Only the last line can have been cut off by a kill."""
    filled(tmp_path / "r", 3).abandon()
    log = tmp_path / "r" / JOURNAL
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([*lines[:2], b"{\n", *lines[2:]]))
    with pytest.raises(InputError, match=r"_journal.jsonl is damaged"):
        open_results(tmp_path / "r", grid_of(), resume=True)


# ---- a full disk ---------------------------------------------------------------------------------------


def test_a_full_disk_in_the_midst_of_a_line_costs_that_line_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the line fits: it is taken back, one line says why, and with room again the sweep goes on."""
    store = filled(tmp_path / "r", 2)
    write = os.write

    def half_and_full(file: int, content: Any) -> int:
        if len(content) < 100:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, content[: len(content) - 50])

    monkeypatch.setattr(os, "write", half_and_full)
    with pytest.raises(InputError, match=r"the disk is full. What was written before stays readable; --resume"):
        store.add(row(2))
    monkeypatch.undo()
    store.abandon()
    assert numbers(tmp_path / "r") == [0, 1]
    store = open_results(tmp_path / "r", grid_of(), resume=True)
    store.add(row(2))
    store.close()
    assert numbers(tmp_path / "r") == [0, 1, 2]


def test_a_disk_too_full_for_a_part_leaves_its_rows_in_the_journal(
    tmp_path: Path, parts_of_three: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No half of a part stays behind."""
    store = filled(tmp_path / "r", 2)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="the disk is full"):
        store.add(row(2))
    store.abandon()
    monkeypatch.undo()
    assert {path.name for path in (tmp_path / "r").iterdir()} == {MANIFEST, JOURNAL}
    assert numbers(tmp_path / "r") == [0, 1, 2]
    open_results(tmp_path / "r", grid_of(), resume=True).close()
    assert numbers(tmp_path / "r") == [0, 1, 2]


def test_what_is_no_finite_number_is_kept(tmp_path: Path) -> None:
    """Infinities and NaN pass through the journal and the table."""
    store = open_results(tmp_path / "r", grid_of(), resume=False)
    store.add(row(0) | {"size": float("inf"), "error_ulps": float("nan")})
    (found,) = read_results(tmp_path / "r").to_pylist()
    store.close()
    (later,) = read_results(tmp_path / "r").to_pylist()
    assert found["size"] == later["size"] == float("inf")
    assert found["error_ulps"] != found["error_ulps"] and later["error_ulps"] != later["error_ulps"]
