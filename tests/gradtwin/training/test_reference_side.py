"""TensorFlow's half of a training: traced once, fed by either road, equal to eager steps."""

import numpy as np
import pytest
import tensorflow as tf

from gradtwin.backend.tensorflow_side import resolve
from gradtwin.training import lockstep as training
from gradtwin.training.batches import Chunk, chunks
from gradtwin.training.reference_side import ReferenceTrainer
from gradtwin.training.settings import TrainingSettings
from gradtwin.twins import catalog


def _trainer(twin, start, looped, optimizer="gd"):
    return ReferenceTrainer(resolve(twin.reference), start, optimizer=optimizer, learning_rate=0.01, looped=looped)


@pytest.mark.parametrize("looped", [True, False])
def test_short_last_batches_are_not_traced_anew(looped):
    """Two epochs of batches of 100, 100, ..., 38 and an evaluation on two sizes: one trace each."""
    twin = catalog.get("mnist").resize((64, 8, 10))
    asked = TrainingSettings(data="digits", epochs=2, batch_size=100, log_every=7 if looped else 1)
    plan = training.make_plan(twin, asked)
    trainer = _trainer(twin, plan.start, looped)
    sizes = set()
    for chunk in chunks(plan, np.random.default_rng(0)):
        trainer.advance(chunk)
        sizes.add((chunk.count, len(chunk.batch(0)[0])))
    assert {size for _, size in sizes} == {100, 38}
    for rows in (plan.rows, plan.test_rows):
        trainer.evaluate(rows)
    assert trainer.traces == 2


@pytest.mark.parametrize("optimizer", ["gd", "adam"])
@pytest.mark.parametrize("looped", [True, False])
def test_steps_in_the_graph_are_the_eager_steps(looped, optimizer):
    """Against a loop of eager tapes and TensorFlow's own update formulas, each state after each update."""
    twin = catalog.get("xor")
    plan = training.make_plan(twin)
    start, rows = plan.start, plan.rows
    trainer = _trainer(twin, start, looped, optimizer)
    states = []
    for first in range(0, 6, 3) if looped else range(6):
        losses, stacked = trainer.advance(Chunk(first, 3 if looped else 1, rows, ()))
        for k in range(len(losses)):
            states.append((losses[k], {name: values[k].copy() for name, values in stacked.items()}))
    keras = {"gd": tf.keras.optimizers.SGD, "adam": tf.keras.optimizers.Adam}[optimizer](0.01)
    if optimizer == "adam":
        keras.epsilon = 1e-8
    variables = {name: tf.Variable(value) for name, value in start.items()}
    for loss, params in states:
        with tf.GradientTape() as tape:
            expected = resolve(twin.reference)(variables, *map(tf.constant, rows))["loss"]
        assert loss == pytest.approx(float(expected), rel=1e-6)
        keras.apply_gradients(zip(tape.gradient(expected, list(variables.values())), variables.values(), strict=True))
        for name, variable in variables.items():
            # Keras holds the learning rate and the betas in float32.
            np.testing.assert_allclose(params[name], variable.numpy(), rtol=1e-6, atol=1e-6)


def test_a_parameter_the_loss_does_not_use_stays():
    """Its gradient is zero, not missing."""
    start = {"a": np.array(2.0), "unused": np.array(5.0)}
    trainer = ReferenceTrainer(
        lambda params, x: params["a"] * x, start, optimizer="gd", learning_rate=0.5, looped=False
    )
    trainer.advance(Chunk(0, 1, (np.array(1.0),), ()))
    assert {name: float(value) for name, value in trainer.params().items()} == {"a": 1.5, "unused": 5.0}


def test_states_read_before_the_next_call_are_those_after_each_update():
    """A view of a variable that is still held must not move on with it."""
    start = {"a": np.array(2.0)}
    trainer = ReferenceTrainer(
        lambda params, x: params["a"] * x, start, optimizer="gd", learning_rate=0.5, looped=False
    )
    chunk = Chunk(0, 1, (np.array(1.0),), ())
    _, first = trainer.advance(chunk)
    _, second = trainer.advance(chunk)
    assert (first["a"].tolist(), second["a"].tolist()) == ([1.5], [1.0])
