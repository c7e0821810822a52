"""A user's table is read, or refused with the line that is wrong."""

import numpy as np
import pytest

from gradtwin.core.errors import InputError
from gradtwin.twins.datasets import load_csv

HEADER = "name,hair,legs,type\n"


def _written(tmp_path, text):
    path = tmp_path / "animals.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("text", [HEADER + "bear,1,4,0\ncrow,0,2,1\n", "bear,1,4,0\ncrow,0,2,1"])
def test_names_are_kept_with_and_without_a_header(tmp_path, text):
    """Both spellings give the same data set."""
    data = load_csv(_written(tmp_path, text))
    assert data.names == ("bear", "crow")
    np.testing.assert_array_equal(data.inputs, [[1, 4], [0, 2]])
    np.testing.assert_array_equal(data.targets, [[1, 0], [0, 1]])


def test_numbers_alone_comments_blank_lines_and_a_byte_order_mark_are_fine(tmp_path):
    """What spreadsheets write is read."""
    data = load_csv(
        _written(tmp_path, b"\xef\xbb\xbf# from a spreadsheet\r\n\r\na,b,type\r\n1.5, -2e1 ,2\r\n")
    )
    assert data.names is None
    np.testing.assert_array_equal(data.inputs, [[1.5, -20.0]])
    np.testing.assert_array_equal(data.targets, [[0, 0, 1]])


def test_the_number_of_classes_can_be_given(tmp_path):
    """A file without the last class still fits a net that has it."""
    assert load_csv(_written(tmp_path, "1,0\n2,1\n"), classes=7).targets.shape == (2, 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        (HEADER, "has no rows"),
        ("# only a comment\n\n", "has no rows"),
        ("bear\n", "has no rows"),
        ("1\n", "line 1: expected numbers and a label, got 1 field"),
        ("bear,0\n", "line 1: expected numbers and a label, got 2 field"),
        (HEADER + "bear,1,4,0\ncrow,0,1\n", "line 3: expected 4 fields as in the first row, got 3"),
        (HEADER + "bear,1,4,0,9\n", "line 2: expected 4 fields as in the first row, got 5"),
        (HEADER + "bear,1,4,0\n7,0,2,1\n", "line 3: expected a name in the first column as above, got '7'"),
        (HEADER + "bear,1,four,0\n", "line 2: expected a number, got 'four'"),
        (HEADER + "bear,1,,0\n", "line 2: expected a number, got ''"),
        (HEADER + "bear,1,1_0,0\n", "line 2: expected a number, got '1_0'"),
        (HEADER + "\nbear,1,nan,0\n", "line 3: expected a finite number, got 'nan'"),
        (HEADER + "bear,-inf,4,0\n", "line 2: expected a finite number, got '-inf'"),
        (HEADER + "bear,1e999,4,0\n", "line 2: expected a finite number, got '1e999'"),
        (HEADER + "bear,1,4,\n", "line 2: the label is missing"),
        (HEADER + "bear,1,4,0.5\n", "line 2: expected an integer label in the last column, got '0.5'"),
        (HEADER + "bear,1,4,mammal\n", "line 2: expected an integer label in the last column, got 'mammal'"),
        (HEADER + "bear,1,4,nan\n", "line 2: expected a finite number, got 'nan'"),
        (HEADER + "bear,1,4,-1\n", "line 2: expected a label from 0 to 999, got -1"),
        (HEADER + "bear,1,4,1000000000\n", "line 2: expected a label from 0 to 999, got 1000000000"),
        (b"\xff\xfe\x00\x01", "is no comma-separated text"),
        ('bear,"1,4,0\n', "is no comma-separated text"),
    ],
)
def test_a_bad_table_is_refused_in_one_line(tmp_path, text, message):
    """Each mistake has its own message with the number of the line."""
    with pytest.raises(InputError) as caught:
        load_csv(_written(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_label_beyond_the_given_classes_is_refused(tmp_path):
    """The message names the largest label the net has a column for."""
    with pytest.raises(InputError, match="line 2: expected a label from 0 to 6, got 7"):
        load_csv(_written(tmp_path, "1,0\n2,7\n"), classes=7)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    """What the system said is passed on."""
    with pytest.raises(InputError, match="Cannot read .*No such file"):
        load_csv(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="Cannot read .*directory"):
        load_csv(tmp_path)
