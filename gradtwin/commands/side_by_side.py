"""Independent work on both of a machine's cores, in the order it was given."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

AT_ONCE = 2


def side_by_side(work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """Do two tasks at a time, in threads, and give their results one after the other.

    While one waits for XLA to compile, which holds no lock of Python's, the other goes on.

    Args:
        work: what is done with each task; it may keep nothing between two tasks.
        tasks: the tasks.

    Yields:
        The results, in the order of the tasks. The first exception of a task comes out where its result would; the
        tasks that have not begun then are not done.
    """
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield from pool.map(work, tasks)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
