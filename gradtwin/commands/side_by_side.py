"""Independent tasks two at a time, their results in the order of the tasks."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

AT_ONCE = 2


def side_by_side(work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """Run two tasks at a time, in threads, and give their results one after the other.

    While XLA compiles for one task, it holds no lock of Python's, so the other task goes on.

    Args:
        work: what to do with each task; it keeps nothing between two tasks.
        tasks: the tasks.

    Yields:
        The results, in the order of the tasks. The first exception of a task is raised where its result would come;
        tasks that have not begun by then are dropped.
    """
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield from pool.map(work, tasks)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
