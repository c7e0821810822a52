"""What a result was computed on: versions and the kind of machine, and nothing that names a person or a place."""

import contextlib
import importlib.metadata
import os
import platform
import re
from pathlib import Path

PACKAGES = ("gradtwin", "numpy", "tensorflow", "tensorboard")


def versions() -> dict[str, str]:
    """Give the version of Python and of every package that computes."""
    found = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def machine() -> dict[str, str]:
    """Describe the kind of machine: its processor's model, how many of them, and the operating system."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count() or "unknown"),
        "architecture": platform.machine() or "unknown",
        "system": _system(),
    }


def _processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Read the model from where Linux says it, else what the platform knows."""
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine() or "unknown"


def _system() -> str:
    """Name the operating system as its makers do, without the kernel's build and without the host."""
    with contextlib.suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    release = platform.mac_ver()[0] or platform.win32_ver()[0]
    return f"{platform.system()} {release}".strip()
