"""The IDX reader takes what is right and refuses everything else in one line, without believing a header."""

import gzip
import tracemalloc

import numpy as np
import pytest

from gradtwin.core.errors import InputError
from gradtwin.twins.datasets.idx import LARGEST_BODY, read_idx

IMAGES = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)


def _idx(array, claimed=None):
    sizes = array.shape if claimed is None else claimed
    return bytes([0, 0, 8, len(sizes)]) + b"".join(n.to_bytes(4, "big") for n in sizes) + array.tobytes()


GOOD = _idx(IMAGES)
MANY = 1 << 20


@pytest.fixture(params=["plain", "gzip"])
def write(request, tmp_path):
    """Write bytes as they are, or through gzip."""

    def written(content):
        path = tmp_path / ("images.gz" if request.param == "gzip" else "images")
        path.write_bytes(gzip.compress(content) if request.param == "gzip" else content)
        return path

    return written


def test_an_array_comes_back_as_it_was(write):
    """Shape, order and values are those of the file."""
    np.testing.assert_array_equal(read_idx(write(GOOD), 3), IMAGES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is truncated: an IDX file starts with 4 bytes, got 0"),
        (b"\1" + GOOD[1:], "is no IDX file: expected two zero bytes at its start, got 01 00"),
        (b"\0\0\x0d" + GOOD[3:], "holds IDX type 0x0d; expected 0x08"),
        (_idx(IMAGES[0, 0]), "has 1 dimension(s) instead of 3"),
        (GOOD[:9], "is truncated: its header ends before the 3 dimension(s)"),
        (GOOD[:-1], "is truncated: its header 3 x 2 x 2 claims 12 bytes, but only 11 follow"),
        (GOOD + b"\0", "has surplus bytes: its header 3 x 2 x 2 claims 12 bytes, but more follow"),
        (_idx(IMAGES, (2, 2, 2)), "has surplus bytes: its header 2 x 2 x 2 claims 8 bytes"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(write, content, message):
    """Each damage has its own message, plain and gzipped."""
    with pytest.raises(InputError) as caught:
        read_idx(write(content), 3)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("claimed", "message"),
    [
        ((MANY, 1024, 1024), f"claims {1 << 40} bytes; this reader takes {LARGEST_BODY} at most"),
        ((1024, 1024, 1023), f"claims {1023 << 20} bytes, but only 12 follow"),
    ],
)
def test_a_header_that_claims_too_much_allocates_nothing(write, claimed, message):
    """Memory follows the bytes that come: beyond the limit none is read, below it what there is."""
    path = write(_idx(IMAGES, claimed))
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            read_idx(path, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert message in str(caught.value)
    assert peak < 8 << 20


def test_a_gzip_stream_that_outgrows_its_header_is_cut_off(tmp_path):
    """64 MB of zeros behind a header of 12 bytes are not unpacked."""
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(GOOD + bytes(64 << 20), compresslevel=1))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="surplus"):
            read_idx(path, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>not found</html>", "is named .gz but is no gzip file"),
        (b"\x1f\x8b" + bytes(30), "is damaged gzip"),
        (gzip.compress(GOOD, mtime=0)[:-12], "is truncated: its gzip stream ends early"),
        (gzip.compress(GOOD, mtime=0)[:-8] + bytes(8), "is damaged gzip"),
        (gzip.compress(GOOD, mtime=0)[:10] + b"\xff" * 20, "is damaged gzip"),
    ],
)
def test_damaged_gzip_is_refused_in_one_line(tmp_path, content, message):
    """Garbage, a cut stream and a wrong checksum each say so."""
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_idx(path, 3)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    """What the system said is passed on."""
    with pytest.raises(InputError, match="Cannot read .*No such file"):
        read_idx(tmp_path / "absent", 3)
