"""A worker: a process on one core that loads TensorFlow once and then runs one case after another."""

import contextlib
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradtwin.backend.tensorflow_side import load_tensorflow
from gradtwin.core.chatter import silence_tensorflow
from gradtwin.sweep.case import CaseRow, SweepCase
from gradtwin.sweep.run_case import Twins, run_case

# Set before numpy and TensorFlow are loaded: a worker uses one core, so that its results do not depend on how many it
# could use, and no GPU, since all workers would share it.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
}


class CaseWorker:
    """The object in each worker's process."""

    def __init__(self, folder: str, memory: int | None) -> None:
        self._twins = Twins(folder)
        self._memory = memory

    def ready(self) -> dict[str, Any]:
        """Load TensorFlow, and give the process's id, host and size."""
        silence_tensorflow()
        # Ctrl-C reaches every process of the terminal; the driver alone decides when a worker ends.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        load_tensorflow()
        return {"pid": os.getpid(), "host": os.uname().nodename, "resident": resident()}

    def run(self, case: SweepCase) -> CaseRow:
        """Run a case; `resident` is the size of the process after it."""
        with _limited(self._memory):
            row = run_case(case, self._twins)
        return row | {"resident": resident()}


@contextlib.contextmanager
def _limited(memory: int | None) -> Iterator[None]:
    """Let the body take this many bytes more than the process has now; beyond that it gets a MemoryError."""
    if memory is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    most = _status("VmData") + memory
    resource.setrlimit(resource.RLIMIT_DATA, (most if before[1] < 0 else min(most, before[1]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def resident() -> int:
    """Give the resident size of this process in bytes; 0 if the system does not say."""
    return _status("VmRSS")


def _status(field: str) -> int:
    """Read a size from Linux's status of this process."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return 1024 * int(line.split()[1])
    return 0
