"""Data parallelism in low precision: what TensorFlow's collectives take, and what they do not."""

import pytest

from gradtwin import InputError, check


@pytest.mark.parametrize("route", ["mirrored", "multiworker"])
def test_bfloat16_is_refused_where_tensorflow_cannot_gather_it(route):
    """In one line, before anything runs; float16, which it can gather, agrees."""
    with pytest.raises(InputError, match=f"route {route}: TensorFlow cannot gather bfloat16"):
        check("xor", dtype="bfloat16", route=route)


def test_float16_is_checked_on_two_replicas():
    """The formula in float64 and the rounding in float16, both on the replicas."""
    report = check("xor", dtype="float16", route="mirrored")
    assert (report.verdict, report.formula.verdict, report.formula.route) == ("agree", "agree", "mirrored")
