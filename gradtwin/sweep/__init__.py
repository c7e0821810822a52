"""Sweep: independent cases in any number, on the cores of this machine or of a Ray cluster.

    summary = gradtwin.sweep.sweep(["xor"], axes={"seed": range(100), "dtype": ["float64", "float32"]})
    rows = gradtwin.sweep.read_results(summary.folder)      # a pyarrow.Table

It needs the extra: pip install 'gradtwin[sweep]'. The names below are loaded on first use, since the command line
declares `gradtwin sweep` without running it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradtwin.sweep.driver import Summary, sweep
    from gradtwin.sweep.results import read_results

__all__ = ["Summary", "read_results", "sweep"]


def __getattr__(name: str) -> Any:
    """Load a public name."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gradtwin.sweep import driver, results

    return getattr(results if name == "read_results" else driver, name)
