"""Everything a training leaves for TensorBoard, read back by TensorBoard's own readers."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util

from gradtwin.backend.tensorflow_side import resolve
from gradtwin.training import lockstep as training
from gradtwin.training.plan import make_plan
from gradtwin.training.settings import TrainingSettings
from gradtwin.training.tensorboard.lockstep_board import LockstepBoard, Side
from gradtwin.twins import catalog

SIDES = ("manual", "tensorflow")


def _events(directory):
    return EventAccumulator(str(directory), size_guidance={"scalars": 0, "tensors": 0}).Reload()


def _scalars(events, tag):
    return [(point.step, point.value) for point in events.Scalars(tag)]


def _steps(events, tag):
    return [event.step for event in events.Tensors(tag)]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """The zoo for 200 steps, its history and the directory."""
    history = training.train("zoo", steps=200, logdir=tmp_path_factory.mktemp("logs"))
    return history, Path(history.directory)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A small network with dropout on the digits, in batches."""
    twin = catalog.get("mnist").resize((64, 12, 8, 10))
    history = training.train(twin, data="digits", steps=40, batch_size=100, logdir=tmp_path_factory.mktemp("logs"))
    return history, Path(history.directory)


# ---- curves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", ["zoo", "digits"])
def test_gaps_on_the_logarithmic_scale_are_those_of_the_history(run, request):
    """log10(1 + u) and log10(2^-52 + r) of the numbers in the JSON, for every parameter and logged step."""
    history, directory = request.getfixturevalue(run)
    events = _events(directory)
    for name in history.params["manual"]:
        ulps, shares = (np.array(history.logged[key][name]) for key in ("gap_ulp", "gap_relative"))
        steps = history.logged["step"]
        np.testing.assert_allclose(
            _scalars(events, f"gap_ulp/{name}"), np.column_stack([steps, np.log10(1 + ulps)]), rtol=1e-6, atol=1e-7
        )
        np.testing.assert_allclose(
            _scalars(events, f"gap_relative/{name}"), np.column_stack([steps, np.log10(2**-52 + shares)]), rtol=1e-6
        )
        assert ulps[0] == shares[0] == 0


def test_a_gap_in_a_gradient_is_seen_before_any_update(tmp_path):
    """Planted: db twice too large. At step 0 the parameters are equal, and the gradient of b is not."""
    zoo = catalog.get("zoo").manual

    class Doubled:
        init_params, forward = staticmethod(zoo.init_params), staticmethod(zoo.forward)

        @staticmethod
        def backward(params, cache):
            gradients = zoo.backward(params, cache)
            return gradients | {"b": 2 * gradients["b"]}

    history = training.train("zoo", steps=5, logdir=tmp_path, manual=Doubled)
    events = _events(history.directory)
    at_start = {name: _scalars(events, f"gradient_gap_relative/{name}")[0] for name in ("W", "b")}
    assert at_start["b"] == (0, pytest.approx(np.log10(0.5), abs=1e-6))
    assert at_start["W"][1] < -12
    assert _scalars(events, "gap_ulp/b")[0] == (0, 0.0)
    assert _scalars(events, "gap_ulp/b")[1][1] > 10


def test_where_the_training_ended_stands_among_the_hparams(zoo):
    """The scalars that the columns name, and the row's settings and end."""
    history, directory = zoo
    for side in SIDES:
        events = _events(directory / side)
        for name in ("loss", "accuracy"):
            assert _scalars(events, f"final/{name}") == [(200, np.float32(getattr(history, side)[name]))]
    events = _events(directory)
    assert _scalars(events, "final/gap") == [(200, np.float32(history.gap))]
    contents = {
        tag: plugin_data_pb2.HParamsPluginData.FromString(events.SummaryMetadata(tag).plugin_data.content)
        for tag in ("_hparams_/session_start_info", "_hparams_/session_end_info")
    }
    assert contents["_hparams_/session_start_info"].session_start_info.group_name == f"zoo/{history.run}"
    assert contents["_hparams_/session_end_info"].session_end_info.status == 1


# ---- distributions ----------------------------------------------------------------------------------


def test_gradients_of_both_sides_have_distributions(digits):
    """Every parameter's, and the hidden outputs': the range is that of the gradient on the first batch."""
    history, directory = digits
    twin = catalog.get("mnist").resize((64, 12, 8, 10))
    for side in SIDES:
        events = _events(directory / side)
        tags = set(events.Tags()["tensors"])
        for layer in (1, 2, 3):
            assert {f"layer{layer}/{what}_gradient" for what in ("weights", "biases")} <= tags
        assert {"layer1/output_gradient", "layer2/output_gradient"} <= tags
        assert "layer3/output_gradient" not in tags
        counts = tensor_util.make_ndarray(events.Tensors("layer1/weights_gradient")[0].tensor_proto)
        assert counts[:, 2].sum() == 64 * 12
    last = [
        tensor_util.make_ndarray(_events(directory / side).Tensors("layer2/weights_gradient")[-1].tensor_proto)
        for side in SIDES
    ]
    np.testing.assert_allclose(last[0], last[1], rtol=1e-6, atol=1e-9)
    rows = make_plan(twin, TrainingSettings(data="digits")).rows
    gradient = twin.manual.backward(
        history.params["manual"], twin.manual.forward(history.params["manual"], *rows)[1]
    )["W2"]
    assert last[0][0, 0] == gradient.min() and last[0][-1, 1] == gradient.max()


def test_a_gradient_only_one_side_knows_is_left_out(tmp_path):
    """A hand-written side need not return the gradient of everything; the others are there."""
    plan = make_plan(catalog.get("zoo"))
    board = LockstepBoard(plan, tmp_path, "run", resolve(plan.twin.reference))
    values = plan.manual.forward(plan.start, *plan.rows)[1]
    gradients = plan.manual.backward(plan.start, values)
    ours, theirs = Side(plan.start, values, {"W": gradients["W"]}), Side(plan.start, values, gradients)
    board.add_distributions(0, {"manual": ours, "tensorflow": theirs})
    board.close()
    for side in SIDES:
        tags = _events(board.directory / side).Tags()["tensors"]
        assert "layer1/weights_gradient" in tags and "layer1/biases_gradient" not in tags


# ---- pictures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "tags"),
    [
        ("zoo", {"first_layer_weights", "gradient_error_ulp", "confusion_matrix"}),
        ("digits", {"first_layer_weights", "gradient_error_ulp", "confusion_matrix"}),
    ],
)
def test_pictures_are_png_files_of_the_size_they_say(run, tags, request):
    """And each has a description."""
    _, directory = request.getfixturevalue(run)
    events = _events(directory)
    found = {t for t in events.Tags()["tensors"] if events.SummaryMetadata(t).plugin_data.plugin_name == "images"}
    assert found == tags
    for tag in tags:
        assert events.SummaryMetadata(tag).summary_description
        for event in events.Tensors(tag):
            width, height, encoded = tensor_util.make_ndarray(event.tensor_proto)
            assert Image.open(io.BytesIO(encoded)).size == (int(width), int(height))


@pytest.mark.parametrize("settings", [{}, {"steps": 1}, {"steps": 7}, {"steps": 300, "log_every": 1}, {"steps": 55}])
def test_there_are_at_most_six_pictures_of_a_kind_and_eleven_distributions(settings, tmp_path):
    """However often points are logged: TensorBoard keeps ten, and the files stay small."""
    history = training.train("xor", **({"steps": 1000} | settings), logdir=tmp_path)
    events = _events(history.directory)
    steps = _steps(events, "decision_boundary")
    assert steps == sorted(set(steps)) and steps[0] == 0 and steps[-1] == history.steps
    assert len(steps) <= 6
    assert len(_steps(_events(Path(history.directory) / "manual"), "layer1/weights")) <= 11
    assert steps == _steps(events, "first_layer_weights") == _steps(events, "gradient_error_ulp")
    if history.steps >= 100:
        assert len(steps) >= 5


def test_the_zoos_curves_of_precision_and_recall_end_perfect(zoo):
    """Each class, both sides; where the network knows every animal nothing is mistaken at threshold 1/2."""
    history, directory = zoo
    assert history.manual["accuracy"] == 1.0
    for side in SIDES:
        events = _events(directory / side)
        tags = {t for t in events.Tags()["tensors"] if events.SummaryMetadata(t).plugin_data.plugin_name == "pr_curves"}
        assert tags == {f"zoo/class {k}" for k in range(7)}
        totals = 0
        for tag in tags:
            table = tensor_util.make_ndarray(events.Tensors(tag)[-1].tensor_proto)
            totals += table[0, 0]
            assert table[0, 0] + table[1, 0] == 101
        assert totals == 101
        mammals = tensor_util.make_ndarray(events.Tensors("zoo/class 0")[-1].tensor_proto)
        assert mammals[4:, 50].tolist() == [1.0, 1.0]


def test_the_confusion_matrix_of_batches_is_of_the_test_set(digits):
    """Once, at the end, over all of the 359 digits to test with."""
    _, directory = digits
    assert _steps(_events(directory), "confusion_matrix") == [40]


def test_texts_are_there(zoo):
    """The check's report, the derivation, the settings."""
    events = _events(zoo[1])
    tags = ("check", "derivation", "settings")
    words = {tag: events.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in tags}
    assert "zoo  float64  tape  seed 0: agree" in words["check"]
    assert "dW = xᵀ dz" in words["derivation"]
    assert "learning_rate  0.01" in words["settings"]


def test_a_training_that_fails_ends_its_row_as_a_failure(tmp_path):
    """Status FAILURE; what was logged before is there."""
    zoo = catalog.get("zoo").manual

    class Failing:
        init_params, forward, calls = staticmethod(zoo.init_params), staticmethod(zoo.forward), 0

        @classmethod
        def backward(cls, params, cache):
            cls.calls += len(cache["x"]) == 101
            if cls.calls > 60:
                raise ZeroDivisionError
            return zoo.backward(params, cache)

    with pytest.raises(ZeroDivisionError):
        training.train("zoo", steps=200, logdir=tmp_path, manual=Failing)
    (run,) = (tmp_path / "zoo").iterdir()
    events = _events(run)
    content = events.SummaryMetadata("_hparams_/session_end_info").plugin_data.content
    assert plugin_data_pb2.HParamsPluginData.FromString(content).session_end_info.status == 2
    assert len(_scalars(_events(run / "manual"), "loss")) >= 20
