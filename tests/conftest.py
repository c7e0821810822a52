"""What all tests share: TensorFlow as Gradtwin starts it, Ray, started once, and a pool that does without it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gradtwin.backend.tensorflow_side import load_tensorflow
from gradtwin.core.chatter import silence_tensorflow
from gradtwin.sweep import cluster, driver
from gradtwin.sweep.case import SweepCase
from gradtwin.sweep.run_case import CaseRow, Twins, run_case

silence_tensorflow()  # before a test imports TensorFlow, so that it sums in the same order here as in other processes


@pytest.fixture(autouse=True, scope="session")
def tensorflow_with_two_processors() -> None:
    """Start the TensorFlow that the tests have imported as Gradtwin starts its own: with two logical devices."""
    if "tensorflow" in sys.modules:
        load_tensorflow()


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """Start a Ray of two cores that nodes can be added to, and connect to it: it takes five seconds, so once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # a cluster of this test alone, by its address
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        import ray
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 2, "include_dashboard": False}
        started = Cluster(initialize_head=True, connect=False, head_node_args=head)
        ray.init(address=started.address, log_to_driver=False, logging_level="critical")
        yield started
        ray.shutdown()
        started.shutdown()


class OneProcess:
    """A pool of one worker that is this process: the driver cannot tell it from Ray's."""

    def __init__(self) -> None:
        self._twins = Twins(os.getcwd())
        self._case: SweepCase | None = None
        self.given: list[int] = []

    @property
    def free(self) -> int:
        return self._case is None

    @property
    def busy(self) -> bool:
        return self._case is not None

    def give(self, case: SweepCase) -> None:
        self._case = case
        self.given.append(case.number)

    def wait(self, longest: float) -> list[CaseRow]:
        case, self._case = self._case, None
        return [] if case is None else [run_case(case, self._twins)]


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> OneProcess:
    """Let sweeps run their cases in this process; what was given to the pool can be asked for."""
    pool = OneProcess()

    @contextmanager
    def connected(address: str | None, workers: int | None) -> Iterator[int]:
        yield 1

    @contextmanager
    def in_this_process(*_: Any) -> Iterator[OneProcess]:
        yield pool

    monkeypatch.setattr(cluster, "connected", connected)
    monkeypatch.setattr(driver, "_pool", in_this_process)
    return pool
