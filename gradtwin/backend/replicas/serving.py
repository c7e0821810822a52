"""One of the two processes of route multiworker: it waits for questions, and all-reduces with the other one."""

import os
import queue
import threading
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from gradtwin.backend.replicas.replicas import differentiate_on
from gradtwin.backend.tensorflow_side import load_tensorflow
from gradtwin.core.errors import InputError
from gradtwin.core.user_code import told_as_theirs

IDLE_SECONDS = 300.0  # without a question for so long a worker ends by itself
IN_A_WORKER = "GRADTWIN_IN_A_WORKER"


def serve(descriptor: int) -> None:
    """Answer the questions that come through a connection, until it is closed or nothing comes.

    A question is (where the reference is, the reference without its forward, params, batch, names); an answer is
    ("answer", ReferenceRun) or ("refused", a line). When the asking process ends, however it ends, its end of the
    connection closes and this process ends too, even in the midst of an all-reduce.
    """
    connection = Connection(descriptor)
    questions: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, questions), daemon=True).start()
    strategy = load_tensorflow().distribute.MultiWorkerMirroredStrategy()
    connection.send(("ready", None))
    while True:
        try:
            question = questions.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            os._exit(0)
        connection.send(_answer(strategy, *question))


def _listen(connection: Connection, questions: "queue.SimpleQueue[Any]") -> None:
    try:
        while True:
            questions.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)  # the main thread may wait for the other worker, which nothing else would end


def _answer(strategy: Any, where: Any, reference: Any, *point: Any) -> tuple[str, Any]:
    try:
        with told_as_theirs("The reference, in another process,", always=True):
            return "answer", differentiate_on(strategy, replace(reference, inner=where.load()), *point)
    except InputError as error:
        return "refused", str(error)
