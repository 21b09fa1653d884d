import torch

from training.loop.seeding import mixed, seed_all


def test_a_mixed_seed_is_the_same_everywhere_and_fits_torch():
    # BLAKE2b with 8 bytes of digest, as `b2sum -l 64` prints it for `1/step/2`, without its last bit.
    assert mixed(1, "step", 2) == int("0ee931f66f78a2e8", 16) >> 1
    seeds = {mixed(seed, name, step) for seed in range(5) for name in "ab" for step in range(5)}
    assert len(seeds) == 50
    assert max(seeds) < 2**63


def test_seeding_decides_the_first_weights():
    seed_all(1)
    first = torch.nn.Linear(3, 3).weight
    seed_all(1)
    again = torch.nn.Linear(3, 3).weight
    seed_all(2)
    assert torch.equal(first, again)
    assert not torch.equal(first, torch.nn.Linear(3, 3).weight)
