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
NUMBER_ROOM = NUMBER_SIZE + 4
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
    from PIL import ImageOps

    blocks = [_block(panel, side) for panel in panels]
    rows = [_joined(blocks[k : k + columns], across=True) for k in range(0, len(blocks), columns)]
    sheet = _joined([*rows, *([_lettering(footer)] if footer else [])], across=False)
    sheet = ImageOps.expand(sheet, (GAP, 0, 0, 0), PAPER)
    sheet.putpalette(_palette().tobytes())
    file = io.BytesIO()
    sheet.save(file, "PNG", compress_level=1)
    return file.getvalue(), sheet.size


def _block(panel: Panel, side: int) -> Any:
    """Draw a panel with its caption above it and a frame around it, and paper to keep it from the next one."""
    from PIL import ImageOps

    framed = ImageOps.expand(_enlarged(panel, max(1, side // max(panel.cells.shape))), 1, INK)
    caption = _lettering(panel.caption)
    block = _sheet(max(framed.width, caption.width, side) + GAP, LINE + framed.height + GAP)
    block.paste(caption, (0, 0))
    block.paste(framed, (0, LINE))
    return block


def _joined(blocks: Sequence[Any], *, across: bool) -> Any:
    """Put blocks beside or below one another."""
    widths, heights = zip(*(block.size for block in blocks), strict=True)
    sheet = _sheet(sum(widths), max(heights)) if across else _sheet(max(widths), sum(heights))
    at = 0
    for block in blocks:
        sheet.paste(block, (at, 0) if across else (0, at))
        at += block.width if across else block.height
    return sheet


def _sheet(width: int, height: int) -> Any:
    """Give an empty sheet; a pixel is a place in the palette."""
    from PIL import Image

    return Image.new("L", (width, height), PAPER)


def _enlarged(panel: Panel, cell: int) -> Any:
    """Draw a panel with `cell` pixels to a cell, and what stands in it."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(panel.cells.repeat(cell, axis=0).repeat(cell, axis=1))
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1"  # without half-tones: between ink and a colour there are other colours
    for (row, column), text in np.ndenumerate(np.asarray(panel.numbers, dtype=object)):
        if text and max(_font(NUMBER_SIZE).getlength(text), NUMBER_ROOM) <= cell:
            dark = _palette()[panel.cells[row, column]] @ (0.3, 0.6, 0.1) <= 130
            middle = (column + 0.5) * cell, (row + 0.5) * cell
            draw.text(middle, text, PAPER if dark else INK, _font(NUMBER_SIZE), anchor="mm")
    for across, down, filled in panel.dots:
        x, y = round(across * cell), round(down * cell)
        draw.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), INK if filled else PAPER, INK, width=2)
    return image


@functools.lru_cache(maxsize=1024)
def _lettering(text: str) -> Any:
    """Draw a text, ink on paper."""
    from PIL import ImageDraw

    image = _sheet(int(_font(TEXT_SIZE).getlength(text)) + 1 if text else 0, LINE)
    if text:
        ImageDraw.Draw(image).text((0, 1), text, INK, _font(TEXT_SIZE))
    return image


@functools.cache
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


@functools.cache
def _palette() -> Array:
    """Give the palette's colours: [255, 3] uint8."""
    return np.concatenate([_between(_SIGNED, SIGNED), _between(_AMOUNT, AMOUNT), _between(_GREY, GREY)])


def _between(anchors: Sequence[tuple[int, int, int]], count: int) -> Array:
    at, wanted = np.linspace(0, 1, len(anchors)), np.linspace(0, 1, count)
    return np.stack([np.interp(wanted, at, channel) for channel in zip(*anchors, strict=True)], axis=1).astype(np.uint8)
