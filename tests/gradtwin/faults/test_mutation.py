"""Planting a fault changes one place of a backward pass, and nothing else."""

import ast
from types import SimpleNamespace

import numpy as np
import pytest

from gradtwin.faults import operators
from gradtwin.faults.catalogue import planted, small
from gradtwin.faults.mutation import Page, differs, first_difference, gradients_at, plant, rebuilt, sites, sources
from gradtwin.faults.operators import Place, parsed, replaced, scaled, swapped
from gradtwin.twins import catalog
from gradtwin.twins.twin import Twin

TWINS = [small(twin) for twin in catalog.twins()]
SLOPE = 3.0


def _texts(operator, text, place=None):
    return {v.label: ast.unparse(v.expression) for v in operator(parsed(text), place or Place("backward"))}


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_a_page_rebuilt_without_a_change_gives_the_same_bits(twin):
    """What the mutants differ in is the mutation, not the rebuilding."""
    page, point = Page(twin), twin.point(0)
    right = gradients_at(twin.manual, point)
    for source in sources(page):
        again = gradients_at(page.side(rebuilt(page, source, source.tree)), point)
        assert list(again) == list(right)
        assert all(np.array_equal(again[name], right[name]) for name in right)


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("xor", ["", "sigmoid_cross_entropy_gradient", "sigmoid_derivative"]),
        ("mnist", ["", "softmax_cross_entropy_gradient", "relu_derivative"]),
        ("node_softmax", ["", "activations.softmax_derivative"]),
        ("gates", [""]),
    ],
)
def test_the_sources_are_the_backward_pass_and_the_derivatives_it_calls(name, called):
    """Activations and losses are broken where they are differentiated."""
    assert [source.called for source in sources(Page(catalog.get(name)))] == called


def test_a_fault_of_one_layer_leaves_the_layers_nearer_the_loss_right():
    """In a loop over the layers the fault can be planted in one of them."""
    twin = catalog.get("deep")
    page = Page(twin)
    site = next(s for s in sites(sources(page)[0]) if ".sum(axis=0)" in ast.unparse(s.expression))
    broken = page.side(plant(page, site, parsed("2 * dz.sum(axis=0)"), layer=2))
    right, wrong = (gradients_at(side, twin.point(0)) for side in (twin.manual, broken))
    assert [name for name in right if differs(right[name], wrong[name])] == ["b2"]
    assert np.array_equal(wrong["b2"], 2 * right["b2"])


def test_planting_leaves_the_page_itself_as_it_is():
    """The module on disk and in memory keeps its own functions."""
    twin = catalog.get("xor")
    before = gradients_at(twin.manual, twin.point(0))
    for fault in planted(twin)[:20]:
        try:
            gradients_at(fault.side, twin.point(0))
        except ValueError:
            continue
    after = gradients_at(twin.manual, twin.point(0))
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_strangers_page_is_broken_like_our_own():
    """Any side whose source can be read: here one with a closure and a name of its own module."""
    factor = np.float64(2.0)

    def forward(params, x):
        return (factor * SLOPE * params["w"] * x).sum(), {"x": x}

    def backward(params, cache):
        dw = factor * SLOPE * cache["x"].sum(axis=0)
        return {"w": dw}

    manual = SimpleNamespace(forward=forward, backward=backward, init_params=lambda rng: {"w": rng.standard_normal(3)})
    twin = Twin("strange", manual, lambda params, x: None, batch=lambda rng: (rng.standard_normal((4, 3)),))
    faults = {fault.id: fault for fault in planted(twin)}
    right = gradients_at(manual, twin.point(0))
    wrong = gradients_at(faults["strange:dw:mean"].side, twin.point(0))
    np.testing.assert_allclose(4 * wrong["w"], right["w"])
    assert {"strange:dw:negated", "strange:dw:first_example", "strange:dw:not_summed"} <= set(faults)
    assert faults["strange:dw:not_summed"].refused


def test_a_node_is_exchanged_without_its_neighbours():
    """Replacing one node of a tree copies the tree."""
    tree = parsed("a + b * c")
    assert ast.unparse(replaced(tree, tree.right.left, parsed("-x"))) == "a + -x * c"
    assert ast.unparse(tree) == "a + b * c"


def test_sums_go_over_the_wrong_axis_over_all_or_not_at_all():
    """The variants of one sum over the batch."""
    found = _texts(operators.sums, "dz.sum(axis=0)")
    assert found["wrong_axis"] == "dz.sum(axis=1)"
    assert found["all_axes"] == "np.full_like(dz.sum(axis=0), dz.sum())"
    assert found["mean"] == "dz.mean(axis=0)"
    assert found["not_summed"] == "dz.copy()"


def test_transposes_are_dropped_added_and_exchanged():
    """The variants of one matrix product."""
    found = _texts(operators.transposes, "x.T @ dz")
    assert set(found.values()) == {"x @ dz", "x.T @ dz.T", "dz @ x.T"}


def test_a_lost_factor_has_the_cause_of_what_was_lost():
    """Losing the derivative is one cause, losing the upstream gradient has no word."""
    variants = operators.lost_terms(parsed("da1 * sigmoid_derivative(z1)"), Place("backward"))
    assert {(v.cause, ast.unparse(v.expression)) for v in variants} == {
        ("missing_activation_derivative", "da1"),
        ("unknown", "sigmoid_derivative(z1)"),
    }


def test_operands_are_exchanged_for_others_in_scope_and_a_mask_for_another_mask():
    """Inside a derivative another operand is another point of the activation."""
    place = Place("backward", operands=("a1", "cache['mask2']"))
    causes = {(v.cause, ast.unparse(v.expression)) for v in operators.operands(parsed("da1 * f_derivative(z1)"), place)}
    assert ("wrong_operand", "a1 * f_derivative(z1)") in causes
    assert ("wrong_activation_point", "da1 * f_derivative(a1)") in causes
    masked = operators.operands(parsed("dh * mask"), place)
    assert ("mask_other", "dh * cache['mask2']") in {(v.cause, ast.unparse(v.expression)) for v in masked}


def test_a_part_is_scaled_alone_and_keeps_its_precision():
    """One row by zero, in float32 and in long double."""
    for dtype in (np.float32, np.longdouble):
        array = np.arange(6, dtype=dtype).reshape(2, 3)
        once = scaled(array, np.s_[1], 0)
        assert once.dtype == dtype
        assert once.tolist() == [[0, 1, 2], [0, 0, 0]]


def test_swapping_exchanges_two_entries():
    """And leaves the third."""
    assert swapped({"a": 1, "b": 2, "c": 3}, "a", "c") == {"a": 3, "b": 2, "c": 1}


def test_the_first_difference_is_the_one_nearest_the_loss():
    """In the order the backward pass returns them; rounding is no difference, NaN and shapes are."""
    right = {"z": np.ones(2), "W": np.ones(2), "b": np.ones(2)}
    assert first_difference(right, right | {"z": np.ones(2) * (1 + 1e-15), "b": np.zeros(2)}) == "b"
    assert first_difference(right, right | {"W": np.array([1.0, np.nan])}) == "W"
    assert first_difference(right, right | {"W": np.ones(3)}) == "W"
    assert first_difference(right, right) is None
