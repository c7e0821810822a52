"""What a training looks like: the decision boundary, the first layer, the mistakes, the gradients' error.

Every picture shows the manual side beside the reference side. Each function gives a PNG file and its size, for
`gradtwin.training.tensorboard.summaries.picture`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradtwin.core.tolerance import AGREE_ULPS
from gradtwin.training.tensorboard import gaps
from gradtwin.training.tensorboard.painting import Panel, amount_cells, png, signed_cells, tiled
from gradtwin.twins.twin import Batch, Twin
from manual_grads import Array, Params

Dot = tuple[float, float, bool]
Picture = tuple[bytes, tuple[int, int]]
Evaluate = Callable[[Batch], Params]

PANEL = 100
GRID = 50
MOST_UNITS = 16
MOST_CELLS = 50
FEW_CLASSES, MOST_CLASSES = 7, 20
MOST_ULP = 10_000.0
TITLES = {"manual": "manual", "tensorflow": "reference"}

DESCRIPTIONS = {
    "decision_boundary": "The output for every point of the plane: blue is 0, white 1/2, red 1. Dots are the training "
    "data; a filled dot is a 1. On the right the difference manual - reference: red is positive, blue negative.",
    "first_layer_weights": "Blue is negative, red is positive; both sides have one scale. If the inputs are images, "
    "the weights of each of the first units are an image. On the right the difference manual - reference.",
    "confusion_matrix": "One row for each true class, one column for each predicted class, both counted from 0.",
    "gradient_error_ulp": "|manual - reference| of every entry of every gradient, in units of the last place of the "
    "gradient's largest entry. Of large arrays the largest error of each block is shown. "
    f"Up to {AGREE_ULPS:g} ulp count as equal.",
}


@dataclass(frozen=True, eq=False)
class Plane:
    """A square of the plane with the training data in it, to ask a network about.

    Attributes:
        across, upwards: [GRID], the coordinates of the cells' centres along the two inputs.
        rows: the batch to evaluate, [GRID², 2] from the top row down, and targets that are not used.
        points: (column, row, is a 1) of the training data, in cells of the grid.
    """

    across: Array
    upwards: Array
    rows: Batch
    points: list[Dot]


def plane(twin: Twin, rows: Batch) -> Plane | None:
    """Lay a grid over data of two columns that belong to a binary task; None for any other data.

    Args:
        twin: says what the task is.
        rows: inputs [N, D] and targets.
    """
    if twin.task != "binary" or len(rows) != 2 or rows[0].shape[1:] != (2,) or rows[1].shape[1:] != (1,):
        return None
    x, t = rows
    low, high = x.min(axis=0), x.max(axis=0)
    pad = np.where(high > low, (high - low) / 2, 1.0)
    low, high = low - pad, high + pad
    fractions = (np.arange(GRID) + 0.5) / GRID
    across, upwards = (low[i] + fractions * (high[i] - low[i]) for i in (0, 1))
    grid = np.stack(np.meshgrid(across, upwards[::-1]), axis=-1).reshape(-1, 2).astype(x.dtype)
    places = (x - low) / (high - low) * GRID
    shown = zip(places[:200].tolist(), t[:200, 0] > 0.5, strict=True)
    points = [(column, GRID - row, bool(filled)) for (column, row), filled in shown]
    return Plane(across, upwards, (grid, np.zeros((len(grid), 1), t.dtype)), points)


def decision_boundary(plane: Plane, output: str, evaluate: Mapping[str, Evaluate]) -> Picture:
    """Draw both sides' output over the plane, and their difference."""
    values = {side: np.asarray(ask(plane.rows)[output]).reshape(GRID, GRID) for side, ask in evaluate.items()}
    panels = [
        Panel(TITLES[side], signed_cells(2 * value - 1, 1.0), dots=plane.points) for side, value in values.items()
    ]
    difference, size = _difference(values["manual"], values["tensorflow"], plane.points)
    return png([*panels, difference], PANEL, 3, size)


def first_layer_weights(
    weights: Mapping[str, Array], image_shape: tuple[int, int] | None
) -> Picture:
    """Draw both sides' first weights and their difference.

    Args:
        weights: side -> [inputs, units], or a vector or scalar.
        image_shape: (rows, columns) where the inputs are images; then each unit's weights are one.
    """
    sheets = {side: _sheet(array, image_shape) for side, array in weights.items()}
    largest = max(_largest(sheet) for sheet in sheets.values())
    panels = [Panel(TITLES[side], signed_cells(sheet, largest)) for side, sheet in sheets.items()]
    difference, size = _difference(sheets["manual"], sheets["tensorflow"])
    return png([*panels, difference], PANEL, 3, f"full colour {largest:.3g}; {size}")


def confusion_matrix(predictions: Mapping[str, Array], targets: Array) -> Picture:
    """Draw how often each class was predicted for each true class.

    Args:
        predictions: side -> [N, C]; the largest of a row is the predicted class.
        targets: [N, C], one-hot.
    """
    panels = [_confusion_panel(TITLES[side], confusion_counts(scores, targets)) for side, scores in predictions.items()]
    # Beside one another the cells of many classes would be too small for their numbers.
    side, columns = (160, 2) if targets.shape[1] <= FEW_CLASSES else (320, 1)
    return png(panels, side, columns, "down: true class, across: predicted class, from 0")


def _confusion_panel(title: str, counts: Array) -> Panel:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    numbers = [[str(count) if count else "" for count in row] for row in counts.tolist()]
    return Panel(f"{title}: {np.trace(counts):,} of {counts.sum():,}", amount_cells(shares, 1.3), numbers)


def confusion_counts(scores: Array, targets: Array) -> Array:
    """Count rows by true class (down) and predicted class (across): [C, C]."""
    classes = targets.shape[1]
    places = targets.argmax(axis=1) * classes + scores.argmax(axis=1)
    return np.bincount(places, minlength=classes * classes).reshape(classes, classes)


def gradient_error(manual: Params, tensorflow: Params) -> Picture:
    """Draw the error of each gradient in ulp, entry by entry, white for none.

    The colours are on a logarithmic scale that ends at 10,000 ulp, the same in every picture.

    Args:
        manual: name -> gradient of the manual side.
        tensorflow: the same names.
    """
    panels = []
    for name, ours in manual.items():
        errors = gaps.in_ulp_by_entry(ours, tensorflow[name])
        cells = amount_cells(np.log10(1 + worst_of_blocks(_matrix(errors))), np.log10(1 + MOST_ULP))
        panels.append(Panel(f"d{name}: {errors.max(initial=0.0):.3g} ulp", cells))
    return png(panels, PANEL, 3, f"white: equal; dark red: {MOST_ULP:,.0f} ulp or more")


def worst_of_blocks(values: Array) -> Array:
    """Shrink a matrix to at most 50 rows and columns by the largest entry of each block."""
    for axis in (0, 1):
        length = values.shape[axis]
        if length > MOST_CELLS:
            starts = np.arange(MOST_CELLS) * length // MOST_CELLS
            values = np.maximum.reduceat(values, starts, axis=axis)
    return values


def _difference(manual: Array, tensorflow: Array, points: Sequence[Dot] = ()) -> tuple[Panel, str]:
    """Draw manual - reference at full colour, and say how large it is."""
    apart = np.subtract(manual, tensorflow, dtype=np.float64)
    largest = _largest(apart)
    size = f"difference up to {largest:.1e}" if largest else "no difference at all"
    return Panel("difference", signed_cells(apart, largest), dots=points), size


def _largest(values: Array) -> float:
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def _sheet(weights: Array, image_shape: tuple[int, int] | None) -> Array:
    """Lay weights out in two dimensions, those of images as up to 16 images."""
    matrix = _matrix(weights)
    if image_shape is None or len(matrix) != np.prod(image_shape):
        return matrix[:MOST_CELLS, :MOST_CELLS]
    units = matrix.T[:MOST_UNITS].reshape(-1, *image_shape)
    return tiled(units, columns=int(np.ceil(np.sqrt(len(units)))))


def _matrix(array: Array) -> Array:
    """Give two axes: a vector or a scalar becomes one row."""
    return np.asarray(array).reshape(-1, np.shape(array)[-1] if np.ndim(array) else 1)
