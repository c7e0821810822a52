"""Where TensorFlow computes the reference. There is no GPU here: logical devices of the CPU, and a lying TensorFlow."""

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from gradtwin import InputError, check, check_gradients
from gradtwin.backend import devices
from gradtwin.core.routes import ROUTES

PARAMS = {"w": np.array([1.5, -0.5])}
ROWS = np.array([[2.0, 3.0], [-1.0, 0.5], [0.25, 1.0]])


def line(params, x):
    """L = Σ (w x)²."""
    z = params["w"] * x
    return (z * z).sum(), {"w": (2 * z * x).sum(axis=0)}


class Watched:
    """A reference that notes on which device its tensors lie."""

    def __init__(self):
        self.seen = []

    def __call__(self, params, x):
        z = params["w"] * x
        self.seen.append(z.device)
        return tf.reduce_sum(z**2)


class Lies:
    """What TensorFlow would say on a machine with a GPU, and a note of everything it is asked to do."""

    def __init__(self, tf32=True):
        self.log, self.tf32 = [], tf32
        seen = [SimpleNamespace(name=f"/device:{name}") for name in ("CPU:0", "CPU:1", "GPU:0")]
        self.config = SimpleNamespace(
            list_logical_devices=lambda kind=None: seen,
            list_physical_devices=lambda kind: ["gpu"] if kind == "GPU" else ["cpu"],
            experimental=SimpleNamespace(
                tensor_float_32_execution_enabled=lambda: self.tf32,
                enable_tensor_float_32_execution=self._set_tf32,
            ),
        )

    def _set_tf32(self, enabled):
        self.tf32 = enabled
        self.log.append(f"tf32 {enabled}")

    @contextlib.contextmanager
    def device(self, name):
        """Note the scope."""
        self.log.append(f"enter {name}")
        yield
        self.log.append(f"leave {name}")


@pytest.mark.parametrize("name", ["CPU:1", "cpu:1", "/device:CPU:1"])
def test_the_reference_is_computed_on_the_device_asked_for(name):
    """Its tensors lie there, and the report says where."""
    reference = Watched()
    report = check_gradients(line, reference, PARAMS, ROWS, device=name)
    assert report.agrees and report.device == report.to_dict()["device"] == "CPU:1"
    assert reference.seen and all(device.endswith("CPU:1") for device in reference.seen)
    assert report.notes[0].id == "device" and "CPU:1" in report.notes[0]


def test_without_a_device_it_is_the_first_processor():
    """And nothing is said about it."""
    reference = Watched()
    report = check_gradients(line, reference, PARAMS, ROWS)
    assert report.device is None and all(device.endswith("CPU:0") for device in reference.seen)
    assert "device" not in [note.id for note in report.notes]


@pytest.mark.parametrize("route", ROUTES)
def test_a_network_agrees_on_another_device_by_every_route_on_one_device(route):
    """Traced and compiled functions are placed too, and the command repeats the check there."""
    report = check("xor", route=route, device="CPU:1", thorough=route == "tape")
    assert report.verdict == "agree", str(report)
    thorough = " --thorough" * (route == "tape")
    assert report.command == f"gradtwin check xor --dtype float64 --route {route} --seed 0 --device CPU:1{thorough}"


def test_a_device_that_is_not_there_is_refused_with_those_that_are():
    """No GPU here; a word that is no device."""
    for name in ("GPU:0", "gpu", "CPU:7", "cuda", "0", ""):
        with pytest.raises(InputError, match=f"device: TensorFlow sees no '{name}' here, only CPU:0, CPU:1"):
            check("xor", device=name)


@pytest.mark.parametrize("route", ["mirrored", "multiworker"])
def test_a_data_parallel_route_has_devices_of_its_own(route):
    """Two of the CPU, so that no other can be asked for."""
    with pytest.raises(InputError, match=f"device: route {route} uses two replicas on the CPU"):
        check("xor", route=route, device="CPU:0")


def test_a_gpu_is_found_by_its_short_name_where_there_is_one():
    """By TensorFlow's word for it."""
    for name in ("GPU", "gpu:0", "/device:GPU:0"):
        assert devices.named_device(Lies(), name) == "GPU:0"


@pytest.mark.parametrize("tf32", [True, False])
def test_tf32_is_off_on_a_gpu_and_then_as_before(tf32):
    """Also when the body fails."""
    lies = Lies(tf32)
    with pytest.raises(ZeroDivisionError), devices.on_its_device(lies, devices.Placed(print, "GPU:0")):
        assert lies.tf32 is False
        raise ZeroDivisionError
    assert lies.tf32 is tf32
    assert lies.log[0] == "enter GPU:0"
    assert devices.told("GPU:0") == "TensorFlow computed the reference on GPU:0, with TF32 off."


def test_beside_a_gpu_the_reference_is_on_the_cpu_unless_asked_otherwise():
    """TensorFlow itself would take the GPU; its TF32 is left alone."""
    lies = Lies()
    with devices.on_its_device(lies, print):
        pass
    assert lies.log == ["enter CPU:0", "leave CPU:0"]
    no_gpu = Lies()
    no_gpu.config.list_physical_devices = lambda kind: []
    with devices.on_its_device(no_gpu, print):
        pass
    assert no_gpu.log == []
