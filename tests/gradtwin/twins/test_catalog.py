"""Every twin of the catalogue is checked here by itself: this file does not grow with the catalogue."""

import pkgutil

import numpy as np
import pytest

import manual_grads.networks
import tf_reference.networks
from gradtwin.checking.check import check
from gradtwin.core.errors import InputError
from gradtwin.core.precision import DEFAULT_DTYPES
from gradtwin.core.routes import ROUTES
from gradtwin.twins import catalog

NODES = "linear sigmoid relu softmax cross_entropy mean dropout softmax_cross_entropy".split()
NETWORKS = "gates neuron linear_regression logistic xor wide deep zoo relu_mlp softmax_regression mnist".split()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("dtype", DEFAULT_DTYPES)
@pytest.mark.parametrize("name", catalog.names())
def test_every_gradient_agrees(name, dtype, route):
    """Parameters, inputs and intermediates, in both precisions, by all three routes."""
    report = check(name, dtype=dtype, route=route)
    assert report.verdict == "agree", str(report)


@pytest.mark.parametrize("name", catalog.names())
def test_every_intermediate_on_the_path_is_compared(name):
    """The rows are the loss, then every parameter, every float input but the targets, and the layers between."""
    twin = catalog.get(name)
    params, batch = twin.point(0)
    rows = [tensor.name for tensor in check(name).tensors]
    assert rows[0] == "loss"
    # The batch of a node is what it is not differentiated by.
    inputs = set() if name.startswith("node_") else set(twin.batch_names(batch)) - {"t", "y"}
    assert set(params) | {i for i in inputs if not i.startswith("mask")} <= set(rows)
    _, cache = twin.manual.forward(params, *batch)
    layers = {k for k in cache if k[0] in "zahlo" and k not in ("a0", "h0")}
    assert layers <= set(rows)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", catalog.names())
def test_other_operating_points_agree_too(name, seed):
    """The default point is not a lucky one."""
    report = check(name, seed=seed)
    assert report.verdict == "agree", str(report)


def test_the_catalogue_names_the_networks_and_the_nodes():
    """The public names, which scripts depend on."""
    assert catalog.names() == NETWORKS + [f"node_{node}" for node in NODES]


def test_every_page_has_a_twin_and_every_twin_an_entry():
    """A page without its double, or without an entry, is a network that nobody checks."""
    pages = {module.name for module in pkgutil.iter_modules(manual_grads.networks.__path__)}
    doubles = {module.name for module in pkgutil.iter_modules(tf_reference.networks.__path__)}
    entries = {twin.manual.__name__.rpartition(".")[2] for twin in catalog.twins() if hasattr(twin.manual, "__name__")}
    assert pages == doubles == entries


def test_an_unknown_twin_gets_a_suggestion():
    """A typing error is met with the nearest name."""
    with pytest.raises(InputError, match="Unknown twin 'xro'. Did you mean 'xor'"):
        catalog.get("xro")


@pytest.mark.parametrize("widths", [(2, 0, 1), (2, -3, 1), (2,), ()])
def test_impossible_widths_are_refused(widths):
    """A layer has at least one unit."""
    with pytest.raises(InputError, match="expected two or more numbers of at least 1"):
        catalog.get("deep").resize(widths)


@pytest.mark.parametrize("widths", [(3, 2), (2, 4, 4, 3), (5, 3, 2)])
@pytest.mark.parametrize("name", ["wide", "deep", "mnist"])
def test_any_widths_and_depth_agree(name, widths):
    """The pages are written for any number of layers, and nothing else changes with it."""
    assert check(catalog.get(name).resize(widths)).verdict == "agree"


def test_the_mean_of_relu_mlp_is_its_option():
    """reduction="mean" divides loss and gradients by the number of examples."""
    from manual_grads.networks import relu_mlp

    params, (x, t) = catalog.get("relu_mlp").point(0)
    total, cache = relu_mlp.forward(params, x, t)
    mean, mean_cache = relu_mlp.forward(params, x, t, reduction="mean")
    assert mean == pytest.approx(total / len(x), rel=1e-15)
    for name, gradient in relu_mlp.backward(params, mean_cache).items():
        np.testing.assert_allclose(gradient, relu_mlp.backward(params, cache)[name] / len(x), rtol=1e-13)
