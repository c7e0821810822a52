"""Formulas are read off the pages, and computed as written they give what the code gives."""

import re
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradtwin.explanation.chain import Chain
from gradtwin.explanation.example import drawn
from gradtwin.explanation.formula_values import CannotRead, value_of
from gradtwin.explanation.formulas import Formula, PageFormulas, first_sentence, formulas_of, without_prose
from gradtwin.twins import catalog
from gradtwin.twins.twin import Twin, node_side
from manual_grads import Array, Cache, Params
from manual_grads.networks import mnist, neuron, xor
from manual_grads.nodes import Linear

SMALL = {"mnist": (6, 5, 4, 3), "softmax_regression": (7, 3)}


def chain_of(name: str) -> Chain:
    """Run a twin, in small widths, on the point of seed 0."""
    twin = catalog.get(name)
    twin = twin.resize(SMALL[name]) if name in SMALL else twin  # type: ignore[misc]
    return Chain(twin, drawn(twin, 0))


def hold_against_the_code(chain: Chain) -> None:
    """Compute every formula of a page and compare it with the code; what cannot be read is an error."""
    found = {n: (chain.page.value(n), n, v) for n, v in chain.values().items()}
    kept = chain.cache.get("node", {}).items()
    found |= {n: (f, n, value) for n, value in kept if (f := chain.page.value(n)) is not None}
    found |= {f"d{n}": (chain.page.gradient(n), f"d{n}", g) for n, g in chain.manual.gradients.items()}
    text = without_prose(chain.loss_formula.text)
    found["loss"] = Formula("loss", text, chain.loss_formula.place), "loss", np.asarray(chain.manual.loss)
    for formula, tensor, value in found.values():
        assert formula is not None, chain.page.why_missing(tensor)
        for got in formula.values(chain.known, np.shape(value)):
            got = got.sum() if tensor == "loss" else got
            np.testing.assert_allclose(got, value, rtol=1e-11, atol=1e-13, err_msg=f"{formula.place}: {formula}")


@pytest.mark.parametrize("name", catalog.names())
def test_every_formula_of_a_page_gives_what_its_code_gives(name: str) -> None:
    """Docstring and code cannot drift apart: each formula, computed as it is written, equals the code's tensor."""
    hold_against_the_code(chain_of(name))


def test_a_formula_that_says_something_else_does_not_pass_for_the_code() -> None:
    """The comparison above would see a wrong sign, a missing transpose and a missing mean."""
    chain = chain_of("xor")
    known, gradients = chain.known, chain.manual.gradients
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
    assert {name: formula.text for name, formula in page.forward.items()} == {"y": "x W + b"}
    assert page.backward["db"].text == "Σ_n g_n"


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


# ---- pages with roots, means and counts --------------------------------------------------------------


class LayerNorm:
    """Each row of x by its own mean and variance.

    y = γ ∘ h + β,  x [B, D], γ [D], β [D]
    m = (1/D) Σ_k x_k,  v = (1/D) Σ_k (x_k - m_n)²,  s = √(v + ε),  h = (x - m_n) / s_n
    dh = g ∘ γ,  dβ = Σ_n g_n,  dγ = Σ_n g ∘ h
    dx = (dh - mean_k dh - h ∘ mean_k dh ∘ h) / s_n
    """

    @staticmethod
    def forward(x: Array, gamma: Array, beta: Array, eps: Array) -> tuple[Array, Cache]:
        """Normalise; m, v and s are one number for each row, [B]."""
        m, v = x.mean(axis=1), x.var(axis=1)
        s = np.sqrt(v + eps)
        h = (x - m[:, None]) / s[:, None]
        return gamma * h + beta, {"m": m, "v": v, "s": s, "h": h, "gamma": gamma}

    @staticmethod
    def backward(g: Array, cache: Cache) -> Params:
        """Walk forward upwards."""
        h, dh = cache["h"], g * cache["gamma"]
        centred = dh - dh.mean(axis=1)[:, None] - h * (dh * h).mean(axis=1)[:, None]
        return {"x": centred / cache["s"][:, None], "gamma": (g * h).sum(axis=0), "beta": g.sum(axis=0)}


class BatchNorm:
    """Each column of x by the mean and variance of the batch.

    y = γ ∘ h + β,  x [N, D], γ [D], β [D]
    h = (x - m) / √(v + ε),  m = (1/N) Σ_n x_n,  v = mean_n (x - m)²
    dβ = Σ_n g_n,  dγ = Σ_n g ∘ h,  dx = γ / (N √(v + ε)) ∘ (N g - dβ - h ∘ dγ)
    """

    @staticmethod
    def forward(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> tuple[Array, Cache]:
        """Normalise; only h and the root are kept."""
        root = np.sqrt(x.var(axis=0) + eps)
        h = (x - x.mean(axis=0)) / root
        return gamma * h + beta, {"h": h, "root": root, "gamma": gamma}

    @staticmethod
    def backward(g: Array, cache: Cache) -> Params:
        """Walk forward upwards."""
        h, scale = cache["h"], cache["gamma"] / (len(g) * cache["root"])
        dbeta, dgamma = g.sum(axis=0), (g * h).sum(axis=0)
        return {"x": scale * (len(g) * g - dbeta - h * dgamma), "gamma": dgamma, "beta": dbeta}


def norm_chain(node: Any, *others: Array) -> Chain:
    """Run a node of the two above as a twin; each has a reference in TensorFlow."""
    axis = 1 if others else 0

    def reference(params: Any, *batch: Any) -> Any:
        import tensorflow as tf

        mean, variance = tf.nn.moments(params["x"], [axis], keepdims=True)
        eps = batch[0] if others else 1e-5
        y = tf.nn.batch_normalization(params["x"], mean, variance, params["beta"], params["gamma"], eps)
        return {"y": y, "loss": tf.reduce_sum(batch[-1] * y)}

    shapes = {"x": (5, 6), "gamma": (6,), "beta": (6,)}
    side = node_side(node, lambda rng: {name: rng.standard_normal(shape) for name, shape in shapes.items()})
    twin = Twin("norm", side, reference, lambda rng: (*others, rng.standard_normal((5, 6))), loss="Σ g ∘ y")
    return Chain(twin, drawn(twin, 0))


NORMS = [(LayerNorm, (np.array(1e-3),)), (BatchNorm, ())]


@pytest.mark.parametrize(("node", "others"), NORMS)
def test_a_page_with_roots_means_and_counts_is_held_against_its_code(node: Any, others: tuple[Array, ...]) -> None:
    """Layer norm and batch norm: value, statistics and gradients all read, all equal, and TensorFlow's too."""
    chain = norm_chain(node, *others)
    hold_against_the_code(chain)
    assert {name: str(verdict) for name, verdict in chain.verdicts.items()} == dict.fromkeys(chain.verdicts, "agree")
    assert {"x", "gamma", "beta", "loss"} <= set(chain.verdicts)


@pytest.mark.parametrize(
    ("node", "others", "right", "wrong", "tensor"),
    [
        (*NORMS[0], "(1/D) Σ_k x_k", "(1/B) Σ_k x_k", "m"),
        (*NORMS[0], "(1/D) Σ_k x_k", "(1/D) Σ_n x_n", "m"),
        (*NORMS[0], "√(v + ε)", "√v + ε", "s"),
        (*NORMS[0], "- mean_k dh -", "- mean_n dh -", "dx"),
        (*NORMS[1], "N g", "D g", "dx"),
        (*NORMS[1], "mean_n (x - m)²", "mean_n x² - m²/2", "h"),
    ],
)
def test_a_wrong_count_axis_or_root_on_a_page_is_seen(
    monkeypatch: pytest.MonkeyPatch, node: Any, others: tuple[Array, ...], right: str, wrong: str, tensor: str
) -> None:
    """The comparison names the formula that no longer says what the code does, with its line."""
    assert right in node.__doc__
    monkeypatch.setattr(node, "__doc__", node.__doc__.replace(right, wrong))
    with pytest.raises((AssertionError, CannotRead), match=rf"line \d+: (cannot read ')?{tensor} = "):
        hold_against_the_code(norm_chain(node, *others))


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("√(v + ε)", "∛(v + ε)", "line 4: cannot read 's = ∛(v + ε)': '∛' is not the name of a tensor."),
        ("√(v + ε)", "√(v + ε", "line 4: cannot read 's = √(v + ε': ')' is missing."),
        ("(x - m_n) / s_n", "(x - m) / s_n", "line 4: cannot read 'h = (x - m) / s_n': the shapes (5, 6) and (5,) "),
        ("dβ = Σ_n g_n,  dγ", "dβ = Σ_n g_n, dγ", "line 5: cannot read 'dgamma = ...' there. A formula starts "),
        ("dγ = Σ_n g ∘ h", "", "The page has no formula for dgamma; its formulas are y, m, v, s, h, dy, "),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(
    monkeypatch: pytest.MonkeyPatch, right: str, wrong: str, message: str
) -> None:
    """An unknown sign, an open bracket, shapes that do not fit, a formula in the middle of a line, and none at all."""
    assert right in str(LayerNorm.__doc__)
    monkeypatch.setattr(LayerNorm, "__doc__", str(LayerNorm.__doc__).replace(right, wrong))
    with pytest.raises((AssertionError, CannotRead), match=re.escape(message)):
        hold_against_the_code(norm_chain(*NORMS[0][:1], *NORMS[0][1]))


def test_the_page_of_the_worked_example_is_read_whole() -> None:
    """CONTRIBUTING's network, whose docstring is executed like every other."""
    text = (Path(__file__).resolve().parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = next(block for block in text.split("```python\n") if block.startswith("# manual_grads/networks/"))
    page = ModuleType("tanh_mlp")
    exec(code.partition("\n```")[0], vars(page))
    rng = np.random.default_rng(0)
    params, batch = page.init_params(rng), {"x": rng.standard_normal((5, 2)), "t": np.ones((5, 1))}
    loss, cache = page.forward(params, *batch.values())
    gradients = page.backward(params, cache)
    formulas = formulas_of(page, params)
    known = formulas.completed({"B": 5.0} | cache | params | {f"d{name}": g for name, g in gradients.items()})
    for name, gradient in gradients.items():
        formula = formulas.gradient(name)
        assert formula is not None, formulas.why_missing(f"d{name}")
        for value in formula.values(known, gradient.shape):
            np.testing.assert_allclose(value, gradient, rtol=1e-11)
    stated = formulas.loss(cache)
    assert stated is not None and stated.values(known)[0].item() == pytest.approx(loss, rel=1e-12)
