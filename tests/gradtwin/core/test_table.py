"""A table as plain text."""

from gradtwin.core.table import Table


def test_words_stand_to_the_left_and_numbers_to_the_right() -> None:
    """Each column is as wide as its widest cell; no line ends in blanks."""
    table = Table(("name", "size", "verdict"), (("a", "7", "agree"), ("longer", "1e+15", "no")), frozenset({1}))
    assert list(table.lines()) == [
        "name     size  verdict",
        "a           7  agree",
        "longer  1e+15  no",
    ]


def test_a_table_without_rows_has_its_head() -> None:
    """And nothing else."""
    assert list(Table(("a", "b"), ()).lines()) == ["a  b"]
