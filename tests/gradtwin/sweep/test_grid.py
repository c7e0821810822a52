"""The grid: counted by arithmetic, cases by number, samples that are fair."""

import itertools
from collections import Counter

import pytest

from gradtwin.core.errors import InputError
from gradtwin.sweep.axes import axes_of
from gradtwin.sweep.grid import MOST_UNBOUNDED, Grid, refuse_size
from gradtwin.sweep.plan import plan


def grid_of(seeds: str, **axes: str) -> Grid:
    return plan("check", ["xor", "deep"], axes_of("check", {"seed": seeds, **axes}))


def test_every_number_is_another_case_and_together_they_are_the_product() -> None:
    """The cases by number are those of itertools.product, twin by twin."""
    grid = grid_of("3..5", dtype="float64,float32", route="tape,xla")
    cases = [grid.case(number) for number in range(grid.count)]
    assert grid.count == 2 * 3 * 2 * 2
    product = itertools.product(("xor", "deep"), ("float64", "float32"), ("tape", "xla"), (3, 4, 5))
    assert [(case.target, case.dtype, case.route, case.seed) for case in cases] == list(product)
    assert len({case.id for case in cases}) == grid.count


def test_the_id_of_a_case_is_that_of_its_settings_wherever_it_stands() -> None:
    """The number in the grid is no part of it; one id is pinned, by sha256sum, for results outlive a version."""
    short, long = grid_of("7"), grid_of("0..9")
    assert short.case(0).id == long.case(7).id
    assert short.case(0).number != long.case(7).number
    assert short.case(0).id == "c11ae85101dff39930f62ba57f95dc19"


def test_a_grid_of_a_billion_is_counted_and_refused_with_the_count() -> None:
    """Nothing is made of it; a bound admits it."""
    grid = plan("check", ["xor"], axes_of("check", {"seed": "0..999999999"}))
    assert grid.count == 10**9
    with pytest.raises(InputError, match="1,000,000,000 cases.*--max-cases or --time-budget"):
        refuse_size(grid, bounded=False)
    refuse_size(grid, bounded=True)
    assert grid.case(10**9 - 1).seed == 10**9 - 1


def test_a_grid_at_the_limit_is_run_and_one_beyond_numbers_is_not() -> None:
    """A million cases pass, a million and one do not; 2^63 have no number in the table."""
    last = (MOST_UNBOUNDED - 1, MOST_UNBOUNDED)
    at, beyond = (plan("check", ["xor"], axes_of("check", {"seed": f"0..{n}"})) for n in last)
    refuse_size(at, bounded=False)
    with pytest.raises(InputError, match="1,000,001 cases"):
        refuse_size(beyond, bounded=False)
    with pytest.raises(InputError, match="more than can be numbered"):
        refuse_size(grid_of(f"0..{2**62 - 1}", dtype="float64,float32"), bounded=True)


def test_an_empty_grid_is_refused() -> None:
    """A sweep of nothing has not passed."""
    with pytest.raises(InputError, match="empty"):
        refuse_size(Grid("check", ()), bounded=True)


@pytest.mark.parametrize("most", [40, 101, 399])
def test_a_bounded_sample_is_spread_over_the_whole_grid(most: int) -> None:
    """No case twice, twins and dtypes equally often to one in ten, and seeds from both ends."""
    grid = grid_of("0..99", dtype="float64,float32")
    numbers = list(grid.numbers(most, spread=False))
    cases = [grid.case(number) for number in numbers]
    assert len(set(numbers)) == most and max(numbers) < grid.count
    for counts in (Counter(case.target for case in cases), Counter(case.dtype for case in cases)):
        assert len(counts) == 2 and max(counts.values()) - min(counts.values()) <= max(2, most / 10)
    seeds = [case.seed or 0 for case in cases]
    assert min(seeds) < 10 and max(seeds) >= 90


def test_a_larger_bound_keeps_the_cases_of_a_smaller_one() -> None:
    """So a bounded sweep can be resumed with more."""
    grid = grid_of("0..99")
    assert list(grid.numbers(150, spread=False))[:50] == list(grid.numbers(50, spread=True))


def test_without_a_bound_every_case_comes_once_in_its_order() -> None:
    """Spread or not, it is a permutation: of forty cases the golden part is 24, which goes round after five."""
    grid = grid_of("0..19")
    assert list(grid.numbers(None, spread=False)) == list(range(grid.count))
    assert sorted(grid.numbers(None, spread=True)) == list(range(grid.count))
    assert list(grid.numbers(10**9, spread=False)) == list(range(grid.count))
