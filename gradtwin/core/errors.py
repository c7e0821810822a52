"""What is said when Gradtwin is used wrongly."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """A user's mistake, told in one line: what was expected, what came, what to do.

    The command line prints the line and exits with status 2.
    """


class Disagreement(AssertionError):
    """Raised by `Report.raise_for_disagreement`; its text is the report."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the known word nearest to a mistyped one, as a sentence with a leading space, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""
