import math

import pytest
import torch

from training.methods.language_guidance.guidance import (
    exchanged,
    guidance_loss,
    name_similarity,
    pseudo_classes,
    pseudo_similarity,
)


def matrix(*rows):
    return torch.tensor(rows, dtype=torch.float64)


# Three samples, the first two of one class.
LABELS = torch.tensor([0, 0, 1])
SAME = LABELS[:, None] == LABELS
EACH_ITS_OWN = torch.eye(3, dtype=torch.bool)
IMAGE = matrix([1.0, 0.3, 0.4], [0.3, 1.0, -0.2], [0.4, -0.2, 1.0])
LANGUAGE = matrix([1.0, 1.0, 0.1], [1.0, 1.0, 0.1], [0.1, 0.1, 1.0])


def by_hand(image, language, *, temperature=1.0):
    """KL of two lists of similarities, masked and shifted already."""
    p, q = ([math.exp(value / temperature) for value in row] for row in (image, language))
    p, q = ([value / sum(row) for value in row] for row in (p, q))
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


@pytest.mark.parametrize(("direction", "swap"), [("backward", False), ("forward", True)])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_it_is_the_divergence_of_rows_worked_by_hand(direction, swap, temperature):
    # Same classes are 2 in both; elsewhere language is 1.1, and the image as it is.
    pairs = (
        ([2, 2, 0.4], [2, 2, 1.1]),
        ([2, 2, -0.2], [2, 2, 1.1]),
        ([0.4, -0.2, 2], [1.1, 1.1, 2]),
    )
    rows = [by_hand(*(pair[::-1] if swap else pair), temperature=temperature) for pair in pairs]
    loss = guidance_loss(IMAGE, LANGUAGE, SAME, temperature=temperature, direction=direction)
    assert loss.item() == pytest.approx(temperature**2 * sum(rows) / 3)


def test_it_is_zero_where_both_agree_after_shift_and_overwriting():
    language = matrix([1.0, 0.2, 0.7], [0.2, 1.0, 0.5], [0.7, 0.5, 1.0])
    assert guidance_loss(language + 1, language, SAME).item() == pytest.approx(0, abs=1e-12)
    assert guidance_loss(language, language, EACH_ITS_OWN).item() > 0.01  # the shift makes the difference
    assert guidance_loss(language, language, SAME, shift=0.0).item() == pytest.approx(0, abs=1e-12)


def test_entries_of_one_class_do_not_matter_in_either_matrix():
    other_image, other_language = IMAGE.clone(), LANGUAGE.clone()
    other_image[0, 1] = other_image[1, 0] = -0.9
    other_language[0, 1] = -0.5
    expected = guidance_loss(IMAGE, LANGUAGE, SAME)
    assert guidance_loss(other_image, other_language, SAME) == expected
    assert guidance_loss(other_image, other_language, EACH_ITS_OWN) != expected


def test_the_gradient_goes_to_images_of_other_classes_only():
    image, language = IMAGE.clone().requires_grad_(), LANGUAGE.clone().requires_grad_()
    guidance_loss(image, language, SAME).backward()
    assert language.grad is None
    assert (image.grad != 0).tolist() == [[False, False, True], [False, False, True], [True, True, False]]
    assert image.grad[1, 2] < 0  # -0.2 is below 1.1, so it should rise


def test_descending_it_brings_the_rows_together():
    image = IMAGE.clone().requires_grad_()
    optimizer = torch.optim.SGD([image], 1.0)
    for _ in range(200):
        optimizer.zero_grad()
        loss = guidance_loss(image, LANGUAGE, SAME)
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-4


def test_names_are_compared_by_their_cosines():
    texts = matrix([1, 0], [0, 1], [0.6, 0.8])
    torch.testing.assert_close(name_similarity(texts), matrix([1, 0, 0.6], [0, 1, 0.8], [0.6, 0.8, 1]))


def test_pseudo_names_are_those_of_the_mean_logits_of_a_class():
    logits = matrix([9, 0, 5, 0], [0, 0, 5, 1], [0, 1, 0, 2])
    # Means of class 0: 4.5, 0, 5, 0.5. The first picture alone would say 0, 2.
    assert pseudo_classes(logits, LABELS, count=2).tolist() == [[2, 0], [3, 1]]


def test_pseudo_names_of_unlike_rank_are_not_compared():
    east, north = [1.0, 0.0], [0.0, 1.0]
    texts = matrix([east, north], [north, east], [east, [0.6, 0.8]])
    # The first two classes have the same two names in another order: 0. The third: (1 + 0.8) / 2.
    torch.testing.assert_close(pseudo_similarity(texts), matrix([1, 0, 0.9], [0, 1, 0.3], [0.9, 0.3, 1]))


def test_exchanged_names_leave_none_its_own():
    codes = torch.arange(7.0)
    swapped = exchanged(codes[:, None] * 10 + codes, seed=3)
    owners = (swapped.diagonal() / 11).long()
    assert sorted(owners.tolist()) == list(range(7))
    assert (owners != torch.arange(7)).all()
    assert swapped[0, 1] == 10 * owners[0] + owners[1]
    assert not torch.equal(swapped, exchanged(codes[:, None] * 10 + codes, seed=4))
