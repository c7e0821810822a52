"""Training in lockstep: what is recorded, that both sides get the same, and how a run ends."""

import dataclasses
import math
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gradtwin.core.errors import InputError
from gradtwin.faults.source_variants import zoo_of_000
from gradtwin.training import lockstep as training
from gradtwin.training.settings import TrainingSettings
from gradtwin.twins import catalog
from gradtwin.twins.datasets import Dataset
from manual_grads import optimizers
from manual_grads.networks import xor, zoo

SIDES = ("manual", "tensorflow")


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    """The source's run: XOR, 10,001 updates by gradient descent in float64, with its event files."""
    logdir = tmp_path_factory.mktemp("logs")
    return training.train("xor", logdir=logdir)


def _events(directory):
    accumulator = EventAccumulator(str(directory), size_guidance={"scalars": 0, "tensors": 0})
    return accumulator.Reload()


class Altered:
    """The manual side of a twin, with another backward."""

    def __init__(self, side, backward):
        self.init_params, self.forward, self.backward = side.init_params, side.forward, backward


class Recorded:
    """The manual side of a twin, remembering every batch it was given; it looks at numbers, so it is not traced."""

    def __init__(self, side):
        self.side, self.batches, self.params = side, [], []

    def forward(self, params, *batch):
        self.batches.append(batch)
        self.params.append(params)
        batch[0].tolist()
        return self.side.forward(params, *batch)

    def backward(self, params, cache):
        return self.side.backward(params, cache)


# ---- the two sides stay together, and a fault drives them apart -------------------------------------


def test_xor_stays_together_for_10001_updates(long_run):
    """The largest gap on the way is within 1e-9, far less than any error in a gradient would leave."""
    assert long_run.steps == 10_001
    assert long_run.gaps.shape == (10_002,)
    assert long_run.gaps.max() <= 1e-9
    assert long_run.diverged_at is None
    np.testing.assert_allclose(long_run.losses_manual, long_run.losses_tensorflow, rtol=0, atol=1e-9)


def test_xor_ends_where_the_source_prints_it(long_run):
    """Figure 001-nn-h, printed to eight digits from a float32 run: 0.01338218 0.98166394 0.98809403 0.01135799."""
    printed = np.array([[0.01338218], [0.98166394], [0.98809403], [0.01135799]])
    for side in SIDES:
        np.testing.assert_allclose(long_run.predictions[side], printed, rtol=0, atol=2e-7)
        assert getattr(long_run, side)["accuracy"] == 1.0


@pytest.mark.parametrize("optimizer", ["gd", "adam"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_both_sides_agree_with_either_optimizer(optimizer, dtype):
    """Zoo, 60 updates: nothing but rounding between the sides, and everything in the asked dtype."""
    history = training.train("zoo", steps=60, optimizer=optimizer, dtype=dtype)
    assert history.gaps.max() <= {"float64": 1e-12, "float32": 1e-4}[dtype]
    for side in SIDES:
        assert {p.dtype.name for p in history.params[side].values()} == {dtype}


def test_one_wrong_gradient_is_seen_at_the_first_update():
    """Doubling dL/db alone moves b by 0.01 db too far, at update 1 and in b only."""

    def doubled(params, cache):
        gradients = zoo.backward(params, cache)
        return gradients | {"b": 2 * gradients["b"]}

    history = training.train("zoo", steps=3, manual=Altered(zoo, doubled), log_every=1)
    right = training.train("zoo", steps=3)
    assert history.diverged_at == 1
    assert history.gaps[0] == 0
    twin = catalog.get("zoo")
    start, batch = twin.start(None), training.make_plan(twin).rows
    db = zoo.backward(start, zoo.forward(start, *batch)[1])["b"]
    assert history.gaps[1] == pytest.approx(0.01 * np.abs(db).max(), rel=1e-6)
    assert history.logged["gap"]["W"][1] <= 1e-12 < history.logged["gap"]["b"][1]
    np.testing.assert_array_equal(history.losses_tensorflow, right.losses_tensorflow)


def test_an_update_rule_of_its_own_on_each_side_is_compared(monkeypatch):
    """A learning rate wrong by one part in a thousand on the manual side only is seen."""
    right = optimizers.gradient_descent
    monkeypatch.setattr(optimizers, "gradient_descent", lambda p, g, lr: right(p, g, 1.001 * lr))
    assert training.train("xor", steps=20).diverged_at == 1


def test_infinite_losses_are_recorded_and_do_not_pass_for_agreement():
    """With a learning rate of 1e300 both sides leave the finite numbers: the gap is no longer within 1e-6."""
    history = training.train("linear_regression", steps=10, learning_rate=1e300)
    assert not math.isfinite(history.gap)
    assert history.diverged_at is not None
    assert history.to_dict()["gap"] is None


@pytest.mark.parametrize("side", [zoo_of_000, None], ids=["the source's variant", "the right side"])
def test_zoo_knows_every_animal_after_310_updates(side):
    """From the seed-777 start, with the source's own faults in it and without; only the right sides stay together."""
    history = training.train("zoo", steps=310, manual=side, dtype="float32")
    assert history.manual["accuracy"] == history.tensorflow["accuracy"] == 1.0
    # F000-1 alone moves every bias by 0.01 * 199.52 at the first update, where 0.01 * db is right.
    assert history.diverged_at == (None if side is None else 1)


# ---- what is recorded, and when ---------------------------------------------------------------------


def test_loss_k_belongs_to_the_parameters_after_k_updates(long_run):
    """The first three losses and the last, from a loop written out here; the first is the source's 0.7584403."""
    params, batch = catalog.get("xor").start(None), training.make_plan(catalog.get("xor")).rows
    for k in range(3):
        loss, cache = xor.forward(params, *batch)
        assert long_run.losses_manual[k] == loss
        gradients = xor.backward(params, cache)
        params = {name: p - 0.1 * gradients[name] for name, p in params.items()}
    assert long_run.losses_manual[0] == pytest.approx(0.7584403, abs=5e-8)
    assert len(long_run.losses_manual) == len(long_run.losses_tensorflow) == 10_001
    last = {side: xor.forward(long_run.params[side], *batch)[0] for side in SIDES}
    for side in SIDES:
        assert getattr(long_run, side)["loss"] == pytest.approx(last[side], rel=1e-12)


def test_the_last_gap_is_that_of_the_last_parameters(long_run):
    """It can be had again from the parameters in the history."""
    manual, theirs = (long_run.params[side] for side in SIDES)
    assert long_run.gap == max(np.abs(manual[name] - theirs[name]).max() for name in manual)


def test_chunks_change_nothing():
    """Logging every step takes the steps one by one, logging every tenth ten at a time: equal to the last bit."""
    one_by_one = training.train("xor", steps=40, log_every=1)
    by_tens = training.train("xor", steps=40, log_every=10)
    np.testing.assert_array_equal(one_by_one.losses_manual, by_tens.losses_manual)
    np.testing.assert_array_equal(one_by_one.losses_tensorflow, by_tens.losses_tensorflow)
    np.testing.assert_array_equal(one_by_one.gaps, by_tens.gaps)


def test_equal_settings_give_equal_runs_and_another_seed_another():
    """Batches, masks and start come from the seed alone."""
    twin = _small_mnist()
    settings = {"data": "digits", "steps": 20, "batch_size": 100}
    first, again = (training.train(twin, seed=5, **settings) for _ in range(2))
    other = training.train(twin, seed=6, **settings)
    np.testing.assert_array_equal(first.losses_manual, again.losses_manual)
    np.testing.assert_array_equal(first.losses_tensorflow, again.losses_tensorflow)
    assert not np.any(first.losses_manual == other.losses_manual)


def test_a_seed_draws_a_start_of_the_shape_of_the_training_data():
    """The start of a check has three inputs; the data have one, as the source's start has."""
    history = training.train("linear_regression", steps=2, seed=4)
    assert history.params["manual"]["W"].shape == (1, 1)
    assert history.seed == 4


# ---- batches and masks ------------------------------------------------------------------------------


def _small_mnist():
    return catalog.get("mnist").resize((64, 16, 8, 10))


def test_batches_and_masks_are_the_same_on_both_sides():
    """With dropout and a short last batch (1,438 = 14 * 100 + 38) float64 agrees: another mask would show."""
    history = training.train(_small_mnist(), data="digits", steps=33, batch_size=100, keep=0.7)
    assert history.gaps.max() <= 1e-9
    np.testing.assert_allclose(history.losses_manual, history.losses_tensorflow, rtol=1e-9)


def test_masks_that_differ_between_the_sides_are_seen():
    """Planted fault: the manual side turns its masks over."""

    class OtherMasks(Recorded):
        def forward(self, params, *batch):
            return self.side.forward(params, *batch[:2], *(mask[::-1] for mask in batch[2:]))

    twin = _small_mnist()
    assert training.train(twin, data="digits", steps=3, manual=OtherMasks(twin.manual)).diverged_at == 1


def test_an_epoch_shows_every_row_once():
    """One permutation an epoch, cut into batches, the last one short; the next epoch has another order."""
    side = Recorded(catalog.get("softmax_regression").manual)
    rows = np.arange(10.0)[:, None] / 10
    data = Dataset("ten", rows, np.eye(2)[[0, 1] * 5])
    training.train("softmax_regression", data=data, steps=6, batch_size=4, manual=side, log_every=100)
    # The first forward pass tries the shapes, the second one is the look at step 0, the third one tries a trace.
    seen = [batch[0][:, 0] for batch in side.batches[3:9]]
    assert [len(batch) for batch in seen] == [4, 4, 2, 4, 4, 2]
    first, second = np.concatenate(seen[:3]), np.concatenate(seen[3:])
    np.testing.assert_array_equal(np.sort(first), rows[:, 0])
    np.testing.assert_array_equal(np.sort(second), rows[:, 0])
    assert not np.array_equal(first, second)


def test_evaluation_uses_no_dropout_and_all_rows():
    """Loss and accuracy at the end, from the parameters at the end, over training and test set."""
    twin = _small_mnist()
    history = training.train(twin, data="digits", steps=30, batch_size=100, keep=0.5)
    plan = training.make_plan(twin, TrainingSettings(data="digits"))
    for side in SIDES:
        for rows, prefix in ((plan.rows, ""), (plan.test_rows, "test_")):
            loss, cache = twin.manual.forward(history.params[side], *rows)
            right = np.mean(cache["p"].argmax(axis=1) == rows[1].argmax(axis=1))
            numbers = getattr(history, side)
            assert numbers[f"{prefix}loss"] == pytest.approx(loss, rel=1e-9)
            assert numbers[f"{prefix}accuracy"] == right


def test_epochs_count_passes_over_the_data():
    """Two epochs of 1,438 rows in batches of 100 are 30 steps."""
    history = training.train("softmax_regression", data="digits", epochs=2, batch_size=100)
    assert history.steps == 30


# ---- TensorBoard's files ----------------------------------------------------------------------------


def test_curves_in_the_event_files_are_those_of_the_history(long_run):
    """Loss, accuracy and each parameter's gap: every logged step, equal in float32."""
    for side in SIDES:
        found = _events(Path(long_run.directory) / side)
        curves = {"loss": f"loss_{side}", "accuracy": f"accuracy_{side}"}
        expected = {tag: long_run.logged[key] for tag, key in curves.items()}
        expected |= {f"gap/{name}": values for name, values in long_run.logged["gap"].items()}
        assert sorted(found.Tags()["scalars"]) == sorted([*expected, "final/loss", "final/accuracy"])
        for tag, values in expected.items():
            points = found.Scalars(tag)
            assert [point.step for point in points] == long_run.logged["step"] == [*range(0, 10_001, 100), 10_001]
            np.testing.assert_array_equal(np.float32([point.value for point in points]), np.float32(values))


def test_logged_losses_are_those_of_every_step(long_run):
    """What is logged at step k is the k-th of all losses."""
    steps = long_run.logged["step"][:-1]
    for side in SIDES:
        logged, every = long_run.logged[f"loss_{side}"], getattr(long_run, f"losses_{side}")
        np.testing.assert_array_equal(logged[:-1], every[steps])
        assert logged[-1] == getattr(long_run, side)["loss"]


def test_both_sides_have_equal_tags(long_run):
    """Equal tags overlay: the source's histograms in layer1 and layer2, and the gradients', are there on both sides.

    The last layer's output is by-passed by the loss: it has no gradient.
    """
    tags = [_events(Path(long_run.directory) / side).Tags() for side in SIDES]
    assert tags[0]["scalars"] == tags[1]["scalars"]
    what = ("biases", "output", "weights", "biases_gradient", "output_gradient", "weights_gradient")
    expected = [f"layer{i}/{one}" for i in (1, 2) for one in what if (i, one) != (2, "output_gradient")]
    assert sorted(tags[0]["tensors"]) == sorted(tags[1]["tensors"]) == sorted(expected)


def test_event_files_of_10001_steps_stay_small(long_run):
    """All of the run's files together stay under 5 MB."""
    assert 0 < sum(path.stat().st_size for path in Path(long_run.directory).rglob("*tfevents*")) < 5_000_000


def test_graph_of_the_reference_is_written_with_its_scopes(long_run):
    """The parameters lie in the scope of their layer, beside its operations."""
    from tensorflow.core.framework.graph_pb2 import GraphDef

    graph = _events(Path(long_run.directory) / "tensorflow").Graph()
    nodes = {node.name for node in GraphDef.FromString(graph.SerializeToString()).node}
    assert {"x", "t", "layer1/W1", "layer1/a1", "layer2/b2", "layer2/z2", "loss/loss"} <= nodes


def test_images_and_test_curves_of_digits(tmp_path):
    """Three pictures of 8 x 8 x 1 under one tag, and the test set's scores at the end of each epoch."""
    twin = _small_mnist()
    history = training.train(twin, data="digits", logdir=tmp_path, epochs=2, batch_size=500)
    for side in SIDES:
        found = _events(Path(history.directory) / side)
        width, height, *pictures = found.Tensors("input")[0].tensor_proto.string_val
        assert (width, height, len(pictures)) == (b"8", b"8", 3)
        points = found.Scalars("test/accuracy")
        assert [point.step for point in points] == [3, 6]
        assert points[-1].value == np.float32(getattr(history, side)["test_accuracy"])
        assert found.Scalars("train/loss")[0].value == np.float32(getattr(history, side)["loss"])


def test_a_second_run_gets_a_directory_of_its_own(tmp_path):
    """Equal settings, two directories; the first run's files do not change."""
    first = training.train("gates", logdir=tmp_path, steps=2)
    before = {path: path.read_bytes() for path in Path(first.directory).rglob("*tfevents*")}
    second = training.train("gates", logdir=tmp_path, steps=2)
    assert (first.run, second.run) == (f"{first.run[:-3]}001", f"{first.run[:-3]}002")
    assert len(before) == 3
    assert {path: path.read_bytes() for path in before} == before


def test_two_trainings_at_once_do_not_mix(tmp_path):
    """Two processes with equal settings, started together into one directory: a run each, whole and equal."""
    code = f"import gradtwin; gradtwin.train('xor', steps=60, log_every=20, logdir={str(tmp_path)!r})"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    runs = sorted((tmp_path / "xor").iterdir())
    assert [run.name[-6:] for run in runs] == ["run001", "run002"]
    curves = [
        [(point.step, point.value) for point in _events(run / side).Scalars("loss")] for run in runs for side in SIDES
    ]
    assert [step for step, _ in curves[0]] == [0, 20, 40, 60]
    assert curves[0] == curves[2] and curves[1] == curves[3]
    assert all(len(list(folder.glob("*tfevents*"))) == 1 for run in runs for folder in (run, run / "manual"))


@pytest.mark.parametrize("name", ["a/b", "../../up", "..", ".", "<b>bold</b>", "x" * 300, "a\nb", "con:sole"])
def test_whatever_a_twin_is_called_its_run_stays_in_the_log_directory(tmp_path, name):
    """And its own name stands in the settings."""
    twin = dataclasses.replace(catalog.get("gates"), name=name)
    history = training.train(twin, steps=2, logdir=tmp_path / "logs")
    directory = Path(history.directory).resolve()
    assert directory.parent.parent == tmp_path.resolve() / "logs"
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    (text,) = _events(directory).Tensors("settings")
    assert f"twin           {name.splitlines()[0]}" in text.tensor_proto.string_val[0].decode()


def test_without_logdir_nothing_is_written(tmp_path, monkeypatch):
    """The run has a name and no directory."""
    monkeypatch.chdir(tmp_path)
    history = training.train("gates", steps=2)
    assert history.directory is None
    assert list(tmp_path.iterdir()) == []


def test_the_variant_stands_in_the_runs_name(tmp_path):
    """So that a faulty side's run lies beside the right one's and can be told from it."""
    history = training.train("zoo", steps=2, logdir=tmp_path, manual=zoo, variant="F000-1")
    assert history.run.endswith("-F000-1-run001")
    assert history.to_dict()["variant"] == "F000-1"


# ---- how a run ends ---------------------------------------------------------------------------------


def test_ctrl_c_ends_the_run_in_order(tmp_path):
    """After the chunk at hand; both sides have done the same steps and what was logged is readable."""

    def press(done, steps):
        if done == 60:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    history = training.train("xor", steps=1000, log_every=20, logdir=tmp_path, progress=press)
    assert history.interrupted
    assert history.steps == len(history.losses_manual) == len(history.losses_tensorflow) == 60
    assert len(history.gaps) == 61
    assert history.gap <= 1e-12
    for side in SIDES:
        assert [p.step for p in _events(Path(history.directory) / side).Scalars("loss")] == [0, 20, 40, 60]
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_while_progress_is_shown_counts_too():
    """A progress bar may raise KeyboardInterrupt itself."""

    def press(done, steps):
        raise KeyboardInterrupt

    history = training.train("xor", steps=1000, log_every=20, progress=press)
    assert history.interrupted
    assert history.steps == 20


def test_a_second_ctrl_c_acts_at_once(tmp_path):
    """KeyboardInterrupt comes out, and what was logged is readable."""

    def press_twice(done, steps):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)

    class TwiceInStep(Recorded):
        def backward(self, params, cache):
            press_twice(0, 0)
            return super().backward(params, cache)

    with pytest.raises(KeyboardInterrupt):
        training.train("xor", steps=100, logdir=tmp_path, manual=TwiceInStep(xor))
    assert len(list(tmp_path.rglob("*tfevents*"))) == 3


def test_kill_9_leaves_files_that_can_be_read(tmp_path):
    """A process killed in the midst of training: all points are there but those of the last third of a second."""
    code = (
        "from gradtwin.training import lockstep as training; "
        f"training.train('xor', steps=10**7, log_every=50, logdir={str(tmp_path)!r}, "
        "progress=lambda done, steps: print(done, flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        done = 0
        while done < 20_000:
            done = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    (run,) = (tmp_path / "xor").iterdir()
    for side in SIDES:
        points = _events(run / side).Scalars("loss")
        assert len(points) >= 100
        assert [point.step for point in points] == [50 * k for k in range(len(points))]


def test_a_disk_that_fills_up_gives_one_line_and_leaves_what_was_written(tmp_path):
    """The size of files is limited to 40 kB, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        with pytest.raises(InputError, match=r"Cannot write .*tfevents.*: File too large\. What was written") as caught:
            training.train("xor", logdir=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    (run,) = (tmp_path / "xor").iterdir()
    for side in SIDES:
        steps = [point.step for point in _events(run / side).Scalars("loss")]
        assert len(steps) >= 5
        assert steps == [100 * k for k in range(len(steps))]


def test_an_error_in_the_users_side_comes_out_and_closes_the_files(tmp_path):
    """It is not dressed up as something else."""

    def broken(params, cache):
        raise ZeroDivisionError("in the user's backward")

    with pytest.raises(ZeroDivisionError, match="user's backward"):
        training.train("xor", steps=2, logdir=tmp_path, manual=Altered(xor, broken))


# ---- refusals ---------------------------------------------------------------------------------------


def _one_nan():
    inputs = np.ones((3, 2))
    inputs[1, 0] = np.nan
    return Dataset("bad", inputs, np.ones((3, 1)))


REFUSED = {
    "no steps": ({"steps": 0}, r"number of steps must be a whole number from 1, got 0"),
    "negative steps": ({"steps": -5}, r"number of steps .* got -5"),
    "half a step": ({"steps": 2.5}, r"number of steps .* got 2\.5"),
    "no epochs": ({"epochs": 0}, r"number of epochs .* got 0"),
    "steps and epochs": ({"steps": 1, "epochs": 1}, r"steps or of epochs, not both"),
    "learning rate nan": ({"learning_rate": math.nan}, r"learning rate must be a finite number above 0, got nan"),
    "learning rate inf": ({"learning_rate": math.inf}, r"learning rate .* got inf"),
    "learning rate 0": ({"learning_rate": 0.0}, r"learning rate .* got 0\.0"),
    "negative learning rate": ({"learning_rate": -0.1}, r"learning rate .* got -0\.1"),
    "learning rate as text": ({"learning_rate": "fast"}, r"learning rate .* got 'fast'"),
    "batch of 0": ({"batch_size": 0}, r"batch size must be a whole number from 1 to 4, .* got 0"),
    "batch above the data": ({"batch_size": 5}, r"batch size must be a whole number from 1 to 4, .* got 5"),
    "log every 0": ({"log_every": 0}, r"log_every .* got 0"),
    "unknown dtype": ({"dtype": "float16"}, r"Unknown dtype 'float16'.*float64 and float32"),
    "unknown optimizer": ({"optimizer": "adamm"}, r"Unknown optimizer 'adamm'\. Did you mean 'adam'\?"),
    "negative seed": ({"seed": -1}, r"seed must be a whole number from 0, got -1"),
    "dropout where there is none": ({"keep": 0.5}, r"'xor' has no dropout"),
    "keep above 1": ({"keep": 1.5}, r"keep probability must be above 0 and at most 1, got 1\.5"),
    "keep 0": ({"keep": 0.0}, r"keep probability .* above 0, got 0\.0"),
    "NaN in data": ({"data": _one_nan()}, r"1 entries that are NaN or infinite, the first at \[1, 0\]"),
    "no rows": ({"data": Dataset("no", np.ones((0, 2)), np.ones((0, 1)))}, r"have no rows"),
    "integers": ({"data": Dataset("i", np.ones((3, 2), int), np.ones((3, 1)))}, r"dtype int64. Give floating"),
    "too many columns": ({"data": Dataset("w", np.ones((3, 5)), np.ones((3, 1)))}, r"\[3, 5\] .*do not fit"),
    "too many targets": ({"data": Dataset("t", np.ones((3, 2)), np.ones((3, 7)))}, r"gives 1 outputs .* have 7"),
    "no such file": ({"data": "nowhere.csv"}, r"Cannot read nowhere\.csv"),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_impossible_settings_are_refused_before_anything_is_written(settings, message, tmp_path):
    """One clear line, and no directory left behind."""
    with pytest.raises(InputError, match=message) as caught:
        training.train("xor", logdir=tmp_path / "logs", **settings)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_twin_is_refused_with_a_suggestion():
    """As everywhere."""
    with pytest.raises(InputError, match="Did you mean 'xor'"):
        training.train("xro", steps=1)


def test_a_log_directory_that_is_a_file_is_refused(tmp_path):
    """The file is left as it is."""
    (tmp_path / "logs").write_text("mine")
    with pytest.raises(InputError, match=r"log directory .*logs is a file"):
        training.train("xor", steps=1, logdir=tmp_path / "logs")
    assert (tmp_path / "logs").read_text() == "mine"


def test_a_keep_probability_of_one_is_no_dropout():
    """And a batch as large as the data is the full batch, in the data's order."""
    history = training.train(_small_mnist(), data="digits", steps=1, keep=1.0, batch_size=1438)
    assert history.keep is None
    assert history.batch_size is None


def test_data_of_other_widths_resize_a_network_of_any_width():
    """Three features and two classes for the zoo's network."""
    data = Dataset("mine", np.random.default_rng(0).random((6, 3)), np.eye(2)[[0, 1, 0, 1, 0, 1]])
    history = training.train("zoo", data=data, steps=2)
    assert {name: p.shape for name, p in history.params["manual"].items()} == {"W": (3, 2), "b": (2,)}


def test_an_outsiders_twin_is_trained_like_a_built_in():
    """Own data, own reference function that gives the bare loss, no names declared."""

    class Square:
        @staticmethod
        def forward(params, x):
            return ((params["a"] * x) ** 2).sum(), {"x": x}

        @staticmethod
        def backward(params, cache):
            return {"a": 2 * params["a"] * (cache["x"] ** 2).sum()}

    twin = dataclasses.replace(
        catalog.get("gates"),
        name="square",
        manual=Square,
        reference=lambda params, x: __import__("tensorflow").reduce_sum((params["a"] * x) ** 2),
        batch=(np.array([1.0, 2.0]),),
        init=lambda rng: {"a": np.array(3.0)},
        data="random",
        output="",
    )
    history = training.train(twin, steps=3, learning_rate=0.01)
    # a := a - 0.01 * 2 a 5 = 0.9 a
    assert history.params["manual"]["a"] == pytest.approx(3 * 0.9**3)
    assert history.params["tensorflow"]["a"] == pytest.approx(3 * 0.9**3)
    assert history.manual["accuracy"] is None
