import pytest
import torch

from training.encoders.minilm import WIDTH, load_minilm
from training.encoders.weights import MINILM


@pytest.fixture(scope="module")
def encoder(published):
    published(MINILM)
    return load_minilm()


@pytest.mark.weights
def test_sentences_become_unit_vectors_and_related_ones_are_near(encoder):
    dog, puppy, plane = encoder.encode(["a dog is barking", "a puppy", "an airplane takes off"])
    torch.testing.assert_close(torch.stack([dog, puppy, plane]).norm(dim=1), torch.ones(3))
    assert dog @ puppy > dog @ plane + 0.1


@pytest.mark.weights
def test_a_sentence_means_the_same_beside_longer_ones(encoder):
    alone = encoder.encode(["drum"])[0]
    beside = encoder.encode(["drum", "a very long sentence about trains, " * 5])[0]
    torch.testing.assert_close(alone, beside, atol=1e-5, rtol=0)


@pytest.mark.weights
def test_no_sentences_give_no_vectors(encoder):
    assert encoder.encode([]).shape == (0, WIDTH)
