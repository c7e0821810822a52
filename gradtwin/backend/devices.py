"""Where TensorFlow computes the reference: the device asked for, else the CPU, also beside a GPU.

On a GPU products of float32 are not taken in TF32, which keeps 10 of 23 bits: rounding there is judged by the rule of
float32.
"""

import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gradtwin.core.errors import InputError


@dataclass(frozen=True)
class Placed:
    """A reference's forward with the device it is computed on; called, it is the forward itself."""

    inner: Callable[..., Any]
    device: str

    def __call__(self, params: Any, *batch: Any) -> Any:
        """Run the forward."""
        return self.inner(params, *batch)


def device_of(forward: Any) -> str | None:
    """Give the device a forward was placed on; None if it was not."""
    return forward.device if isinstance(forward, Placed) else None


def named_device(tf: Any, name: str) -> str:
    """Find a device that TensorFlow sees, by a name such as "GPU:0", "cpu:1" or "GPU".

    Args:
        tf: TensorFlow.
        name: what the user calls it.

    Returns:
        Its name as TensorFlow has it, "GPU:0".

    Raises:
        InputError: TensorFlow sees no such device.
    """
    seen = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
    asked = re.fullmatch(r"(?:/?device:)?([A-Za-z_]+)(?::(\d+))?", name)
    found = f"{asked[1].upper()}:{int(asked[2] or 0)}" if asked else name
    if found not in seen:
        raise InputError(f"device: TensorFlow sees no {name!r} here, only {', '.join(seen)}.")
    return found


def told(device: str) -> str:
    """Say for a report where the reference was computed."""
    precision = ", with TF32 off" if device.startswith("GPU") else ""
    return f"TensorFlow computed the reference on {device}{precision}."


@contextlib.contextmanager
def on_its_device(tf: Any, forward: Any) -> Iterator[None]:
    """Place what the body computes: on a reference's device, else on the CPU where TensorFlow sees a GPU too."""
    device = device_of(forward) or ("CPU:0" if _sees_gpu(tf) else None)
    with contextlib.ExitStack() as scopes:
        if device is not None:
            scopes.enter_context(tf.device(device))
        if device is not None and device.startswith("GPU"):
            scopes.enter_context(_without_tf32(tf))
        yield


@functools.cache
def _sees_gpu(tf: Any) -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


@contextlib.contextmanager
def _without_tf32(tf: Any) -> Iterator[None]:
    """Switch TF32 off in the body, and back to what the user has it at."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)
