"""The pool of workers: hands out cases, and replaces a worker that hangs, dies or has grown too large.

Every worker has one case at a time, and no wait goes beyond the next deadline. A case whose worker died is started once
more on another one; if that dies too, the case is recorded as the reason.
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
from gradtwin.sweep.case import CaseRow, SweepCase
from gradtwin.sweep.run_case import OUT_OF_MEMORY, TIMEOUT, WORKER_DIED, failure, row_of
from gradtwin.sweep.worker import ENVIRONMENT, CaseWorker

START_SECONDS = 120.0
MOST_FAILED_STARTS = 3
MOST_ATTEMPTS = 2
# Traced graphs and compiled programs stay in memory; a worker that has grown by so many bytes is replaced.
MOST_GROWTH = 600 * 2**20


@dataclass
class _Member:
    """A worker and what it does: load TensorFlow (no case yet), run a case, or wait for one."""

    actor: Any
    pending: Any
    since: float
    case: SweepCase | None = None
    attempts: int = 0
    ready: bool = False
    pid: int = 0
    host: str = ""
    first_size: int = 0


class Pool:
    """Workers on the Ray that this process is connected to."""

    def __init__(self, size: int, *, folder: str, timeout: float, memory: int | None) -> None:
        import ray

        self._ray = ray
        self._timeout = timeout
        self._worker = ray.remote(CaseWorker).options(
            num_cpus=1, max_restarts=0, max_task_retries=0, runtime_env={"env_vars": ENVIRONMENT}
        )
        self._arguments = folder, memory
        self._again: deque[tuple[SweepCase, int]] = deque()
        self._failed_starts = 0
        self._members: list[_Member] = []
        for _ in range(size):
            self._start()

    # ---- handing out -----------------------------------------------------------------------------------

    @property
    def free(self) -> int:
        """How many workers wait for a case from `give`."""
        return max(0, sum(m.ready and m.case is None for m in self._members) - len(self._again))

    @property
    def busy(self) -> bool:
        """Whether a case runs, or has to be started again."""
        return bool(self._again) or any(member.case for member in self._members)

    @property
    def ready(self) -> bool:
        """Whether a worker has ever been ready."""
        return any(member.ready for member in self._members)

    def give(self, case: SweepCase, attempts: int = 1) -> None:
        """Give a case to a waiting worker."""
        member = next(m for m in self._members if m.ready and m.case is None)
        member.case, member.attempts, member.since = case, attempts, time.monotonic()
        member.pending = member.actor.run.remote(case)

    # ---- waiting ---------------------------------------------------------------------------------------

    def wait(self, longest: float) -> list[CaseRow]:
        """Wait until something happens, at most so many seconds, and give the rows of the cases that ended."""
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

    def _take(self, member: _Member) -> Iterator[CaseRow]:
        """Take a worker's answer; replace the worker if it can give none any more."""
        case, attempts = member.case, member.attempts
        pending, member.pending = member.pending, None
        try:
            answer = self._ray.get(pending, timeout=START_SECONDS)
        except self._ray.exceptions.RayError as error:
            yield from self._lost(member, error)
            return
        if case is None:
            member.ready, member.pid, member.host = True, answer["pid"], answer["host"]
            member.first_size, self._failed_starts = answer["resident"], 0
            return
        member.case = None
        size = answer.pop("resident")
        if size - member.first_size > MOST_GROWTH:
            self._replace(member)
        yield answer | {"attempts": attempts}

    def _overdue(self, member: _Member) -> Iterator[CaseRow]:
        if member.pending is None or time.monotonic() < self._deadline(member):
            return
        case, attempts = member.case, member.attempts
        if case is None:
            self._count_failed_start("TensorFlow did not load in time, or no core is free")
        self._replace(member)
        if case is not None:
            yield row_of(case) | failure(TIMEOUT, f"no result within {self._timeout:g} s") | {
                "attempts": attempts, "seconds": self._timeout,
            }  # fmt: skip

    # ---- replacing -------------------------------------------------------------------------------------

    def _lost(self, member: _Member, error: Exception) -> Iterator[CaseRow]:
        """Replace a dead worker, and start its case once more."""
        case, attempts, seconds = member.case, member.attempts, time.monotonic() - member.since
        if case is None:
            self._count_failed_start(_reason(error))
        self._replace(member)
        if case is None:
            return
        # Ray ends a worker when its node runs out of memory, and gives this as the reason.
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
            needed = "Every node needs this version of Gradtwin, installed as gradtwin[sweep]."
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
        # A suspended process does not react to Ray; on this machine it can be killed all the same.
        if member.pid and member.host == os.uname().nodename:
            with contextlib.suppress(OSError):
                os.kill(member.pid, signal.SIGKILL)

    def close(self) -> None:
        """End all workers, whatever they do."""
        for member in self._members:
            self._kill(member)
        self._members.clear()


def _reason(error: BaseException) -> str:
    """Take from Ray's text what happened, without its guesses at the reason."""
    text = str(error)
    if detail := re.search(r"Worker exit detail: (.*?)(?: Some common causes|$)", text, re.DOTALL):
        return f"the worker died: {detail[1]}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    useful = [line for line in lines if re.search("Error|dead because|died", line)]
    return (useful or lines or [type(error).__name__])[-1]
