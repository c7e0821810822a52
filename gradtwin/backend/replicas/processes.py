"""The two processes of route multiworker: started when first asked, kept for the next question, ended for certain.

They speak to each other over 127.0.0.1 by TensorFlow's own MultiWorkerMirroredStrategy, and to this process through a
pair of sockets without a name.
"""

import atexit
import contextlib
import json
import multiprocessing
import multiprocessing.connection
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np

from gradtwin.backend.replicas.cut import REPLICAS
from gradtwin.backend.replicas.importable import importable
from gradtwin.backend.replicas.serving import IDLE_SECONDS, IN_A_WORKER
from gradtwin.backend.replicas.sharded import Sharded
from gradtwin.backend.tensorflow_side import ReferenceRun
from gradtwin.core.errors import InputError
from manual_grads import Array

START_SECONDS = 120.0  # two imports of TensorFlow, on a busy machine
ANSWER_SECONDS = 120.0
SERVE = "from gradtwin.backend.replicas.serving import serve; serve({})"


@dataclass(frozen=True)
class Worker:
    """One process, this side of its connection, and what it writes to stderr."""

    process: subprocess.Popen[bytes]
    connection: Any
    stderr: IO[bytes]

    def said(self) -> str:
        """Give the last line it wrote."""
        self.stderr.seek(0)
        lines = self.stderr.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "nothing on stderr")


class Workers:
    """Two processes that answer questions together."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.asked = time.monotonic()

    def ask(self, question: tuple[Any, ...]) -> ReferenceRun:
        """Put a question to both, and give the answer they agree on.

        Raises:
            InputError: a worker refuses, dies or does not answer in time; both are ended then.
        """
        try:
            self._start()
            for worker in self.workers:
                with contextlib.suppress(BrokenPipeError):  # whoever has died is found when it does not answer
                    worker.connection.send(question)
            answers = self._receive(ANSWER_SECONDS, "compute the gradients")
            if not all(_same(answers[0], answer) for answer in answers):
                raise InputError("Route multiworker: the two processes hold different sums after one all-reduce.")
        except BaseException:  # Ctrl-C too: a worker may wait for the other in an all-reduce
            self.end()
            raise
        self.asked = time.monotonic()
        return answers[0]

    def end(self) -> None:
        """End both processes, whatever they do."""
        for worker in self.workers:
            worker.process.kill()
        for worker in self.workers:
            worker.process.wait()
            worker.connection.close()
            worker.stderr.close()
        self.workers = []

    def _start(self) -> None:
        fresh = time.monotonic() - self.asked < IDLE_SECONDS / 2
        if self.workers and fresh and all(worker.process.poll() is None for worker in self.workers):
            return
        self.end()
        if IN_A_WORKER in os.environ:
            raise InputError(
                "Route multiworker imports your file in two other processes, and there it asks for the check again: "
                "put the call under `if __name__ == '__main__':`."
            )
        addresses = _free_addresses(REPLICAS)
        for index in range(REPLICAS):
            self.workers.append(_started(addresses, index))
        self._receive(START_SECONDS, "start")

    def _receive(self, seconds: float, what: str) -> list[Any]:
        """Wait until every worker has answered."""
        answers: dict[int, Any] = {}
        end = time.monotonic() + seconds
        while len(answers) < len(self.workers):
            waiting = {w.connection: i for i, w in enumerate(self.workers) if i not in answers}
            for ready in multiprocessing.connection.wait(list(waiting), max(0.0, end - time.monotonic())):
                answers[waiting[ready]] = self._answer(waiting[ready], what)
            if time.monotonic() >= end and len(answers) < len(self.workers):
                raise InputError(f"Route multiworker: the two processes did not {what} within {seconds:g} seconds.")
        return [answers[i] for i in range(len(self.workers))]

    def _answer(self, index: int, what: str) -> Any:
        worker = self.workers[index]
        try:
            kind, answer = worker.connection.recv()
        except (EOFError, OSError):
            status = worker.process.wait()
            raise InputError(
                f"Route multiworker: process {index} ended with status {status} when it was to {what}: {worker.said()}"
            ) from None
        if kind == "refused":
            raise InputError(answer)
        return answer


def _started(addresses: list[str], index: int) -> Worker:
    """Start one process; it is in a session of its own, so that Ctrl-C reaches only the one that asks."""
    ours, theirs = multiprocessing.Pipe()
    stderr = tempfile.TemporaryFile()
    task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE.format(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env=os.environ
        | {
            "TF_CONFIG": json.dumps(task),
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            "CUDA_VISIBLE_DEVICES": "-1",
            IN_A_WORKER: "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,
    )
    theirs.close()
    return Worker(process, ours, stderr)


def _free_addresses(count: int) -> list[str]:
    """Find free ports of this machine, all at once so that no two are the same."""
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]


def _same(one: ReferenceRun, other: ReferenceRun) -> bool:
    """Whether two runs are equal bit by bit."""
    pairs = [(one.loss, other.loss), *((g, other.gradients[name]) for name, g in one.gradients.items())]
    return all(a is b is None or np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)


_workers = Workers()
atexit.register(_workers.end)


def ask(
    reference: Sharded, params: Mapping[str, Array], batch: Mapping[str, Array], names: Sequence[str]
) -> ReferenceRun:
    """Differentiate a sharded reference in two processes.

    Args:
        reference: the forward, at the top level of a module, and its cut.
        params: the parameters, by name.
        batch: the whole batch, by name.
        names: what to differentiate by.

    Raises:
        InputError: the forward cannot be imported elsewhere, raises there, or a process dies or takes too long.
    """
    where = importable(reference.inner)
    return _workers.ask((where, replace(reference, inner=_elsewhere), dict(params), dict(batch), tuple(names)))


def _elsewhere(*arguments: Any) -> Any:
    """Stand for a forward on its way to another process, which imports the forward itself."""
    raise NotImplementedError
