"""The versions and the kind of machine behind a result, without anything that names a person or a place."""

import contextlib
import importlib.metadata
import os
import platform
import re
from pathlib import Path

PACKAGES = ("gradtwin", "numpy", "tensorflow", "tensorboard")


def versions() -> dict[str, str]:
    """Give the versions of Python and of every package that computes."""
    found = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def machine() -> dict[str, str]:
    """Describe the machine: the model and architecture of its processor, its cores, its operating system."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count() or "unknown"),
        "architecture": platform.machine() or "unknown",
        "system": _system(),
    }


def _processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Read the model from Linux's own list, else ask the platform."""
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine() or "unknown"


def _system() -> str:
    """Name the operating system as its makers do, without the build of the kernel and the name of the host."""
    with contextlib.suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    release = platform.mac_ver()[0] or platform.win32_ver()[0]
    return f"{platform.system()} {release}".strip()
