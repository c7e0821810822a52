"""Heat maps: right colours in the right places, decoded from the PNG file."""

import io

import numpy as np
import pytest
from PIL import Image

from gradtwin.training.tensorboard import painting
from gradtwin.training.tensorboard.painting import GAP, LINE, Panel

# A panel's first pixel: below the caption, inside the frame.
TOP, LEFT = LINE + 1, GAP + 1
BLUE, RED, DARK_RED, WHITE, GREY = (5, 48, 97), (103, 0, 31), (103, 0, 31), (247, 247, 247), (146, 146, 146)


def _decoded(encoded):
    image = Image.open(io.BytesIO(encoded))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB"))


def _first_cells(panel, side):
    """The colour in the middle of each cell of the first panel."""
    encoded, (width, height) = painting.png([panel], side, 3)
    pixels = _decoded(encoded)
    assert pixels.shape == (height, width, 3)
    cell = side // max(panel.cells.shape)
    rows, columns = panel.cells.shape
    middles = pixels[TOP + cell // 2 :: cell, LEFT + cell // 2 :: cell]
    return [[tuple(colour) for colour in row] for row in middles[:rows, :columns].tolist()]


def test_signed_numbers_go_from_blue_over_white_to_red():
    """Row and column are where they are in the array; beyond the scale is its end; NaN is grey."""
    values = np.array([[-1.0, 0.0, 1.0], [5.0, -np.inf, np.nan]])
    cells = _first_cells(Panel("", painting.signed_cells(values, 1.0)), 30)
    assert cells[0] == [BLUE, WHITE, RED]
    assert cells[1][0] == RED
    assert cells[1][1:] == [GREY, GREY]


def test_amounts_go_from_white_to_dark_red():
    """Infinite is as much as there is."""
    cells = _first_cells(Panel("", painting.amount_cells(np.array([[0.0, 2.0, np.inf, np.nan]]), 2.0)), 40)
    assert cells == [[(255, 255, 255), DARK_RED, DARK_RED, GREY]]


def test_colours_lie_in_order():
    """The palette's places of a rising row of numbers rise, and none is taken for ink."""
    rising = np.linspace(0, 1, 50)
    for cells in (painting.signed_cells(2 * rising - 1, 1.0), painting.amount_cells(rising, 1.0)):
        assert np.all(np.diff(cells.astype(int)) > 0)
        assert cells.max() < painting.INK


def test_a_scale_of_nothing_is_white():
    """Two sides without any difference."""
    assert _first_cells(Panel("", painting.signed_cells(np.zeros((1, 2)), 0.0)), 20) == [[WHITE, WHITE]]


def test_numbers_stand_in_their_cells_dark_on_light_and_light_on_dark():
    """A cell with a text is no longer of one colour; one without is."""
    cells = painting.amount_cells(np.array([[0.0, 1.0], [0.0, 1.0]]), 1.0)
    pixels = _decoded(painting.png([Panel("", cells, [["41", "7"], ["", ""]])], 80, 3)[0])
    panel = pixels[TOP : TOP + 80, LEFT : LEFT + 80]
    inside = [[panel[r : r + 40, c : c + 40].reshape(-1, 3) for c in (0, 40)] for r in (0, 40)]
    assert {(255, 255, 255), (32, 32, 32)} == {tuple(colour) for colour in inside[0][0].tolist()}
    assert {DARK_RED, (255, 255, 255)} == {tuple(colour) for colour in inside[0][1].tolist()}
    assert len(np.unique(inside[1][0], axis=0)) == len(np.unique(inside[1][1], axis=0)) == 1


def test_a_dot_is_filled_or_open():
    """In the middle of a white panel: ink, or paper with a rim of ink."""
    for filled, middle in ((True, (32, 32, 32)), (False, (255, 255, 255))):
        panel = Panel("", painting.signed_cells(np.zeros((4, 4)), 1.0), dots=[(2.0, 2.0, filled)])
        pixels = _decoded(painting.png([panel], 40, 3)[0])
        y, x = TOP + 20, LEFT + 20
        assert tuple(pixels[y, x].tolist()) == middle
        assert tuple(pixels[y, x - 4].tolist()) == (32, 32, 32)
        assert tuple(pixels[y, x - 6].tolist()) == WHITE


@pytest.mark.parametrize("corner", [(0.0, 0.0), (4.0, 4.0), (-9.0, 2.0)])
def test_a_dot_at_the_edge_is_cut_off(corner):
    """No error, and the picture has its size."""
    panel = Panel("", painting.signed_cells(np.zeros((4, 4)), 1.0), dots=[(*corner, True)])
    assert painting.png([panel], 40, 3)[1] == (42 + 2 * GAP, TOP + 41 + GAP)


def test_a_panel_without_a_cell_is_a_frame():
    """A parameter of no rows has a gradient too."""
    assert painting.png([Panel("", np.zeros((0, 3), np.uint8))], 30, 3)[1] == (32 + 2 * GAP, LINE + 2 + GAP)


def test_captions_have_room():
    """A caption wider than its panel pushes the next one aside; strange letters are drawn as what the font has."""
    narrow = Panel("a caption that is far wider than it", painting.signed_cells(np.zeros((2, 1)), 1.0))
    one, (width, _) = painting.png([narrow], 20, 3)
    _, (twice, _) = painting.png([narrow, Panel("<b>Ω</b>", narrow.cells)], 20, 3)
    assert width > 150 and twice > width
    assert (_decoded(one)[:LINE] < 100).any()


def test_panels_are_wrapped_into_rows():
    """Five panels in three columns: two rows of equal height, and a line of text below."""
    panel = Panel("", painting.signed_cells(np.zeros((2, 2)), 1.0))
    row = LINE + 42 + GAP
    assert painting.png([panel] * 3, 40, 3)[1] == (GAP + 3 * (42 + GAP), row)
    assert painting.png([panel] * 5, 40, 3, "below")[1] == (GAP + 3 * (42 + GAP), 2 * row + LINE)


def test_images_are_laid_out_in_rows():
    """Five images of 2 x 2 in three columns, a line of NaN between, the last place empty."""
    sheet = painting.tiled(np.arange(5.0)[:, None, None] * np.ones((1, 2, 2)), columns=3)
    assert sheet.shape == (5, 8)
    np.testing.assert_array_equal(sheet[0], [0, 0, np.nan, 1, 1, np.nan, 2, 2])
    np.testing.assert_array_equal(sheet[3], [3, 3, np.nan, 4, 4, np.nan, np.nan, np.nan])
    assert np.isnan(sheet[2]).all()
