"""The pool of workers: hands out cases, and replaces a worker that hangs, dies or has grown too large.

Every worker has one case at a time, and each wait is bounded by the next case's deadline. A case whose worker died is
begun once more on another one; one whose second worker dies too has killed both, and is recorded as such.
"""

import contextlib
import os
import re
import signal
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gradtwin.core.errors import InputError
from gradtwin.sweep.case import Case
from gradtwin.sweep.run_case import OUT_OF_MEMORY, TIMEOUT, WORKER_DIED, Row, failure, row_of
from gradtwin.sweep.worker import ENVIRONMENT, Worker

START_SECONDS = 120.0
MOST_FAILED_STARTS = 3
MOST_ATTEMPTS = 2
# Traced graphs and compiled programs stay where they were made; a worker that has gained so much is replaced.
MOST_GROWTH = 600 * 2**20


@dataclass
class _Member:
    """A worker and what it is at: loading TensorFlow (no case yet), running a case, or waiting for one."""

    actor: Any
    pending: Any
    since: float
    case: Case | None = None
    attempts: int = 0
    ready: bool = False
    pid: int = 0
    host: str = ""
    first_size: int = 0


class Pool:
    """Workers on the Ray this process is connected to."""

    def __init__(self, size: int, *, folder: str, timeout: float, memory: int | None) -> None:
        import ray

        self._ray = ray
        self._timeout = timeout
        self._worker = ray.remote(Worker).options(
            num_cpus=1, max_restarts=0, max_task_retries=0, runtime_env={"env_vars": ENVIRONMENT}
        )
        self._arguments = folder, memory
        self._again: deque[tuple[Case, int]] = deque()
        self._failed_starts = 0
        self._members: list[_Member] = []
        for _ in range(size):
            self._start()

    # ---- handing out -----------------------------------------------------------------------------------

    @property
    def free(self) -> int:
        """How many workers wait for a case that `give` can hand them."""
        return max(0, sum(m.ready and m.case is None for m in self._members) - len(self._again))

    @property
    def busy(self) -> bool:
        """Whether a case is under way, or to be begun again."""
        return bool(self._again) or any(member.case for member in self._members)

    @property
    def ready(self) -> bool:
        """Whether a worker has ever been ready."""
        return any(member.ready for member in self._members)

    def give(self, case: Case, attempts: int = 1) -> None:
        """Hand a case to a worker that waits for one."""
        member = next(m for m in self._members if m.ready and m.case is None)
        member.case, member.attempts, member.since = case, attempts, time.monotonic()
        member.pending = member.actor.run.remote(case)

    # ---- waiting ---------------------------------------------------------------------------------------

    def wait(self, longest: float) -> list[Row]:
        """Wait until something happens, at most so many seconds, and give the rows of what ended."""
        pending = {m.pending: m for m in self._members if m.pending is not None}
        if pending:
            seconds = max(0.0, min(longest, self._next_deadline()))
            done, _ = self._ray.wait(list(pending), num_returns=1, timeout=seconds)
            rows = [row for ref in done for row in self._take(pending[ref])]
        else:
            rows = []
        rows += [row for member in list(self._members) for row in self._overdue(member)]
        while self._again and any(m.ready and m.case is None for m in self._members):
            self.give(*self._again.popleft())
        return rows

    def _next_deadline(self) -> float:
        now = time.monotonic()
        return min((self._deadline(m) - now for m in self._members if m.pending is not None), default=0.0)

    def _deadline(self, member: _Member) -> float:
        return member.since + (self._timeout if member.ready else START_SECONDS)

    def _take(self, member: _Member) -> Iterator[Row]:
        """Take what a worker has to say; if it cannot say anything any more, replace it."""
        case, attempts = member.case, member.attempts
        pending, member.pending = member.pending, None
        try:
            said = self._ray.get(pending, timeout=START_SECONDS)
        except self._ray.exceptions.RayError as error:
            yield from self._lost(member, error)
            return
        if case is None:
            member.ready, member.pid, member.host = True, said["pid"], said["host"]
            member.first_size, self._failed_starts = said["resident"], 0
            return
        member.case = None
        size = said.pop("resident")
        if size - member.first_size > MOST_GROWTH:
            self._replace(member)
        yield said | {"attempts": attempts}

    def _overdue(self, member: _Member) -> Iterator[Row]:
        if member.pending is None or time.monotonic() < self._deadline(member):
            return
        case, attempts = member.case, member.attempts
        if case is None:
            self._count_failed_start("TensorFlow was not loaded in time, or no core is free")
        self._replace(member)
        if case is not None:
            yield row_of(case) | failure(TIMEOUT, f"no result within {self._timeout:g} s") | {
                "attempts": attempts, "seconds": self._timeout,
            }  # fmt: skip

    # ---- replacing -------------------------------------------------------------------------------------

    def _lost(self, member: _Member, error: Exception) -> Iterator[Row]:
        """Put another worker in the place of a dead one, and begin its case again, once."""
        case, attempts, seconds = member.case, member.attempts, time.monotonic() - member.since
        if case is None:
            self._count_failed_start(_reason(error))
        self._replace(member)
        if case is None:
            return
        # Ray ends a worker when its node runs out of memory, and names this way of ending so.
        out_of_memory = isinstance(error, self._ray.exceptions.OutOfMemoryError) or "OUT_OF_MEMORY" in str(error)
        if out_of_memory or attempts >= MOST_ATTEMPTS:
            status = OUT_OF_MEMORY if out_of_memory else WORKER_DIED
            yield row_of(case) | failure(status, f"attempt {attempts}: {_reason(error)}") | {
                "attempts": attempts, "seconds": seconds,
            }  # fmt: skip
        else:
            self._again.append((case, attempts + 1))

    def _count_failed_start(self, reason: str) -> None:
        self._failed_starts += 1
        if self._failed_starts >= MOST_FAILED_STARTS and not self.ready:
            needed = "Every node needs this Gradtwin and its extra, gradtwin[sweep]."
            raise InputError(f"No worker starts: {reason.rstrip('.')}. {needed}")

    def _replace(self, member: _Member) -> None:
        self._members.remove(member)
        self._kill(member)
        self._start()

    def _start(self) -> None:
        actor = self._worker.remote(*self._arguments)
        self._members.append(_Member(actor, actor.ready.remote(), time.monotonic()))

    def _kill(self, member: _Member) -> None:
        with contextlib.suppress(Exception):
            self._ray.kill(member.actor)
        # A process that has been stopped does not hear Ray; on this machine it can be ended all the same.
        if member.pid and member.host == os.uname().nodename:
            with contextlib.suppress(OSError):
                os.kill(member.pid, signal.SIGKILL)

    def close(self) -> None:
        """End all workers, whatever they are at."""
        for member in self._members:
            self._kill(member)
        self._members.clear()


def _reason(error: BaseException) -> str:
    """Take from Ray's text what happened, without its guesses why."""
    text = str(error)
    if detail := re.search(r"Worker exit detail: (.*?)(?: Some common causes|$)", text, re.DOTALL):
        return f"the worker died: {detail[1]}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search("Error|dead because|died", line)]
    return (telling or lines or [type(error).__name__])[-1]
