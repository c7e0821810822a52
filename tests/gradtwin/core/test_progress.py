"""The bar of work under way."""

from typing import Any

import pytest

from gradtwin.core import progress


@pytest.mark.parametrize(("speed", "words"), [(1234.5, "1,234/s"), (2.26, "2.3/s"), (None, "")])
def test_the_rate_is_said_as_soon_as_it_is_known(speed: float | None, words: str) -> None:
    """Many a second without digits, few with one."""
    task: Any = type("Task", (), {"speed": speed, "finished_speed": None})
    assert str(progress._Rate().render(task)) == words
