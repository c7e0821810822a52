"""Two processes over loopback: the same gradients, and no process left behind whatever happens."""

import multiprocessing.connection
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf

from gradtwin import InputError, check, check_gradients
from gradtwin.backend.replicas import processes
from tests.gradtwin.backend.replicas.mean_square import mean_square, mean_square_reference, rows

# A process that says it is ready and then behaves as the test wants; without TensorFlow it starts at once.
FAKE = """
import os, queue, threading, time
from multiprocessing.connection import Connection
from gradtwin.backend.replicas import serving
connection = Connection({{}})
threading.Thread(target=serving._listen, args=(connection, queue.SimpleQueue()), daemon=True).start()
connection.send(("ready", None))
{then}
"""


def raises_elsewhere(params, x, y):
    """Refuse to be traced in another process."""
    if "GRADTWIN_IN_A_WORKER" in os.environ:
        raise ValueError("not here")
    return mean_square_reference(params, x, y)


def pids():
    """Name the processes that wait for questions."""
    return [worker.process.pid for worker in processes._workers.workers]


def is_gone(pid):
    """Whether no process has this number any more; it may take a moment to go."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        status = Path(f"/proc/{pid}/stat")
        if status.exists() and ") Z " in status.read_text():
            return True  # ended; nobody has asked for its status
        time.sleep(0.05)
    return False


def test_two_processes_give_the_hand_gradient_and_end_when_one_refuses():
    """Means and sums, in both dtypes, by one start of the two; then an exception in them comes back as one line."""
    try:
        for name, dtype in (("xor", "float64"), ("zoo", "float32"), ("neuron", "float64"), ("deep", "float32")):
            report = check(name, route="multiworker", dtype=dtype)
            assert report.verdict == "agree" and report.route == "multiworker", str(report)
            mirrored = check(name, route="mirrored", dtype=dtype)
            assert [row.name for row in report.tensors] == [row.name for row in mirrored.tensors]
        params, x, y = rows(7)
        report = check_gradients(
            mean_square, mean_square_reference, params, x, y, route="multiworker", shards=(2, 2, 2, 1)
        )
        assert report.agrees, str(report)
        started = pids()
        assert len(started) == 2
        with pytest.raises(InputError, match="in another process, raised ValueError: not here") as caught:
            check_gradients(mean_square, raises_elsewhere, params, x, y, route="multiworker")
        assert "\n" not in str(caught.value)
        assert pids() == [] and all(is_gone(pid) for pid in started)
    finally:
        processes._workers.end()


@pytest.fixture
def fake(monkeypatch):
    """Give a function that starts two processes of this sort and asks them something."""
    pool = processes.Workers()

    def ask(then):
        monkeypatch.setattr(processes, "SERVE", FAKE.format(then=then))
        try:
            pool.ask(("question",))
        finally:
            assert pool.workers == []  # ended, one way or the other

    yield ask
    pool.end()


def test_a_process_that_dies_is_told_with_its_last_words(fake):
    """The other one is ended too."""
    with pytest.raises(InputError, match=r"process \d ended with status 3 when it was to compute .*: out of luck"):
        fake("import sys; time.sleep(0.2); print('out of luck', file=sys.stderr, flush=True); os._exit(3)")


def test_a_process_that_hangs_is_ended_in_time(fake, monkeypatch):
    """The time is bounded; here to half a second."""
    monkeypatch.setattr(processes, "ANSWER_SECONDS", 0.5)
    with pytest.raises(InputError, match="did not compute the gradients within 0.5 seconds"):
        fake("time.sleep(600)")


def test_ctrl_c_ends_both_processes(fake, monkeypatch):
    """It comes while an answer is waited for."""
    waits = iter([multiprocessing.connection.wait] * 2)

    def wait(connections, timeout):
        if (real := next(waits, None)) is None or timeout < processes.START_SECONDS - 60:
            raise KeyboardInterrupt
        return real(connections, timeout)

    monkeypatch.setattr(multiprocessing.connection, "wait", wait)
    with pytest.raises(KeyboardInterrupt):
        fake("time.sleep(600)")


def test_processes_end_with_the_one_that_asks_even_when_it_is_killed():
    """kill -9 leaves it no time to end them; they notice that their connection is closed."""
    then = "time.sleep(600)"
    code = f"""
from gradtwin.backend.replicas import processes
processes.SERVE = {FAKE.format(then=then)!r}
pool = processes.Workers()
pool._start()
print(*(worker.process.pid for worker in pool.workers), flush=True)
pool.ask(("question",))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        started = [int(pid) for pid in process.stdout.readline().split()]
        os.kill(process.pid, signal.SIGKILL)
    assert len(started) == 2 and all(is_gone(pid) for pid in started)


def test_different_sums_in_the_two_processes_are_refused(fake):
    """After an all-reduce all replicas hold the same; each process answers with its own number here."""
    answer = (
        "import numpy as np; from gradtwin.backend.tensorflow_side import ReferenceRun; "
        "connection.send(('answer', ReferenceRun(np.float64(os.getpid()), dict(), dict()))); time.sleep(600)"
    )
    with pytest.raises(InputError, match="different sums"):
        fake(answer)


def test_a_function_that_another_process_cannot_import_is_refused():
    """The line says what is needed, and no process is started."""
    params, x, y = rows(5)
    with pytest.raises(InputError, match=r"<lambda> is no function at the top level of a file\. Move it there"):
        check_gradients(
            mean_square, lambda p, x, y: mean_square_reference(p, x, y), params, x, y, route="multiworker"
        )
    with pytest.raises(InputError, match="is no function at the top level"):
        check_gradients(mean_square, tf.function(mean_square_reference), params, x, y, route="multiworker")
    assert pids() == []


def test_a_script_that_asks_again_when_it_is_imported_is_told_to_guard_its_call(monkeypatch):
    """As multiprocessing has it: the other processes import the script."""
    monkeypatch.setenv("GRADTWIN_IN_A_WORKER", "1")
    with pytest.raises(InputError, match="put the call under `if __name__ == '__main__':`"):
        processes.Workers().ask(("question",))
