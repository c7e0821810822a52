"""Heat maps beside one another, with captions, as PNG files.

Drawn with Pillow, which TensorBoard needs anyway, in one fixed palette: a picture takes a millisecond, where a
plotting library takes longer to load than XOR takes to train.
"""

import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manual_grads import Array

TEXT_SIZE, NUMBER_SIZE = 13, 11
LINE = TEXT_SIZE + 6
GAP = 8
DOT = 4

# The palette, colours at equal steps. Blue, white, red for -1 to 1: their lightness tells the size, also in
# grey or to a reader who confuses red and green. White to dark red for 0 to 1. Then grey from ink to paper.
_SIGNED = ((5, 48, 97), (67, 147, 195), (209, 229, 240), (247, 247, 247), (253, 219, 199), (214, 96, 77), (103, 0, 31))
_AMOUNT = ((255, 255, 255), (254, 224, 144), (253, 174, 97), (215, 48, 39), (103, 0, 31))
_GREY = ((32, 32, 32), (255, 255, 255))
# How many of each; the first number is odd, so that 0 is in the middle.
SIGNED, AMOUNT, GREY = 119, 100, 36
INK, PAPER = SIGNED + AMOUNT, SIGNED + AMOUNT + GREY - 1
NOT_FINITE = INK + GREY // 2


@dataclass(frozen=True, eq=False)
class Panel:
    """One heat map.

    Attributes:
        caption: stands above it.
        cells: places in the palette, [rows, columns] uint8, from `signed_cells` or `amount_cells`.
        numbers: what stands in each cell, [rows][columns] texts, or none.
        dots: (column, row, is filled) of marks, in cells from the upper left corner.
    """

    caption: str
    cells: Array
    numbers: Sequence[Sequence[str]] = ()
    dots: Sequence[tuple[float, float, bool]] = ()


def signed_cells(values: Array, largest: float) -> Array:
    """Colour numbers from -largest (blue) over 0 (white) to +largest (red); not finite is grey.

    Args:
        values: [rows, columns].
        largest: the magnitude that gets the full colour.

    Returns:
        [rows, columns] places in the palette.
    """
    return _cells(values / (2 * largest if largest else 1.0) + 0.5, 0, SIGNED)


def amount_cells(values: Array, largest: float) -> Array:
    """Colour numbers from 0 (white) to largest or more (dark red); NaN is grey."""
    return _cells(np.minimum(values / (largest or 1.0), 1.0), SIGNED, AMOUNT)


def _cells(shares: Array, first: int, count: int) -> Array:
    """Give the places of shares from 0 to 1 among `count` colours from `first` on."""
    with np.errstate(invalid="ignore"):
        places = np.rint(np.clip(shares, 0.0, 1.0) * (count - 1)).astype(np.uint8)
    places += np.uint8(first)
    places[~np.isfinite(shares)] = NOT_FINITE
    return places


def tiled(images: Array, columns: int) -> Array:
    """Lay images [N, rows, columns] out in a grid, NaN between them."""
    count, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for k, image in enumerate(images):
        top, left = k // columns * (height + 1), k % columns * (width + 1)
        sheet[top : top + height, left : left + width] = image
    return sheet


def png(panels: Sequence[Panel], side: int, columns: int, footer: str = "") -> tuple[bytes, tuple[int, int]]:
    """Draw panels beside and below one another.

    TensorBoard shows a picture some 340 pixels wide; one that is not much wider keeps its letters legible.

    Args:
        panels: the heat maps.
        side: how many pixels each is high or wide at most; every cell is a whole number of pixels.
        columns: how many stand beside one another.
        footer: a line below them.

    Returns:
        The PNG file and its (width, height).
    """
    rows = [_beside([_block(panel, side) for panel in panels[k : k + columns]]) for k in range(0, len(panels), columns)]
    sheet = _below([*rows, *([_lettering(footer)] if footer else [])])
    return _encoded(sheet), (sheet.shape[1], sheet.shape[0])


def _block(panel: Panel, side: int) -> Array:
    """Draw a panel with its caption above it and a frame around it, and paper to keep it from the next one."""
    inside = _enlarged(panel, max(1, side // max(panel.cells.shape)))
    caption = _lettering(panel.caption)
    height, width = inside.shape
    block = np.full((LINE + height + 2 + GAP, max(width + 2, caption.shape[1], side) + GAP), PAPER, np.uint8)
    _paste(block, caption, 0, 0)
    block[LINE : LINE + height + 2, : width + 2] = INK
    _paste(block, inside, LINE + 1, 1)
    return block


def _beside(blocks: Sequence[Array]) -> Array:
    height = max(len(block) for block in blocks)
    return np.hstack([_padded(block, height, block.shape[1]) for block in blocks])


def _below(blocks: Sequence[Array]) -> Array:
    width = max(block.shape[1] for block in blocks)
    return np.pad(
        np.vstack([_padded(block, len(block), width) for block in blocks]), ((0, 0), (GAP, 0)), constant_values=PAPER
    )


def _padded(block: Array, height: int, width: int) -> Array:
    """Put paper below and to the right."""
    rest = (0, height - block.shape[0]), (0, width - block.shape[1])
    return np.pad(block, rest, constant_values=PAPER)


def _paste(sheet: Array, block: Array, top: int, left: int) -> None:
    sheet[top : top + block.shape[0], left : left + block.shape[1]] = block


def _enlarged(panel: Panel, cell: int) -> Array:
    """Draw a panel with `cell` pixels to a cell, and what stands in it."""
    block = panel.cells.repeat(cell, axis=0).repeat(cell, axis=1)
    for row, texts in enumerate(panel.numbers):
        for column, text in enumerate(texts):
            _write_in_cell(block, text, (row * cell, column * cell), cell)
    for across, down, filled in panel.dots:
        _dot(block, round(across * cell), round(down * cell), filled)
    return block


def _write_in_cell(block: Array, text: str, corner: tuple[int, int], cell: int) -> None:
    """Write a text in the middle of a cell, dark on light and light on dark; nothing where it has no room."""
    letters = _lettering(text, NUMBER_SIZE)[2:-2]
    if not letters.size or max(letters.shape) > cell:
        return
    top, left = (start + (cell - size) // 2 for start, size in zip(corner, letters.shape, strict=True))
    under = block[top : top + letters.shape[0], left : left + letters.shape[1]]
    brightness = float(_palette()[under[0, 0]] @ (0.3, 0.6, 0.1))
    under[letters < NOT_FINITE] = INK if brightness > 130 else PAPER


def _dot(block: Array, x: int, y: int, filled: bool) -> None:
    """Draw a dot with a dark rim."""
    top, left = max(0, y - DOT), max(0, x - DOT)
    around = block[top : y + DOT + 1, left : x + DOT + 1]
    rows, columns = np.ogrid[top : top + around.shape[0], left : left + around.shape[1]]
    away = (rows - y) ** 2 + (columns - x) ** 2
    around[away <= DOT**2] = INK
    if not filled:
        around[away <= (DOT - 2) ** 2] = PAPER


@functools.lru_cache(maxsize=1024)
def _lettering(text: str, size: int = TEXT_SIZE) -> Array:
    """Draw a text, ink on paper: [19, its width]."""
    from PIL import Image, ImageDraw

    if not text:
        return np.empty((LINE, 0), np.uint8)
    font = _font(size)
    image = Image.new("L", (int(font.getlength(text)) + 1, LINE), 255)
    ImageDraw.Draw(image).text((0, 1), text, 0, font)
    return (INK + np.asarray(image) // (255 // (GREY - 1))).astype(np.uint8).clip(INK, PAPER)


@functools.cache
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _encoded(sheet: Array) -> bytes:
    from PIL import Image

    image = Image.fromarray(sheet)
    image.putpalette(_palette().tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


@functools.cache
def _palette() -> Array:
    """Give the palette's colours: [255, 3] uint8."""
    return np.concatenate([_between(_SIGNED, SIGNED), _between(_AMOUNT, AMOUNT), _between(_GREY, GREY)])


def _between(anchors: Sequence[tuple[int, int, int]], count: int) -> Array:
    at, wanted = np.linspace(0, 1, len(anchors)), np.linspace(0, 1, count)
    return np.stack([np.interp(wanted, at, channel) for channel in zip(*anchors, strict=True)], axis=1).astype(np.uint8)
