"""What all tests share: TensorFlow as Gradtwin starts it, Ray, started once, and a pool that does without it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gradtwin.backend.tensorflow_side import load_tensorflow
from gradtwin.core.chatter import silence_tensorflow
from gradtwin.sweep import cluster, driver
from gradtwin.sweep.case import SweepCase
from gradtwin.sweep.run_case import CaseRow, Twins, run_case

silence_tensorflow()  # before a test imports TensorFlow, so that it sums in the same order here as in other processes

# What make quick leaves out: files whose tests start processes, go over the whole catalogue, or train for long.
SLOW = (
    "benchmarks/", "docs/", "gradtwin/commands/", "gradtwin/backend/", "gradtwin/sweep/", "gradtwin/replay/",
    "gradtwin/checking/test_custom_gradient.py", "gradtwin/checking/test_shrink.py",
    "gradtwin/checking/test_false_alarms.py", "gradtwin/checking/test_smallest_error.py",
    "gradtwin/checking/test_replica_faults.py", "gradtwin/checking/test_low_precision.py",
    "gradtwin/checking/test_large_points.py", "gradtwin/checking/test_data_parallel.py",
    "gradtwin/checking/test_settings.py", "gradtwin/explanation/test_explain.py", "gradtwin/faults/test_score.py",
    "gradtwin/checking/test_low_precision_in_parallel.py", "gradtwin/faults/test_mutation.py",
    "gradtwin/faults/test_source_variants.py", "gradtwin/training/test_manual_side.py",
    "gradtwin/faults/test_catalogue.py", "gradtwin/referee/test_judge.py", "gradtwin/referee/test_second_order.py",
    "gradtwin/reporting/", "gradtwin/test_examples.py", "gradtwin/test_public_names.py",
    "gradtwin/test_pytest_plugin.py", "gradtwin/training/test_lockstep.py", "gradtwin/training/test_log.py",
    "gradtwin/training/test_reference_side.py", "gradtwin/training/tensorboard/", "gradtwin/twins/test_catalog.py",
    "manual_grads/test_optimizers.py", "test_packaging.py", "tf_reference/",
)  # fmt: skip


def is_slow(path: Path) -> bool:
    """Whether a file, or all of a directory, is on the list."""
    here = Path(__file__).parent
    return path.is_relative_to(here) and str(path.relative_to(here)).startswith(SLOW)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of slow files."""
    for item in items:
        if is_slow(item.path):
            item.add_marker(pytest.mark.slow)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import slow files where no slow test is asked for: that takes as long as the quick tests."""
    return True if "not slow" in config.option.markexpr and is_slow(collection_path) else None



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
