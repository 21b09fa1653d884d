import pytest
import torch

from training.methods.inputs import Standardised, principal_basis


@pytest.fixture
def encoded():
    """Tokens (50, 4, 4, 6) of unlike scales around 5, and embeddings (50, 3), most of them small."""
    generator = torch.Generator().manual_seed(0)
    tokens = 5 + torch.randn(50, 4, 4, 6, generator=generator) * torch.tensor([0.1, 1, 2, 3, 4, 5])
    return tokens, torch.randn(50, 3, generator=generator).exp()


def test_every_channel_has_mean_0_and_variance_1(encoded):
    tokens, embedding = encoded
    inputs = Standardised(6, 3, channels=6)
    inputs.fit(tokens, embedding)
    for given in (inputs.seen(tokens).reshape(-1, 6), inputs.heard(embedding)):
        assert torch.allclose(given.mean(0), torch.zeros(given.shape[1]), atol=1e-5)
        assert torch.allclose(given.var(0), torch.ones(given.shape[1]), atol=1e-4)


def test_a_channel_that_hardly_varies_is_not_blown_up():
    inputs = Standardised(1, 1, channels=1)
    inputs.fit(torch.tensor([0.0, 0.01]).reshape(1, 2, 1, 1), torch.ones(2, 1))
    assert inputs.seen(torch.tensor([[0.01]])).item() == pytest.approx(0.005 / 0.05)
    assert inputs.heard(torch.ones(1, 1)).item() == 0


def test_the_embedding_goes_through_a_logarithm():
    inputs = Standardised(1, 1, channels=1)
    inputs.fit(torch.randn(2, 2, 2, 1), torch.tensor([[0.0], [torch.e - 1]]))  # logarithms 0 and 1
    assert inputs.heard(torch.tensor([[0.0], [torch.e**2 - 1]]))[:, 0].tolist() == pytest.approx(
        [-(0.5**0.5), 1.5 * 2**0.5]
    )


def test_unscaled_inputs_stay_as_they_are(encoded):
    tokens, embedding = encoded
    inputs = Standardised(6, 3, channels=4, scaled=False)
    inputs.fit(tokens, embedding)
    assert torch.equal(inputs.seen(tokens), tokens[..., :4])
    assert torch.equal(inputs.heard(embedding), embedding)


def test_fewer_channels_are_the_principal_components_and_no_more_than_there_are(encoded):
    inputs = Standardised(6, 3, channels=2)
    inputs.fit(*encoded)
    assert inputs.seen(encoded[0]).shape == (50, 4, 4, 2)
    assert inputs.channels == 2
    assert Standardised(6, 3, channels=10).channels == 6


def test_the_basis_is_orthonormal_and_ordered_by_variance():
    # Points on three axes that are turned by 45 degrees: half the squares of 2, 1 and 3 are the variances.
    axes = torch.tensor([[1.0, 1, 0], [1, -1, 0], [0, 0, 2**0.5]]) / 2**0.5
    points = torch.cat([axes * torch.tensor([[2.0], [1], [3]]), -axes * torch.tensor([[2.0], [1], [3]])])
    basis, deviations = principal_basis(points, 2)
    assert torch.allclose(basis.T @ basis, torch.eye(2), atol=1e-6)
    assert torch.allclose((basis.T @ axes.T).abs(), torch.tensor([[0.0, 0, 1], [1, 0, 0]]), atol=1e-6)
    assert deviations.tolist() == pytest.approx([3 / 3**0.5, 2 / 3**0.5])


@pytest.mark.parametrize(("whiten", "spread"), [(0, None), (1, 1.0)])
def test_whitened_components_are_all_as_large(encoded, whiten, spread):
    inputs = Standardised(6, 3, channels=3, whiten=whiten)
    inputs.fit(*encoded)
    deviations = inputs.seen(encoded[0]).flatten(0, -2).std(0)
    if spread is None:
        assert deviations[0] > 1
    else:
        assert deviations.tolist() == pytest.approx([spread] * 3, abs=1e-3)
