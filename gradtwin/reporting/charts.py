"""Charts as SVG inside the page: no file, no script, no request; their colours are those of the page, light or dark.

The title and the description of a chart say in words what it shows, for readers who cannot see it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from gradtwin.core.plain import ulps
from gradtwin.core.tolerance import AGREE_ULPS
from gradtwin.reporting.dossier import Boundary, ErrorMap
from gradtwin.reporting.words import boundary_sentence
from manual_grads import Array

WIDTH, HEIGHT = 420, 240
LEFT, RIGHT, TOP, BOTTOM = 62, 10, 12, 34
POINTS = 200  # of a curve; nobody would see more

# Bounds of the shades of a map, in ulp; what counts as equal is within the last one.
SHADES = (0.0, 1.0, 4.0, 16.0, AGREE_ULPS)
SHADE_NAMES = ("0", *(f"up to {bound:.0f}" for bound in SHADES[1:]), f"more than {AGREE_ULPS:.0f}")


@dataclass(frozen=True, eq=False)
class Curve:
    """A line: its name, its value at each step, and its class, which gives colour and dashes."""

    name: str
    values: Array
    style: str


# ---- curves ----------------------------------------------------------------------------------------


def curves(lines: Sequence[Curve], *, title: str, y: str, identity: str, logarithmic: bool) -> Markup:
    """Draw curves over steps.

    Args:
        lines: each with [n] values, one a step from 0; what is not finite leaves a hole.
        title: what the chart shows.
        y: the name of the vertical axis.
        identity: letters and digits that no other chart of the page has.
        logarithmic: whether the vertical axis is; zeros then lie on its floor.

    Returns:
        The chart, an `svg` element.
    """
    steps, lines = _thinned(np.arange(len(lines[0].values)), lines)
    axis = _Axis.over([line.values for line in lines], logarithmic)
    parts = [_frame(axis, steps, y)]
    for line in lines:
        parts += [f'<path class="curve {line.style}" d="{path}"/>' for path in _paths(steps, line.values, axis)]
    described = "; ".join(_described(line, steps) for line in lines)
    return _svg("".join(parts), WIDTH, HEIGHT, title, f"{described}.", identity, "chart")


def _thinned(steps: Array, lines: Sequence[Curve]) -> tuple[Array, list[Curve]]:
    """Keep every k-th point, and the last one."""
    keep = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), POINTS)).round().astype(int))
    return steps[keep], [Curve(line.name, np.asarray(line.values, np.float64)[keep], line.style) for line in lines]


def _described(line: Curve, steps: Array) -> str:
    finite = np.flatnonzero(np.isfinite(line.values))
    if not finite.size:
        return f"{line.name}: nothing finite"
    first, last = finite[0], finite[-1]
    return (
        f"{line.name}: {line.values[first]:.4g} at step {steps[first]:,}, {line.values[last]:.4g} at step "
        f"{steps[last]:,}, at most {line.values[finite].max():.4g}"
    )


@dataclass(frozen=True)
class _Axis:
    """The vertical axis: from `low` to `high`, in powers of ten if logarithmic, with zeros at `low` then."""

    low: float
    high: float
    logarithmic: bool
    has_zero: bool
    is_flat: bool = False

    @classmethod
    def over(cls, values: Iterable[Array], logarithmic: bool) -> "_Axis":
        everything = np.concatenate([v[np.isfinite(v)] for v in values] or [np.zeros(1)])
        positive = everything[everything > 0]
        if logarithmic and positive.size:
            has_zero = bool((everything <= 0).any())
            low, high = math.floor(np.log10(positive.min())), math.ceil(np.log10(positive.max()))
            return cls(low - 1.0 if has_zero else float(low), float(max(high, low + 1)), True, has_zero)
        if logarithmic:
            return cls(0.0, 1.0, True, True, is_flat=True)
        low, high = (float(everything.min()), float(everything.max())) if everything.size else (0.0, 1.0)
        margin = 0.05 * (high - low) or max(0.5, abs(high))
        return cls(low - margin if low < 0 or low > 0.5 * high else 0.0, high + margin, False, False)

    def height(self, value: float) -> float:
        """Give the place of a value, in the chart's units from the top."""
        at = (math.log10(value) if value > 0 else self.low) if self.logarithmic else value
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (at - self.low) / (self.high - self.low))

    def ticks(self) -> list[tuple[float, str]]:
        """Give at most six values and how they are written."""
        if self.is_flat:
            return [(0.0, "0")]
        if not self.logarithmic:
            return [(v, f"{v:g}") for v in _round_values(self.low, self.high)]
        powers = range(math.ceil(self.low), math.floor(self.high) + 1)
        every = max(1, math.ceil(len(powers) / 5))
        written = [(10.0**k, f"1e{k:+03d}" if abs(k) > 2 else f"{10.0**k:g}") for k in powers[::-every]]
        if not self.has_zero:
            return written
        return [*(tick for tick in written if math.log10(tick[0]) > self.low), (0.0, "0")]


def _round_values(low: float, high: float) -> list[float]:
    """Find four to six round values between two bounds."""
    rough = (high - low) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough)
    first = math.ceil(low / step)
    return [round(k * step, 12) for k in range(first, math.floor(high / step) + 1)]


def _frame(axis: _Axis, steps: Array, y: str) -> str:
    """Draw the axes, their ticks and their names."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value, text in axis.ticks():
        at = axis.height(value)
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{text}</text>')
    last = float(steps[-1]) if len(steps) else 0.0
    for share in (0.0, 0.5, 1.0):
        at = LEFT + share * (right - LEFT)
        anchor = {0.0: "start", 1.0: "end"}.get(share, "middle")
        parts.append(
            f'<text class="tick" x="{at:.1f}" y="{bottom + 15}" text-anchor="{anchor}">{round(share * last):,}</text>'
        )
    parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>')
    parts.append(f'<text class="name" x="{(LEFT + right) / 2}" y="{HEIGHT - 4}" text-anchor="middle">step</text>')
    middle = (TOP + bottom) / 2
    turned = f'transform="translate(11 {middle}) rotate(-90)"'
    parts.append(f'<text class="name" {turned} text-anchor="middle">{escape(y)}</text>')
    return "".join(parts)


def _paths(steps: Array, values: Array, axis: _Axis) -> list[str]:
    """Write a curve's lines, one for each run of finite values."""
    last = float(steps[-1]) or 1.0
    paths: list[str] = []
    drawing = False
    for step, value in zip(steps, values, strict=True):
        if not math.isfinite(value):
            drawing = False
            continue
        x = LEFT + (WIDTH - LEFT - RIGHT) * float(step) / last
        point = f"{x:.1f} {axis.height(float(value)):.1f}"
        if drawing:
            paths[-1] += f"L{point}"
        else:
            paths.append(f"M{point}")
        drawing = True
    return [path if "L" in path else f"{path}h.1" for path in paths]


# ---- maps ------------------------------------------------------------------------------------------


def error_map(shown: ErrorMap, identity: str) -> Markup:
    """Draw a tensor's error in six shades, a cell for each entry or block."""
    rows, columns = shown.ulps.shape
    shades = np.searchsorted(SHADES, shown.ulps, side="left")
    shades[~np.isfinite(shown.ulps)] = len(SHADES)
    parts = [f'<path class="shade{shade}" d="{_cells(shades == shade)}"/>' for shade in np.unique(shades)]
    worst = float(shown.ulps.max())
    text = f"largest {ulps(worst)} ulp; {100 * shown.exact:.0f} % of the entries are equal on both sides"
    title = f"Error of the gradient of {shown.name}, shape {_sizes(shown.shape)}"
    if shown.ulps.size < int(np.prod(shown.shape, dtype=int)):
        text += "; each cell is the worst of a block"
    return _svg("".join(parts), columns, rows, title, f"{text}.", identity, "map", cell=True)


def _cells(mask: Array) -> str:
    """Draw the cells of a mask as rectangles, neighbours in a row as one."""
    parts = []
    for row, line in enumerate(mask):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], line, [False]])))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            parts.append(f"M{begin} {row}h{end - begin}v1h-{end - begin}z")
    return "".join(parts)


def legend() -> Markup:
    """Explain the shades of the maps."""
    items = "".join(
        f'<li><svg class="key" viewBox="0 0 1 1" aria-hidden="true"><path class="shade{shade}" d="M0 0h1v1h-1z"/></svg>'
        f" {name}</li>"
        for shade, name in enumerate(SHADE_NAMES)
    )
    return Markup(f'<ul class="legend" aria-label="Shades of the maps, in ulp">{items}</ul>')


# ---- decision boundary -----------------------------------------------------------------------------

PLANE = 200
LEVELS = np.array([0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])


def decision_boundary(boundary: Boundary, identity: str) -> Markup:
    """Draw the output of a network over the plane, the line where each side passes 1/2, and the training rows."""
    levels = np.searchsorted(LEVELS, boundary.manual[::-1])
    count = len(boundary.first)
    cell = PLANE / count
    shades = "".join(
        f'<path class="answer{level}" d="{_cells(levels == level)}"/>' for level in np.unique(levels)
    )
    parts = [f'<g transform="scale({cell:.4f})">{shades}</g>']
    for side, values in (("manual", boundary.manual), ("tensorflow", boundary.tensorflow)):
        parts.append(f'<path class="curve {side}" d="{_contour(boundary, values)}"/>')
    for row, target in zip(boundary.inputs, boundary.targets[:, 0], strict=True):
        x, y = _place(boundary, float(row[0]), float(row[1]))
        parts.append(_mark(x, y, bool(target > 0.5)))
    text = f"The line where the output is 1/2; discs are rows with target 1, crosses 0. {boundary_sentence(boundary)}"
    frame = f'<path class="axis" d="M0 0H{PLANE}V{PLANE}H0z"/>'
    return _svg("".join(parts) + frame, PLANE, PLANE, "Decision boundary", text, identity, "plane")


def _place(boundary: Boundary, x: float, y: float) -> tuple[float, float]:
    first, second = boundary.first, boundary.second
    half = PLANE / len(first) / 2
    return (
        half + (PLANE - 2 * half) * (x - first[0]) / (first[-1] - first[0]),
        PLANE - half - (PLANE - 2 * half) * (y - second[0]) / (second[-1] - second[0]),
    )


def _mark(x: float, y: float, is_one: bool) -> str:
    if is_one:
        return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    return f'<path class="mark cross" d="M{x - 4:.1f} {y - 4:.1f}l8 8M{x - 4:.1f} {y + 4:.1f}l8 -8"/>'


def _contour(boundary: Boundary, values: Array, level: float = 0.5) -> str:
    """Find the line on which the values pass a level, square by square."""
    parts = []
    rows, columns = values.shape
    for j in range(rows - 1):
        for i in range(columns - 1):
            corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
            cuts = []
            for (ai, aj), (bi, bj) in zip(corners, [*corners[1:], corners[0]], strict=True):
                a, b = values[aj, ai] - level, values[bj, bi] - level
                if (a > 0) != (b > 0):
                    share = a / (a - b)
                    x = boundary.first[ai] + share * (boundary.first[bi] - boundary.first[ai])
                    y = boundary.second[aj] + share * (boundary.second[bj] - boundary.second[aj])
                    cuts.append(_place(boundary, float(x), float(y)))
            for (ax, ay), (bx, by) in zip(cuts[::2], cuts[1::2], strict=True):
                parts.append(f"M{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}")
    return "".join(parts) or "M0 0"


# ---- shared ----------------------------------------------------------------------------------------


def _svg(
    body: str, width: int, height: int, title: str, text: str, identity: str, style: str, *, cell: bool = False
) -> Markup:
    """Wrap a drawing with its title and description; cells have a fixed size."""
    side = max(5.0, min(16.0, 112 / height, 224 / width))
    size = f' style="width:{width * side:.0f}px"' if cell else ""
    shape = ' shape-rendering="crispEdges" preserveAspectRatio="none"' if cell else ""
    return Markup(
        f'<svg class="{style}" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{identity}-t {identity}-d"'
        f'{size}{shape}><title id="{identity}-t">{escape(title)}</title>'
        f'<desc id="{identity}-d">{escape(text)}</desc>{body}</svg>'
    )


def _sizes(shape: tuple[int, ...]) -> str:
    return " by ".join(map(str, shape)) if shape else "a scalar"
