"""How a batch is cut."""

import numpy as np
import pytest

from gradtwin import InputError
from gradtwin.backend.replicas.cut import NotByExample, cut_of, unequal


@pytest.mark.parametrize(
    ("rows", "parts", "sizes"),
    [(101, 2, (51, 50)), (4, 2, (3, 1)), (12, 2, (7, 5)), (2, 2, (1, 1)), (7, 3, (3, 2, 2)), (6, 3, (3, 2, 1))],
)
def test_shards_are_unequal_where_they_can_be(rows, parts, sizes):
    """Equal ones would hide a mean of means; two examples can only be cut into one and one."""
    assert unequal(rows, parts) == sizes
    assert sum(sizes) == rows


def test_arrays_without_the_examples_axis_go_whole_to_every_replica():
    """A scalar and an array of another length are no examples; the shards keep names and order."""
    batch = {"x": np.arange(10.0).reshape(5, 2), "scale": np.array(3.0), "mask": np.ones(4)}
    cut = cut_of(batch)
    first, second = cut.shards(batch)
    assert cut.sizes == (3, 2) and cut.arrays == ("x",)
    assert list(first) == list(batch)
    np.testing.assert_array_equal(np.concatenate([first["x"], second["x"]]), batch["x"])
    assert first["scale"] is second["scale"] and first["mask"].shape == second["mask"].shape == (4,)
    assert cut.told(["scale", "mask"]) == (
        "The batch of 5 examples was cut into shards of 3 and 2; every replica had scale, mask whole."
    )


@pytest.mark.parametrize("sizes", [(5,), (3, 3), (5, 0), (6, -1), 2, (2.5, 2.5), ("3", "2")])
def test_sizes_that_do_not_add_up_are_refused(sizes):
    """The line says how many examples there are and what came."""
    with pytest.raises(InputError, match=r"shards: expected .* add up to the 5 examples of the batch, got "):
        cut_of({"x": np.ones((5, 2))}, sizes)


def test_nothing_to_cut_is_refused():
    """A batch of one example, and one of scalars."""
    with pytest.raises(NotByExample, match="at least two examples, one for each replica, got 1"):
        cut_of({"x": np.ones((1, 2))})
    with pytest.raises(NotByExample, match="no array of it has rows"):
        cut_of({"x": np.array(5.0)})
