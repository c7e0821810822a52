"""Times and sizes as people write them."""

import pytest

from gradtwin.core.errors import InputError
from gradtwin.sweep import quantities


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("0.5", 0.5)])
def test_a_time_is_read(text: str, seconds: float) -> None:
    """A bare number counts seconds."""
    assert quantities.seconds(text, "--timeout") == seconds


@pytest.mark.parametrize("text", ["0", "0s", "-1", "nan", "inf", "", "1d", "ten", "1e3", "9" * 400])
def test_what_is_no_time_is_refused(text: str) -> None:
    """Zero is none: nothing would be run."""
    with pytest.raises(InputError, match="--time-budget: expected a time above 0"):
        quantities.seconds(text, "--time-budget")


@pytest.mark.parametrize(("text", "size"), [("512MB", 512_000_000), ("1.5GB", 1_500_000_000), ("2 gb", 2_000_000_000)])
def test_a_size_is_read(text: str, size: int) -> None:
    """A million bytes are a megabyte."""
    assert quantities.size(text, "--memory") == size


@pytest.mark.parametrize("text", ["0MB", "512", "MB", "1TB", "-1GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A bare number could be bytes as well as gigabytes."""
    with pytest.raises(InputError, match="--memory: expected a size"):
        quantities.size(text, "--memory")
