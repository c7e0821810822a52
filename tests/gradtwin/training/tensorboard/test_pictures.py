"""Pictures of a training: what is drawn is what the two sides have."""

import io

import numpy as np
import pytest
from PIL import Image

from gradtwin.training.plan import make_plan
from gradtwin.training.tensorboard import painting, pictures
from gradtwin.twins import catalog
from manual_grads.networks import xor


@pytest.fixture
def drawn(monkeypatch):
    """The panels that were handed to the painter, and the line below them."""
    panels = []
    right = pictures.png

    def noted(given, side, columns, footer):
        panels.extend(given)
        panels.append(footer)
        return right(given, side, columns, footer)

    monkeypatch.setattr(pictures, "png", noted)
    return panels


def _evaluate(rows):
    return xor.forward(xor.handset_params(), *rows)[1]


def test_the_boundary_of_the_solved_xor_is_red_where_it_is_one(drawn):
    """The hand-set solution: 1 at the corners (0, 1) and (1, 0), 0 at the others; the dots say which is which."""
    twin = catalog.get("xor")
    plane = pictures.plane(twin, make_plan(twin).rows)
    pictures.decision_boundary(plane, "p", {"manual": _evaluate, "tensorflow": _evaluate})
    manual, tensorflow, difference, size = drawn
    assert size == "no difference at all"
    assert [panel.caption for panel in drawn[:3]] == ["manual", "reference", "difference"]
    assert manual.dots == [(12.5, 37.5, False), (12.5, 12.5, True), (37.5, 37.5, True), (37.5, 12.5, False)]
    for column, row, filled in manual.dots:
        place = manual.cells[int(row), int(column)]
        assert (place > 0.9 * painting.SIGNED) if filled else (place < 0.1 * painting.SIGNED)
    np.testing.assert_array_equal(manual.cells, tensorflow.cells)
    assert np.unique(difference.cells).tolist() == [painting.SIGNED // 2]


def test_the_difference_shows_where_the_sides_differ(drawn):
    """Planted: TensorFlow's output is 1e-12 less in the upper half of the plane."""

    def less_above(rows):
        values = _evaluate(rows)
        return values | {"p": values["p"] - 1e-12 * (rows[0][:, 1:] > 0.5)}

    twin = catalog.get("xor")
    plane = pictures.plane(twin, make_plan(twin).rows)
    pictures.decision_boundary(plane, "p", {"manual": _evaluate, "tensorflow": less_above})
    difference, size = drawn[2:]
    assert size == "difference up to 1.0e-12"
    assert (difference.cells[:25] > 0.95 * painting.SIGNED).all()
    assert (difference.cells[25:] == painting.SIGNED // 2).all()


@pytest.mark.parametrize(
    ("name", "has_one"),
    [("xor", True), ("wide", True), ("relu_mlp", True), ("zoo", False), ("neuron", False), ("gates", False)],
)
def test_only_a_yes_or_no_over_two_numbers_has_a_boundary(name, has_one):
    """Zoo has 16 features, the neuron one, the gates none."""
    twin = catalog.get(name)
    assert (pictures.plane(twin, make_plan(twin).rows) is not None) is has_one


def test_the_plane_holds_all_data_even_if_a_column_never_changes():
    """Two points above one another: the axis that has no width gets one."""
    twin = catalog.get("logistic")
    x = np.array([[3.0, 1.0], [3.0, 5.0]])
    plane = pictures.plane(twin, (x, np.array([[0.0], [1.0]])))
    grid = plane.rows[0]
    assert grid.min(axis=0).tolist() < [3.0, 1.0] and grid.max(axis=0).tolist() > [3.0, 5.0]
    assert [filled for *_, filled in plane.points] == [False, True]
    # The second point is higher up, in a row nearer to the top.
    assert plane.points[0][1] > plane.points[1][1]


def test_both_sides_weights_are_on_one_scale(drawn):
    """An entry that is largest on one side only is paler on the other."""
    pictures.first_layer_weights({"manual": np.array([[1.0, -4.0]]), "tensorflow": np.array([[1.0, -2.0]])}, None)
    manual, tensorflow, difference, size = drawn
    assert manual.cells[0, 0] == tensorflow.cells[0, 0]
    assert manual.cells[0, 1] == 0 < tensorflow.cells[0, 1]
    assert size == "full colour 4; difference up to 2.0e+00"
    assert difference.cells.tolist() == [[painting.SIGNED // 2, 0]]


def test_weights_of_images_are_shown_as_images(drawn):
    """Of 64 inputs and 20 units the first 16 as 8 x 8, four in a row; the second one is column 1 of the matrix."""
    weights = np.random.default_rng(0).normal(size=(64, 20))
    pictures.first_layer_weights({"manual": weights, "tensorflow": weights}, (8, 8))
    cells = drawn[0].cells
    assert cells.shape == (35, 35)
    expected = painting.signed_cells(weights[:, 1].reshape(8, 8), np.abs(weights[:, :16]).max())
    np.testing.assert_array_equal(cells[:8, 9:17], expected)


@pytest.mark.parametrize("shape", [(), (7,), (3, 2), (2, 3, 4), (100, 200)])
def test_weights_of_any_shape_can_be_drawn(shape):
    """A scalar, a vector, a stranger's tensor, a matrix too large to show whole."""
    weights = np.ones(shape)
    encoded, (width, height) = pictures.first_layer_weights({"manual": weights, "tensorflow": weights}, None)
    assert encoded.startswith(b"\x89PNG") and 100 < width < 400 and 20 < height < 200


def test_confusion_counts_have_the_true_class_down(drawn):
    """Class 0 twice right, class 1 once taken for 2, class 2 right."""
    targets = np.eye(3)[[0, 0, 1, 2]]
    scores = np.eye(3)[[0, 0, 2, 2]]
    assert pictures.confusion_counts(scores, targets).tolist() == [[2, 0, 0], [0, 0, 1], [0, 0, 1]]
    pictures.confusion_matrix({"manual": scores, "tensorflow": targets}, targets)
    assert [panel.caption for panel in drawn[:2]] == ["manual: 3 of 4", "reference: 4 of 4"]
    assert drawn[0].numbers == [["2", "", ""], ["", "", "1"], ["", "", "1"]]


@pytest.mark.parametrize("classes", [2, 7, 10, 20])
def test_every_number_of_a_confusion_matrix_has_room(classes):
    """A thousand of each class, as in MNIST's test set (up to ten classes): ink on the diagonal's dark cells."""
    targets = np.repeat(np.eye(classes), 1000 if classes > 7 else 41, axis=0)
    encoded, (width, _) = pictures.confusion_matrix({"manual": targets, "tensorflow": targets}, targets)
    pixels = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
    assert width <= 360
    cell = (160 if classes <= 7 else 320) // classes
    first = pixels[painting.LINE + 1 :, painting.GAP + 1 :][:cell, :cell]
    assert (len(np.unique(first.reshape(-1, 3), axis=0)) > 1) is (classes <= 10)


def test_the_gradients_error_is_drawn_in_ulp_entry_by_entry(drawn):
    """One entry of dW two ulp off, db infinite in one place."""
    right = {"W": np.ones((2, 3)), "b": np.ones(2)}
    wrong = {"W": right["W"].copy(), "b": np.array([1.0, np.inf])}
    wrong["W"][1, 2] += 2 * np.spacing(1.0)
    pictures.gradient_error(right, wrong)
    weights, biases, _ = drawn
    assert (weights.caption, biases.caption) == ("dW: 2 ulp", "db: inf ulp")
    white = painting.SIGNED
    assert (weights.cells == white).sum() == 5 and weights.cells[1, 2] > white
    assert biases.cells.tolist() == [[white, painting.SIGNED + painting.AMOUNT - 1]]


def test_a_large_gradient_is_drawn_by_the_worst_entry_of_each_block():
    """One wrong entry among 512 x 700 is not lost."""
    errors = np.zeros((512, 700))
    errors[300, 555] = 9.0
    shrunk = pictures.worst_of_blocks(errors)
    assert shrunk.shape == (50, 50)
    assert (shrunk == 9.0).sum() == 1 and shrunk[300 * 50 // 512, 555 * 50 // 700] == 9.0
    small = np.arange(6.0).reshape(2, 3)
    assert pictures.worst_of_blocks(small) is small


def test_every_picture_has_a_description():
    """What TensorBoard shows on request."""
    assert all(len(text) > 60 and "\n" not in text for text in pictures.DESCRIPTIONS.values())
