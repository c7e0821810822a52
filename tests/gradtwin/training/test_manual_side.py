"""The hand-written half of a training: traced or not, it takes the steps that the page's own functions take."""

from types import SimpleNamespace

import numpy as np
import pytest

from gradtwin.core.blocks import ENTRIES
from gradtwin.training.batches import Chunk
from gradtwin.training.manual_side import STEPS_BETWEEN_PROOFS, ManualTrainer
from gradtwin.twins import catalog
from manual_grads import optimizers


def _states(trainer, chunks):
    """Take the chunks' steps, and give every loss and every state."""
    losses, states = [], []
    for chunk in chunks:
        found, stacked = trainer.advance(chunk)
        losses += found.tolist()
        states += [{name: values[k].copy() for name, values in stacked.items()} for k in range(chunk.count)]
    return losses, states


def _by_hand(side, params, optimizer, rate, batches):
    """Take the steps as a reader of the page would write them."""
    losses, states, state = [], [], optimizers.adam_state(params)
    for batch in batches:
        loss, cache = side.forward(params, *batch)
        gradients = side.backward(params, cache)
        if optimizer == "adam":
            params, state = optimizers.adam(params, gradients, state, rate)
        else:
            params = optimizers.gradient_descent(params, gradients, rate)
        losses.append(float(loss))
        states.append(params)
    return losses, states


def _chunks(fixed, varying, counts):
    first = 0
    for count in counts:
        yield Chunk(first, count, fixed, tuple(array[first : first + count] for array in varying))
        first += count


@pytest.mark.parametrize("optimizer", ["gd", "adam"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in catalog.names() if not name.startswith("node_")])
def test_steps_are_those_of_the_page_to_the_last_bit(name, dtype, optimizer):
    """One step, three in a row, one: each loss before its update and each state after it."""
    twin = catalog.get(name)
    if name in ("mnist", "softmax_regression"):
        twin = twin.resize((30, 20, 10) if name == "mnist" else (30, 10))
    params, batch = twin.point(1)
    params = {k: np.asarray(p, dtype) for k, p in params.items()}
    batch = tuple(np.asarray(b, dtype) for b in batch)
    trainer = ManualTrainer(twin.manual, params, optimizer, 0.01)
    found = _states(trainer, _chunks(batch, (), (1, 3, 1)))
    expected = _by_hand(twin.manual, params, optimizer, 0.01, [batch] * 5)
    assert found[0] == expected[0]
    for mine, theirs in zip(found[1], expected[1], strict=True):
        assert all(mine[k].tobytes() == theirs[k].tobytes() for k in params)
    assert trainer.traced


def test_batches_that_vary_are_read_in_every_step():
    """Six batches and masks of the digits' network, in chunks of four and two, then a shorter one."""
    twin, rng = catalog.get("mnist").resize((9, 7, 4)), np.random.default_rng(0)
    params, _ = twin.point(0)

    def drawn(count, rows):
        masks = rng.integers(0, 2, (count, rows, 7)) / 0.5
        return rng.random((count, rows, 9)), np.eye(4)[rng.integers(4, size=(count, rows))], masks

    long, short = drawn(6, 5), drawn(1, 3)
    trainer = ManualTrainer(twin.manual, params, "gd", 0.1)
    chunks = [*_chunks((), long, (4, 2)), Chunk(6, 1, (), short)]
    losses, states = _states(trainer, chunks)
    batches = [tuple(a[k] for a in long) for k in range(6)] + [tuple(a[0] for a in short)]
    expected = _by_hand(twin.manual, params, "gd", 0.1, batches)
    assert losses == expected[0]
    assert all(np.array_equal(states[-1][k], expected[1][-1][k]) for k in params)


@pytest.mark.parametrize("optimizer", ["gd", "adam"])
def test_a_vector_longer_than_a_piece_is_updated_to_its_end(optimizer):
    """Two pieces and a half; every entry moves as the rule says."""
    side = SimpleNamespace(
        forward=lambda params, x: ((params["w"] * x).sum(), {"x": x}),
        backward=lambda params, cache: {"w": cache["x"] * 1.0},
    )
    x = np.random.default_rng(0).normal(size=ENTRIES * 5 // 2)
    start = {"w": np.zeros_like(x)}
    _, states = _states(ManualTrainer(side, start, optimizer, 0.1), _chunks((x,), (), (1, 1)))
    _, expected = _by_hand(side, start, optimizer, 0.1, [(x,)] * 2)
    assert np.array_equal(states[-1]["w"], expected[-1]["w"])


def test_code_that_branches_on_a_number_is_run_as_it_is_written():
    """A hinge: zero beyond the margin, which the first step crosses."""

    def forward(params, x):
        loss = 1.0 - float(params["w"][0] * x)
        return np.float64(max(loss, 0.0)), {"x": x, "on": loss > 0}

    side = SimpleNamespace(
        forward=forward, backward=lambda params, cache: {"w": np.array([-cache["x"] if cache["on"] else 0.0])}
    )
    trainer = ManualTrainer(side, {"w": np.zeros(1)}, "gd", 1.0)
    losses, states = _states(trainer, _chunks((np.array(2.0),), (), (3,)))
    assert losses == [1.0, 0.0, 0.0] and [float(s["w"][0]) for s in states] == [2.0, 2.0, 2.0]
    assert not trainer.traced


def _changing_after(calls):
    """A side whose gradient doubles after so many forward passes: state, which a trace cannot see."""
    seen = [0]

    def forward(params, x):
        seen[0] += 1
        return (params["w"] * x).sum(), {"x": x}

    return SimpleNamespace(
        forward=forward, backward=lambda params, cache: {"w": cache["x"] * (1.0 + (seen[0] > calls))}
    )


def test_a_trace_that_the_code_contradicts_is_given_up_and_its_steps_taken_again():
    """The proof at the end of the second chunk differs: the chunk is taken again, as the code now is."""
    trainer = ManualTrainer(_changing_after(2), {"w": np.zeros(2)}, "gd", 1.0)
    _, states = _states(trainer, _chunks((np.ones(2),), (), (2, 3)))
    assert [float(s["w"][0]) for s in states] == [-1.0, -2.0, -4.0, -6.0, -8.0]
    assert not trainer.traced


def test_single_steps_are_proved_now_and_then():
    """A large network's chunks are single steps: the first is proved, then one in a hundred."""
    trainer = ManualTrainer(_changing_after(2), {"w": np.zeros(2)}, "gd", 1.0)
    _, states = _states(trainer, _chunks((np.ones(2),), (), [1] * (STEPS_BETWEEN_PROOFS + 2)))
    moves = -np.diff([0.0, *(float(s["w"][0]) for s in states)])
    assert not trainer.traced
    assert moves[-1] == 2.0 and set(moves) == {1.0, 2.0} and sorted(moves) == moves.tolist()


def test_parameters_that_were_handed_out_stay_as_they_are():
    """What is logged later is of the step it was taken at."""
    twin = catalog.get("xor")
    params, batch = twin.point(0)
    trainer = ManualTrainer(twin.manual, params, "gd", 0.5)
    before = trainer.params
    kept = {name: p.copy() for name, p in before.items()}
    trainer.advance(Chunk(0, 3, batch, ()))
    assert all(np.array_equal(before[name], kept[name]) for name in params)
    assert all(np.array_equal(params[name], kept[name]) for name in params)
    assert not np.array_equal(trainer.params["W1"], kept["W1"])


def test_other_fixed_arrays_are_another_trace_wherever_they_lie():
    """A batch that is dropped after its step gives its place in memory to the next one, and not its numbers."""
    side = SimpleNamespace(
        forward=lambda params, x: ((params["w"] * (2 * x)).sum(), {"x": x}),
        backward=lambda params, cache: {"w": 2 * cache["x"] + 0 * params["w"]},
    )
    trainer = ManualTrainer(side, {"w": np.zeros(1000)}, "gd", 1.0)
    for k in range(20):
        before = trainer.params["w"]
        trainer.advance(Chunk(k, 1, (np.full(1000, float(k)),), ()))
        assert np.array_equal(before - trainer.params["w"], np.full(1000, 2.0 * k))
