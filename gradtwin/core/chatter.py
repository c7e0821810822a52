"""Keep TensorFlow's start-up messages from the user's terminal, and numpy's threads from TensorFlow's cores."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # C++: nothing below fatal; no notes on CPU features, CUDA or XLA
    "TF_ENABLE_ONEDNN_OPTS": "0",  # the same order of summation everywhere, and no message about it
}


def let_idle_threads_sleep() -> None:
    """Let OpenBLAS's threads sleep a tenth of a millisecond after a product, where the user has not said otherwise.

    By default they spin for tens of milliseconds, on cores that TensorFlow, whose turn it is then, is to compute on.
    Only what runs before numpy's first import has an effect. The number is the power of two of processor cycles.
    """
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "18")


def silence_tensorflow() -> None:
    """Set TensorFlow's environment variables for silence where the user has not set them.

    Only what runs before TensorFlow's first import has an effect.
    """
    for variable, value in _QUIET.items():
        os.environ.setdefault(variable, value)


@contextlib.contextmanager
def stderr_held_back() -> Iterator[None]:
    """Drop what is written to stderr, by C++ too, unless the body fails: then it is printed after all.

    TensorFlow's CUDA builds say on import that there is no GPU, before they read any log level.
    """
    sys.stderr.flush()
    own = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.write(own, os.pread(held.fileno(), os.fstat(held.fileno()).st_size, 0))
            raise
        finally:
            sys.stderr.flush()
            os.dup2(own, 2)
            os.close(own)
