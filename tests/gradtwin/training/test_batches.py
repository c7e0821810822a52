"""Batches and masks: every row once an epoch, masks of the right kind, chunks that end where they must."""

import numpy as np
import pytest

from gradtwin.training import lockstep as training
from gradtwin.training.batches import BYTES_PER_CHUNK, STEPS_PER_CHUNK, chunks, longest_chunk
from gradtwin.training.settings import TrainingSettings
from gradtwin.twins import catalog

TWIN = catalog.get("mnist").resize((64, 12, 6, 10))


def _cut(**settings):
    plan = training.make_plan(TWIN, TrainingSettings(data="digits", **settings))
    return plan, list(chunks(plan, np.random.default_rng(3)))


@pytest.mark.parametrize("log_every", [1, 4, 100])
@pytest.mark.parametrize("batch_size", [1, 100, 719, 1438])
def test_all_steps_are_taken_in_order(log_every, batch_size):
    """Chunks follow one another, none crosses a step to be logged, and together they are all steps."""
    plan, cut = _cut(steps=33, batch_size=batch_size, log_every=log_every)
    assert [chunk.first for chunk in cut] == [0, *np.cumsum([chunk.count for chunk in cut])[:-1]]
    assert sum(chunk.count for chunk in cut) == 33
    for chunk in cut:
        assert chunk.first // log_every == (chunk.first + chunk.count - 1) // log_every
        assert chunk.count <= longest_chunk(plan)


def test_an_epoch_is_one_permutation_whatever_the_chunks():
    """1,438 rows in batches of 100: 14 whole ones and one of 38, each row once; inputs stay with their targets."""
    plan, cut = _cut(epochs=2, batch_size=100, log_every=4)
    batches = [chunk.batch(k) for chunk in cut for k in range(chunk.count)]
    assert [len(x) for x, *_ in batches] == ([100] * 14 + [38]) * 2
    together = np.hstack(plan.rows)
    for epoch in (batches[:15], batches[15:]):
        seen = np.hstack([np.concatenate([batch[i] for batch in epoch]) for i in (0, 1)])
        np.testing.assert_array_equal(seen[np.lexsort(seen.T)], together[np.lexsort(together.T)])
    assert not np.array_equal(batches[0][0], batches[15][0])


def test_masks_hold_zero_and_one_over_keep_in_the_asked_proportion():
    """Inverted dropout: entries 0 or 1/keep; of 30 * 100 * 18 entries 70 % are kept, within 5 deviations."""
    _, cut = _cut(steps=30, batch_size=100, keep=0.7, dtype="float32", log_every=30)
    masks = [mask for chunk in cut for k in range(chunk.count) for mask in chunk.batch(k)[2:]]
    assert [mask.shape[1] for mask in masks[:2]] == [12, 6]
    entries = np.concatenate([mask.ravel() for mask in masks])
    assert entries.dtype == np.float32
    assert set(np.unique(entries)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs(np.mean(entries > 0) - 0.7) < 5 * np.sqrt(0.7 * 0.3 / entries.size)
    assert not np.array_equal(masks[0], masks[2])


def test_the_whole_data_is_handed_out_once_where_every_step_takes_it():
    """No copy for each step; the masks change all the same."""
    plan, cut = _cut(steps=4, batch_size=1438, keep=0.5, log_every=4)
    for chunk in cut:
        assert all(ours is theirs for ours, theirs in zip(chunk.fixed, plan.rows, strict=True))
    assert not np.array_equal(cut[0].batch(0)[2], cut[-1].batch(cut[-1].count - 1)[2])


def test_a_chunk_holds_no_more_than_it_may():
    """1.2 million parameters are taken one step at a time."""
    plan = training.make_plan(catalog.get("mnist"), TrainingSettings(data="digits", steps=100, log_every=100))
    assert longest_chunk(plan) == 1
    small = training.make_plan(TWIN, TrainingSettings(data="digits", steps=10**6, batch_size=100, log_every=10**6))
    rows = sum(array[0].size for array in small.rows) * 100 + 100 * 18
    size = sum(p.size for p in small.start.values()) + rows
    assert longest_chunk(small) == BYTES_PER_CHUNK // (8 * size) > 1


def test_a_chunk_is_over_soon():
    """Ctrl-C is heard between chunks, so that even the smallest network takes only some hundred steps at once."""
    plan = training.make_plan(catalog.get("xor"), TrainingSettings(steps=10**6))
    assert longest_chunk(plan) == STEPS_PER_CHUNK == 500
