"""Formulas are read off the pages, and computed as written they give what the code gives."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradtwin.explanation.chain import Chain
from gradtwin.explanation.example import drawn
from gradtwin.explanation.formula_values import value_of
from gradtwin.explanation.formulas import PageFormulas, first_sentence, formulas_of
from gradtwin.twins import catalog
from manual_grads.networks import mnist, neuron, xor
from manual_grads.nodes import Linear

SMALL = {"mnist": (6, 5, 4, 3), "softmax_regression": (7, 3)}
# An index of two places, or two upstream gradients in one sum: said, but not computed.
NOT_COMPUTED = {"y", "dx"}


def chain_of(name: str) -> Chain:
    """Run a twin, in small widths, on the point of seed 0."""
    twin = catalog.get(name)
    twin = twin.resize(SMALL[name]) if name in SMALL else twin  # type: ignore[misc]
    return Chain(twin, drawn(twin, 0))


@pytest.mark.parametrize("name", catalog.names())
def test_every_formula_of_a_page_gives_what_its_code_gives(name: str) -> None:
    """Docstring and code cannot drift apart: each formula, computed as it is written, equals the code's tensor."""
    chain = chain_of(name)
    known = chain.known()
    found = {n: (chain.page.value(n), v) for n, v in chain.values().items()}
    found |= {f"d{n}": (chain.page.gradient(n), g) for n, g in chain.manual.gradients.items()}
    found["loss"] = chain.loss_formula, np.asarray(chain.manual.loss)
    computed = 0
    for tensor, (formula, value) in found.items():
        assert formula is not None, f"{name} has no formula for {tensor}"
        values = [v for text in formula.expressions if (v := value_of(text, known)) is not None]
        assert values or (name.startswith("node_") and tensor in NOT_COMPUTED | {"loss"}), f"{tensor} = {formula.text}"
        for got in values:
            got = got.sum() if tensor == "loss" else got
            np.testing.assert_allclose(got, value, rtol=1e-11, atol=1e-13, err_msg=f"{tensor} = {formula.text}")
        computed += bool(values)
    assert computed >= 1


def test_a_formula_that_says_something_else_does_not_pass_for_the_code() -> None:
    """The comparison above would see a wrong sign, a missing transpose and a missing mean."""
    chain = chain_of("xor")
    known, gradients = chain.known(), chain.manual.gradients
    for right, wrong in (("a1ᵀ dz2", "-a1ᵀ dz2"), ("(p - t) / B", "p - t"), ("dz2 W2ᵀ", "dz2 W2")):
        name = {"a1ᵀ dz2": "W2", "(p - t) / B": "z2", "dz2 W2ᵀ": "a1"}[right]
        as_written, otherwise = value_of(right, known), value_of(wrong, known)
        np.testing.assert_allclose(as_written, gradients[name], rtol=1e-12)
        assert otherwise is None or otherwise.shape != gradients[name].shape or not np.allclose(
            otherwise, gradients[name]
        )


def test_a_formula_for_any_layer_is_written_out_for_the_one_asked_for() -> None:
    """`dWi = h(i-1)ᵀ dzi` at layer 2 of 3, the last layer's own formula, and what only renames."""
    page = formulas_of(mnist, ["W1", "b1", "W2", "b2", "W3", "b3"])
    assert str(page.gradient("W2")) == "dW2 = h1ᵀ dz2"
    assert str(page.gradient("z1")) == "dz1 = da1 ∘ 1[z1 > 0]"
    assert str(page.gradient("z3")) == "dz3 = (p - t) / B"
    assert str(page.gradient("x")) == "dx = dh0 = dz1 W1ᵀ"
    assert str(page.value("z3")) == "z3 = h2 W3 + b3"
    assert str(page.value("p")) == "p = softmax(z3)"
    assert str(page.loss(["z1"])) == "E = (1/B) Σ_n {lse(z3_n) - Σ_k t_nk z3_nk}"


def test_a_formula_is_cut_where_its_sentence_goes_on() -> None:
    """Prose behind a comma is no part of it; a bracket with a comma in it is."""
    assert str(formulas_of(xor, ["W1"]).loss(["z2"])) == "L = -(1/B) Σ_n {t ln p + (1 - t) ln(1 - p)}"
    page = formulas_of(SimpleNamespace(node=Linear), ["x", "W", "b"])
    assert (page.forward, page.backward["db"]) == ({"y": "x W + b"}, "Σ_n g_n")


def test_where_the_docstring_is_silent_the_comment_beside_the_line_speaks() -> None:
    """A user's backward with `# z = x w  ->  dw = xᵀ dz` beside its line has that formula."""

    def backward(params: Any, cache: Any) -> Any:
        dz = cache["z"]  # L = Σ z²/2  ->  dz = z
        return {"z": dz, "w": cache["x"].T @ dz}  # z = x w  ->  dw = xᵀ dz   [D, K]

    page = formulas_of(SimpleNamespace(backward=backward), ["w"])
    assert page.value("z") is not None and str(page.value("z")) == "z = x w"
    assert str(page.gradient("w")) == "dw = xᵀ dz"


def test_a_side_without_formulas_has_none() -> None:
    """Nothing is invented for code whose source cannot even be read."""
    namespace: dict[str, Any] = {}
    exec("def backward(params, cache): return {}", namespace)
    page = formulas_of(SimpleNamespace(backward=namespace["backward"]), ["w"])
    assert page == PageFormulas({}, {}, 0)
    assert page.gradient("w") is None and page.value("z") is None and page.loss([]) is None
    assert first_sentence(SimpleNamespace(backward=namespace["backward"])) == ""
    assert first_sentence(neuron) == "One logistic neuron, all its gates."
