"""IDX files, the format of MNIST: a strict reader that believes no header before the bytes are there.

    offset 0   two zero bytes
    offset 2   type byte, 0x08 for unsigned bytes
    offset 3   number of dimensions d
    offset 4   d dimensions, big-endian 32-bit
    then       the product of the dimensions in bytes, last dimension fastest

Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits, file format section.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np

from gradtwin.core.errors import InputError

UNSIGNED_BYTE = 0x08
GZIP_MAGIC = b"\x1f\x8b"
# MNIST's largest file holds 47 MB and EMNIST's 550 MB: a header beyond this is not believed.
LARGEST_BODY = 1 << 30
CHUNK = 1 << 20


def read_idx(path: str | Path, dimensions: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes, gzipped or not.

    Args:
        path: the file; a name that ends in .gz must be gzip.
        dimensions: how many dimensions the header must have: 1 for labels, 3 for images.

    Returns:
        uint8 array, read-only, of the shape in the header.

    Raises:
        InputError: the file cannot be read, or header and body break the format or disagree.
    """
    path = Path(path)
    try:
        with _open(path) as file:
            shape = _header(file, path, dimensions)
            body = _body(file, path, shape)
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is damaged gzip ({error}); fetch it again.") from error
    except EOFError as error:
        raise InputError(f"{path} is truncated: its gzip stream ends early; fetch it again.") from error
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    return np.frombuffer(bytes(body), dtype=np.uint8).reshape(shape)


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        zipped = file.read(2) == GZIP_MAGIC
    if path.suffix == ".gz" and not zipped:
        raise InputError(f"{path} is named .gz but is no gzip file; fetch it again or rename it.")
    return cast(IO[bytes], gzip.open(path, "rb")) if zipped else path.open("rb")


def _header(file: IO[bytes], path: Path, dimensions: int) -> tuple[int, ...]:
    head = file.read(4)
    if len(head) < 4:
        raise InputError(f"{path} is truncated: an IDX file starts with 4 bytes, got {len(head)}.")
    if head[:2] != b"\0\0":
        raise InputError(
            f"{path} is no IDX file: expected two zero bytes at its start, got {head[:2].hex(' ')}."
        )
    if head[2] != UNSIGNED_BYTE:
        raise InputError(f"{path} holds IDX type 0x{head[2]:02x}; expected 0x08, unsigned bytes.")
    if head[3] != dimensions:
        raise InputError(
            f"{path} has {head[3]} dimension(s) instead of {dimensions}; images and labels swapped?"
        )
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise InputError(f"{path} is truncated: its header ends before the {dimensions} dimension(s).")
    return tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, len(sizes), 4))


def _body(file: IO[bytes], path: Path, shape: tuple[int, ...]) -> bytearray:
    """Read chunk by chunk, so that memory grows with the bytes that come and not with the claim."""
    claimed = math.prod(shape)
    claim = f"its header {' x '.join(map(str, shape))} claims {claimed} bytes"
    if claimed > LARGEST_BODY:
        raise InputError(f"{path}: {claim}; this reader takes {LARGEST_BODY} at most.")
    body = bytearray()
    while len(body) <= claimed and (chunk := file.read(min(CHUNK, claimed + 1 - len(body)))):
        body += chunk
    if len(body) < claimed:
        raise InputError(f"{path} is truncated: {claim}, but only {len(body)} follow.")
    if len(body) > claimed:
        raise InputError(f"{path} has surplus bytes: {claim}, but more follow.")
    return body
