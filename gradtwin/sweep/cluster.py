"""Ray: started on this machine, or found at an address that is tried first."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradtwin.core.chatter import stderr_held_back
from gradtwin.core.errors import InputError

PROBE_SECONDS = 30
_PREFIX = "gradtwin-"
_IMPATIENT = {"RAY_gcs_rpc_server_connect_timeout_s": "3", "RAY_gcs_rpc_server_reconnect_timeout_s": "3"}
_SETTINGS = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}

# ray.init may wait for minutes, or end the process, so it is tried in another process; asking the head is faster.
_PROBE = """
import json, sys, ray
if sys.argv[1] != "auto":
    from ray._raylet import GcsClient
    GcsClient(address=sys.argv[1])
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="critical")
print(json.dumps(ray.cluster_resources()))
"""


def require_extra() -> None:
    """Require Ray and pyarrow.

    Raises:
        InputError: one is not installed; the message says how to install it.
    """
    try:
        import pyarrow.parquet  # noqa: F401
        import ray  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"A sweep needs Ray and pyarrow, and {error.name} is not installed: python -m pip install 'gradtwin[sweep]'"
        ) from error


@contextlib.contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[int]:
    """Connect to Ray for as long as the body runs.

    Args:
        address: HOST:PORT of a cluster's head, or "auto"; None starts Ray on this machine, for the body only. If the
            program is connected to Ray already, that connection is used.
        workers: how many are wanted; None for one a core.

    Yields:
        How many workers to start.

    Raises:
        InputError: nothing answers at the address, or something other than Ray.
    """
    import ray

    if ray.is_initialized():
        with _quiet():
            yield workers or _cores(ray.cluster_resources())
    elif address is None:
        count = workers or len(os.sched_getaffinity(0))
        with _started(count):
            yield count
    else:
        cores = _cores(resources_at(address))
        with _initialized(address=address):
            yield min(workers or cores, cores)


def _cores(resources: dict[str, float]) -> int:
    cores = int(resources.get("CPU", 0))
    if not cores:
        raise InputError("The Ray cluster has no cores to run on: start it with ray start --num-cpus N.")
    return cores


@contextlib.contextmanager
def _started(count: int) -> Iterator[None]:
    """Start Ray on this machine, for this machine alone, with its files in a directory that is removed at the end."""
    _remove_left_behind()
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_short_directory())
    local: dict[str, Any] = {"address": "local", "num_cpus": count, "include_dashboard": False}
    try:
        with _initialized(**local, _temp_dir=folder, _node_ip_address="127.0.0.1"):
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _short_directory() -> str:
    """Give a directory with a short name: the path of a socket in it has room for about a hundred bytes."""
    return tempfile.gettempdir() if len(tempfile.gettempdir()) <= 20 else "/tmp"


def _remove_left_behind() -> None:
    """Remove the directories of sweeps that were killed; their Ray has ended with them."""
    for folder in Path(_short_directory()).glob(f"{_PREFIX}[0-9]*-*"):
        owner = int(folder.name.removeprefix(_PREFIX).partition("-")[0])
        try:
            os.kill(owner, 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # another user's
            continue


@contextlib.contextmanager
def _initialized(**options: Any) -> Iterator[None]:
    with _environment(_SETTINGS):
        import ray

        try:
            with stderr_held_back():
                ray.init(log_to_driver=False, logging_level="critical", configure_logging=False, **options)
        except Exception as error:
            raise InputError(f"Ray does not start: {_first_line(error)}") from error
        with _quiet():
            try:
                yield
            finally:
                with stderr_held_back():
                    ray.shutdown()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray from printing about dead workers, since the rows report them; Ray's debugger silences it like this."""
    from ray._private import worker

    enabled = getattr(worker, "_worker_logs_enabled", True)
    worker._worker_logs_enabled = False
    try:
        yield
    finally:
        worker._worker_logs_enabled = enabled


@contextlib.contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Set variables that the user has not set, and unset them at the end."""
    added = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


# ---- an address --------------------------------------------------------------------------------------


def resources_at(address: str) -> dict[str, float]:
    """Ask Ray at an address, within seconds, what it has.

    Returns:
        The cluster's resources.

    Raises:
        InputError: the address is malformed, or no Ray of this version answers there.
    """
    if address != "auto":
        _refuse_closed(*_host_and_port(address))
    command, environment = [sys.executable, "-c", _PROBE, address], os.environ | _SETTINGS | _IMPATIENT
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, env=environment)
    except subprocess.TimeoutExpired:
        line = f"Ray did not answer at {address} within {PROBE_SECONDS} s. Is it the address of a head node?"
        raise InputError(line) from None
    with contextlib.suppress(ValueError, IndexError):
        return dict(json.loads(done.stdout.splitlines()[-1]))
    if "InvalidAuthToken" in done.stderr:
        raise InputError(
            f"Ray at {address} requires a token. Copy ~/.ray/auth_token from its head, and set RAY_AUTH_MODE=token."
        )
    errors = [line for line in done.stderr.splitlines() if re.match(r"[\w.]*(Error|Exception): ", line)]
    why = f" ({errors[-1].partition(': ')[2].rstrip('.')})" if errors else ""
    raise InputError(f"Ray does not answer at {address}{why}. ray start --head prints the address of a cluster.")


def _host_and_port(address: str) -> tuple[str, int]:
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:/\s]+):(\d{1,5})", address)
    if not found or not 0 < int(found[2]) < 65536:
        raise InputError(f"--address {address}: expected HOST:PORT of a Ray head, such as 10.0.0.1:6379, or auto.")
    return found[1].strip("[]"), int(found[2])


def _refuse_closed(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError as error:
        why = "no answer within 5 s" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise InputError(
            f"Nothing answers at {host}:{port} ({why}). ray start --head prints the address of a cluster."
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
