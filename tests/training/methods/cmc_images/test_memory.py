import math

import pytest
import torch

from training.methods.cmc_images.memory import MemoryBanks, NceLoss, softmax_loss


@pytest.fixture
def banks():
    """Three items with vectors of the plane: (1, 0), (0, 1), (-1, 0) of light, and turned by 90 of colour."""
    made = MemoryBanks(3, features=2, momentum=0.5)
    made.light.copy_(torch.tensor([[1.0, 0], [0, 1], [-1, 0]]))
    made.colour.copy_(torch.tensor([[0.0, 1], [-1, 0], [0, -1]]))
    return made


def test_banks_begin_as_even_noise_about_as_long_as_a_unit_vector():
    banks = MemoryBanks(2000, features=128, momentum=0.5)
    bound = 1 / math.sqrt(128 / 3)
    for bank in (banks.light, banks.colour):
        assert bank.shape == (2000, 128)
        assert bank.abs().max() <= bound
        assert bank.max() > 0.999 * bound
        assert float(bank.square().sum(1).mean()) == pytest.approx(1, abs=0.01)
    assert not torch.equal(banks.light, banks.colour)
    assert set(banks.state_dict()) == {"light", "colour"}


def test_slot_0_is_the_item_and_the_others_are_drawn_evenly_with_replacement():
    slots = MemoryBanks(5, features=2, momentum=0.5).draw(torch.tensor([4, 2]), 5000)
    assert slots.shape == (2, 5001)
    assert slots[:, 0].tolist() == [4, 2]
    shares = torch.bincount(slots[0, 1:], minlength=5) / 5000
    assert shares.tolist() == pytest.approx([0.2] * 5, abs=0.03)  # the item itself is among them


def test_each_view_is_compared_with_the_bank_of_the_other(banks):
    slots = torch.tensor([[0, 1], [2, 2]])
    light, colour = torch.tensor([[0.6, 0.8], [1, 0]]), torch.tensor([[0.0, 1], [0.8, 0.6]])
    of_light, of_colour = banks.similarity(light, colour, slots)
    assert torch.allclose(of_light, torch.tensor([[0.8, -0.6], [0, 0]]))
    assert torch.allclose(of_colour, torch.tensor([[0.0, 1], [-0.8, -0.8]]))


def test_an_update_goes_half_of_the_way_and_back_to_length_1(banks):
    banks.update(torch.tensor([1, 0]), torch.tensor([[1.0, 0], [1, 0]]), torch.tensor([[0.0, 1], [0, 1]]))
    root = math.sqrt(0.5)
    assert torch.allclose(banks.light, torch.tensor([[1.0, 0], [root, root], [-1, 0]]))
    assert torch.allclose(banks.colour, torch.tensor([[0.0, 1], [-root, root], [0, -1]]))


def test_infonce_of_equal_scores_is_the_logarithm_of_their_number():
    scores = torch.full((3, 5), 0.7)
    both = softmax_loss(scores) + softmax_loss(scores)
    assert float(both) == pytest.approx(2 * math.log(5))
    scores[:, 0] += math.log(4)  # four times as likely as each of four others: one half
    assert float(softmax_loss(scores)) == pytest.approx(math.log(2), abs=1e-6)


def test_nce_is_what_it_is_by_hand():
    """Four items and two noise slots: K P_n = 1/2. With Z = 2 the chances are exp(s) / 2."""
    loss = NceLoss(4, momentum=0.99)
    loss.observe(torch.tensor(0.5))
    assert float(loss.normaliser) == 2
    scores = torch.tensor([[3.0, 1, 2], [1, 1, 1]]).log()  # chances 1.5, 0.5, 1 and 0.5, 0.5, 0.5
    first = math.log(1.5 / 2) + math.log(0.5 / 1) + math.log(0.5 / 1.5)
    second = 3 * math.log(0.5)
    assert float(loss(scores)) == pytest.approx(-(first + second) / 2, abs=1e-5)


def test_the_normaliser_starts_with_the_first_batch_and_runs_on():
    loss = NceLoss(10, momentum=0.99)
    loss.observe(torch.tensor(3.0))
    assert float(loss.normaliser) == 30
    loss.observe(torch.tensor(5.0))
    assert float(loss.normaliser) == pytest.approx(0.99 * 30 + 0.01 * 50)
    assert "normaliser" in loss.state_dict()
