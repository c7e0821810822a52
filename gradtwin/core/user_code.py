"""Exceptions of a user's own code, told as theirs: what was raised, in which file, on which line."""

import contextlib
import re
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

from gradtwin.core.errors import InputError

_OURS = str(Path(__file__).parents[1])
_LIBRARIES = ("numpy", "tensorflow", "keras", "tensorflow_probability")
_PLACES = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
_NOT_USERS = (
    _OURS,
    "<frozen",
    "<__array_function__",
    "/tmp/__autograph_generated_file",
    *(str(Path(place) / library) for place in _PLACES for library in _LIBRARIES),
    *(str(Path(sysconfig.get_path("stdlib")) / part) for part in ("contextlib.py", "functools.py", "importlib")),
)
_TRACED_LINE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
_TRACED = "in user code:"
LONGEST_MESSAGE = 300


@contextlib.contextmanager
def told_as_theirs(what: str, *, always: bool = False) -> Iterator[None]:
    """Turn an exception that a user's function raises in the body into one line that names their line.

    An exception without a line of the user's code in it is Gradtwin's own, and passes as it is, unless
    the body does no more than call them.

    Args:
        what: which code runs, the subject of the line: "The manual function".
        always: the body only calls their code, so that whatever is raised is about it.

    Raises:
        InputError: the exception, its message and where it was raised.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if described(error).startswith("InputError: "):  # raised while TensorFlow traced
            raise InputError(described(error).removeprefix("InputError: ")) from error
        place = users_line(error)
        if place is None and not always:
            raise
        where = f" ({place})" if place else ""
        raise InputError(f"{what} raised {described(error)}{where}") from error


def described(error: BaseException) -> str:
    """Give an exception's type and message in one line, TensorFlow's copies of the code left out."""
    message = str(error)
    if message.startswith(_TRACED):
        message = message.strip().rsplit("\n\n", 1)[-1].strip()
    else:
        message = f"{type(error).__name__}: {message}"
    message = " ".join(message.split()).rstrip(": ")
    return message if len(message) <= LONGEST_MESSAGE else message[:LONGEST_MESSAGE].rstrip() + " ..."


def users_line(error: BaseException) -> str | None:
    """Find the innermost line of the user's own code an exception comes from.

    Returns:
        "FILE, line N", or None where the innermost code outside the libraries is Gradtwin's.
    """
    told = str(error) if str(error).startswith(_TRACED) else ""
    traced = [(m["file"], int(m["line"])) for m in _TRACED_LINE.finditer(told)]
    frames = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
    for places in (traced, frames):
        places = [place for place in places if not place[0].startswith(_NOT_USERS)]
        if places:
            return "{}, line {}".format(*places[-1])
    return None
