from itertools import chain
from types import SimpleNamespace

import pytest
import torch

from training.loop.errors import LoopError
from training.loop.loading import EpochBatches, Loaders, ResumableLoader, ShuffledBatches


def test_an_epoch_depends_on_seed_and_number_only():
    plan = ShuffledBatches(25, 4, seed=3)
    first, second = plan(0), plan(1)
    assert first != second
    assert ShuffledBatches(25, 4, seed=3)(1) == second
    assert ShuffledBatches(25, 4, seed=4)(1) != second
    assert [len(batch) for batch in first] == [4] * 6
    assert len(set(chain(*first))) == 24
    left_over = [set(range(25)) - set(chain(*plan(epoch))) for epoch in range(20)]
    assert len(set(map(frozenset, left_over))) > 5  # not always the same one


def test_too_few_items_for_a_batch_are_reported():
    with pytest.raises(LoopError, match="3 items to train on, fewer than the 4 of one batch"):
        ShuffledBatches(3, 4, seed=0)


def test_processes_share_an_epoch_without_overlap():
    plan = ShuffledBatches(25, 4, seed=0)
    parts = [EpochBatches(plan, rank=rank, world=4) for rank in range(4)]
    for part in parts:
        part.set_epoch(2)
    shares = [list(part) for part in parts]
    assert [len(share) for share in shares] == [1] * 4 == [len(part) for part in parts]
    assert [share[0] for share in shares] == plan(2)[:4]
    with pytest.raises(LoopError, match=r"fewer batches \(6\) than devices \(7\)"):
        EpochBatches(plan, world=7)


def test_a_loader_goes_on_where_it_was():
    def loader():
        batches = EpochBatches(ShuffledBatches(25, 4, seed=0))
        return ResumableLoader(torch.arange(25), batches, seed=0)

    before = loader()
    before.batch_sampler.set_epoch(5)
    whole = [batch.tolist() for batch in before]
    given = iter(before)
    for _ in range(2):
        next(given)
    after = loader()
    after.load_state_dict(before.state_dict())
    after.batch_sampler.set_epoch(5)  # as the trainer does
    assert len(after) == 6  # an epoch is as long as ever
    assert [batch.tolist() for batch in after] == whole[2:]
    after.batch_sampler.set_epoch(6)
    assert len(list(after)) == 6


def test_a_plan_of_ones_own_decides_the_batches(line, data, options):
    import dataclasses

    from training.loop.fitting import fit

    module = line()
    own = dataclasses.replace(data, plan=lambda epoch: [[epoch, epoch + 1], [9, 8]])
    fit(module, own, options(epochs=2), say=lambda _: None)
    assert module.batches == [[0, 1], [9, 8], [1, 2], [9, 8]]


def test_each_device_needs_something_to_validate_by(data):
    loaders = Loaders(data, seed=0)
    loaders.trainer = SimpleNamespace(global_rank=1, world_size=10)
    with pytest.raises(LoopError, match=r"fewer items to validate by than devices \(10\)"):
        loaders.val_dataloader()
