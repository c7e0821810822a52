"""Charts: what is drawn stands where its numbers say."""

import re

import numpy as np
import pytest

from gradtwin.reporting import charts
from gradtwin.reporting.charts import Curve
from gradtwin.reporting.dossier import Boundary, ErrorMap


def drawn(values: list[float], *, logarithmic: bool) -> str:
    """Draw one curve."""
    line = Curve("gap", np.array(values), "gap")
    return charts.curves([line], title="<b>", y="gap", identity="c", logarithmic=logarithmic)


def points(chart: str) -> list[tuple[float, float]]:
    """Give the points of its curve."""
    path = re.findall(r'class="curve gap" d="([^"]+)"', chart)
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", "".join(path))]


def test_a_logarithmic_axis_has_equal_steps_for_equal_factors_and_zeros_on_its_floor() -> None:
    """1e-16, 1e-15, 1e-14 are equally far apart; 0 lies below them all, on the axis."""
    (_, zero), (_, a), (_, b), (_, c) = points(drawn([0.0, 1e-16, 1e-15, 1e-14], logarithmic=True))
    assert a - b == pytest.approx(b - c, abs=0.2)
    assert zero == charts.HEIGHT - charts.BOTTOM and zero > a
    assert ">0</text>" in drawn([0.0, 1e-16], logarithmic=True)


def test_a_gap_that_is_always_zero_is_a_line_on_the_floor() -> None:
    """And the axis has no other number."""
    chart = drawn([0.0, 0.0, 0.0], logarithmic=True)
    assert {y for _, y in points(chart)} == {charts.HEIGHT - charts.BOTTOM}
    assert re.findall(r'text-anchor="end">([^<]+)<', chart)[0] == "0"


def test_what_is_not_finite_leaves_a_hole_and_is_said() -> None:
    """A diverged loss is drawn as far as it goes, in pieces, and never as a number."""
    chart = drawn([1.0, 2.0, float("inf"), 3.0, 2.0, float("nan")], logarithmic=False)
    assert len(points(chart)) == 4 and len(re.findall('class="curve gap"', chart)) == 2
    assert "nan" not in chart and "inf" not in chart
    assert "nothing finite" in drawn([float("nan")] * 3, logarithmic=True)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    """10,000 steps need no 10,000 points on a screen; the description has the first and the last value."""
    chart = drawn([float(v) for v in range(1, 10_001)], logarithmic=False)
    assert len(points(chart)) == charts.POINTS
    assert "1 at step 0" in chart and "1e+04 at step 9,999" in chart


def test_titles_are_escaped() -> None:
    """A title may hold a stranger's name."""
    assert "<b>" not in drawn([1.0, 2.0], logarithmic=False)


def test_a_map_draws_each_cell_once_in_the_shade_of_its_error() -> None:
    """0, up to 1, 4, 16, 64, and beyond; not finite is beyond."""
    ulps = np.array([[0.0, 1.0, 4.0, 16.0], [64.0, 65.0, np.inf, 0.5]])
    chart = charts.error_map(ErrorMap("W", (2, 4), ulps, 0.125), "m")
    cells = {
        int(shade): sum(int(width) for width in re.findall(r"h(\d+)v1", path))
        for shade, path in re.findall(r'class="shade(\d)" d="([^"]+)"', chart)
    }
    assert cells == {0: 1, 1: 2, 2: 1, 3: 1, 4: 1, 5: 2}
    assert "not finite" in chart and "12 % of the entries" in chart


def test_the_boundary_runs_where_the_answer_is_one_half() -> None:
    """Answers that grow along the first input alone: a vertical line at its middle, for both sides."""
    axis = np.linspace(0, 1, 11)
    values = np.tile(axis, (11, 1))
    rows = np.array([[0.1, 0.5], [0.9, 0.5]])
    boundary = Boundary(axis, axis, values, values, rows, np.array([[0.0], [1.0]]))
    chart = charts.decision_boundary(boundary, "b")
    for side in ("manual", "tensorflow"):
        (path,) = re.findall(rf'class="curve {side}" d="([^"]+)"', chart)
        across = {float(x) for x, _ in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)}
        assert across and all(x == pytest.approx(charts.PLANE / 2, abs=0.1) for x in across)
    assert "differ by at most 0;" in chart and "100 % of the rows" in chart
    assert chart.count("<circle") == 1 and chart.count("mark cross") == 1
