"""Ctrl-C, in order."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def stop_request() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a request, so that nothing is stopped half-way; a second acts at once.

    Yields:
        A function that says whether Ctrl-C was pressed.
    """
    asked = threading.Event()
    previous = signal.getsignal(signal.SIGINT)
    # Only the main thread may set handlers, and a process told to ignore Ctrl-C shall go on ignoring it.
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield asked.is_set
        return

    def ask(*_: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, previous)
