"""The 2-16-1 relu net against the figures that 003 prints for ten points."""

import numpy as np
import pytest

from tf_reference.networks import relu_mlp

# fmt: off
INPUTS = np.array(  # 003-inp
    [[0.2877745, -0.45729127], [-0.05789639, 1.69953029], [1.52304573, 0.49659072], [-2.54455919,
    1.03957212], [0.94309014, 0.82602736], [-1.39240318, -2.55734321], [0.23819814, 0.34620872],
    [0.82564916, 0.27619472], [1.3555375, -0.08659935], [-0.25835985, 0.05114919]]
)
TARGETS = np.array([[0], [0], [0], [1], [0], [1], [0], [0], [1], [1]])  # 003-y
# 003-W and 003-W2 are not printed but reconstructed from the printed figures; both biases are 0 there.
W1 = np.array(  # 003-W
    [[-0.592532575565, -0.681830051321, -0.796525480497, 0.197149981255, -1.21135032508, -0.192309408323,
    -2.78294611342, 0.45927518957, 0.210056023688, 1.25226669598, 0.240188535196, 1.73042460112,
    -0.158774675242, 0.955960755131, 1.19369662422, -1.07438754938], [0.488765685871, 2.77513073299,
    0.093897957449, 0.201652789507, -1.06595121405, 0.628988031053, -0.385626579722, 1.48413539134,
    -0.968736887456, -0.637125461128, -0.370908890281, -0.893822083839, 0.502577531554, -0.727336290234,
    -1.14757609693, -0.882831811812]]
)
W2 = np.array(  # 003-W2
    [[1.00119841162], [-0.861160218026], [-0.77335721288], [0.637461126338], [0.145187571434],
    [-0.934963345771], [-0.691034614721], [0.502686321085], [-1.6288384207], [-1.89185501453],
    [1.05053567989], [-0.130916716092], [0.670378923744], [1.05219685965], [-0.00695924433011],
    [0.279223709609]]
)
Z0 = np.array(  # 003-z0
    [-0.39402405, -1.46525636, -0.27215844, -0.03547932, 0.13885445, -0.34297248, -0.62451726,
    -0.54651447, 0.50344369, 0.65172233, 0.23873353, 0.90670911, -0.27551562, 0.60770566, 0.86829198,
    0.09452994]
)
Z2 = np.array(  # 003-z2
    [-1.24095959, -2.35399121, -1.29069288, -7.68554703, -1.54029973, -4.7084686, -0.50163194,
    -0.71081228, -2.0322986, -0.67110654]
)
DW1 = np.array(  # 003-dW
    [[2.80253083, -3.07105562, -3.16248658, -0.22098917, 0.60381441, -3.33425114, -2.8293158, 1.10426104,
    -0.40069876, 0.52425093, 0.88934434, 0.03627826, 2.39069446, 1.06588626, -0.00704979, 1.16125159],
    [-0.79588766, 0.38841069, -1.24431291, 0.44525222, 0.19730798, 0.42169825, -1.00997679, -0.17122365,
    -4.08593471, -0.84847531, 2.84339269, -0.05871465, -0.30236225, 3.00128546, -0.01985054, 0.37946132]]
)
DB1 = np.array(  # 003-db
    [-1.19882035, 0.40968728, 1.98412887, 0.19213473, -0.35252772, 0.44479829, 1.83286822, -0.35094271,
    2.68911412, -0.83038462, -1.16166641, -0.05746277, -0.31892523, -0.9777993, 0.00646718, -0.67797882]
)
DW2 = np.array(  # 003-dW2
    [-2.04714007, -3.68320363, -3.10614896, 0.07250378, -6.48644681, -0.96950433, -11.95787755,
    0.50337676, -2.37839827, -0.63275843, -0.80057187, -0.880386, -0.79289815, -1.10625534, -2.06411813,
    -5.66798132]
)
DB2 = [-2.12667851]  # 003-db2
# fmt: on
START = {"W1": W1, "b1": np.zeros(16), "W2": W2, "b2": np.zeros(1)}


def test_the_printed_forward_pass(as_tensors):
    """The z of the first point, its relu, z2 of all ten, and the sum and mean of the loss (A22, F003-3)."""
    params, x, t = as_tensors((START, INPUTS, TARGETS))
    tensors = relu_mlp.forward(params, x, t)
    np.testing.assert_allclose(tensors["z1"][0], Z0, atol=2e-8)
    np.testing.assert_allclose(tensors["a1"][0], np.where(Z0 > 0, Z0, 0), atol=2e-8)
    np.testing.assert_allclose(np.ravel(tensors["z2"]), Z2, atol=2e-8)
    assert float(tensors["loss"]) == pytest.approx(17.297814, abs=5e-7)
    assert float(relu_mlp.forward(params, x, t, reduction="mean")["loss"]) == pytest.approx(
        1.7297814, abs=5e-8
    )


def test_the_printed_gradients_belong_to_the_sum(as_tensors, routes):
    """dW, db, dW2, db2 as printed, by every route (A22, A23)."""
    params, batch = as_tensors((START, (INPUTS, TARGETS)))
    for route in routes.values():
        slopes = route(relu_mlp.forward, params, batch, ["z1", "a1", "z2"])
        np.testing.assert_allclose(slopes["W1"], DW1, atol=3e-8)
        np.testing.assert_allclose(slopes["b1"], DB1, atol=3e-8)
        np.testing.assert_allclose(np.ravel(slopes["W2"]), DW2, atol=3e-8)
        np.testing.assert_allclose(slopes["b2"], DB2, atol=3e-8)


def test_the_mean_is_a_tenth_of_the_sum_in_every_gradient(as_tensors, tape_gradients):
    """reduction="mean" divides loss and gradients by N alike."""

    def of_the_mean(*arguments):
        return relu_mlp.forward(*arguments, reduction="mean")

    params, batch = as_tensors((START, (INPUTS, TARGETS)))
    summed = tape_gradients(relu_mlp.forward, params, batch, ["z1"])
    for name, slope in tape_gradients(of_the_mean, params, batch, ["z1"]).items():
        np.testing.assert_allclose(slope, summed[name] / 10, rtol=1e-13, atol=1e-17, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_kink_passes_no_gradient(dtype, routes, as_tensors):
    """A zero input over zero biases puts every hidden unit at z1 = 0 (or -0): the slope taken there is 0."""
    params, batch = as_tensors((START, ([[0, 0], [-0.0, -0.0]], [[0], [0]])), dtype)
    for route in routes.values():
        slopes = route(relu_mlp.forward, params, batch, ["z1", "a1"])
        assert np.abs(slopes["a1"]).min() > 0
        np.testing.assert_array_equal(slopes["z1"], np.zeros((2, 16)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_of_1000_keep_loss_and_gradient(dtype, routes, as_tensors):
    """b2 = 1000: 1000 for each of the six zeros among the targets, slope p - t at z2."""
    params, batch = as_tensors((START | {"W2": 0 * W2, "b2": [1000]}, (INPUTS, TARGETS)), dtype)
    assert float(relu_mlp.forward(params, *batch)["loss"]) == 1000 * np.sum(TARGETS == 0)
    for route in routes.values():
        slopes = route(relu_mlp.forward, params, batch, ["z2"])
        np.testing.assert_array_equal(slopes["z2"], 1 - TARGETS)


def test_an_unknown_reduction_is_refused(as_tensors):
    """One line says what was expected and what came."""
    params, x, t = as_tensors((START, INPUTS, TARGETS))
    with pytest.raises(ValueError, match="^reduction must be 'sum' or 'mean', not 'max'.$"):
        relu_mlp.forward(params, x, t, reduction="max")
