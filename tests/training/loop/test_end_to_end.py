import numpy as np
import pytest
import torch
from torch import nn

from app.inference.bundle import SHIPPED_BUNDLES, load_bundle
from app.pipeline.encode import encode_audio
from app.settings import InferenceSettings
from training.encoders.weights import DINOV2, YAMNET
from training.loop.end_to_end import EndToEndEncoders, load_end_to_end


class MeanColour(nn.Module):
    """Tokens: the mean colour of each of 4 x 4 cells, times a weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, pictures):
        return nn.functional.adaptive_avg_pool2d(pictures, 4).permute(0, 2, 3, 1) * self.weight


class Loudness(nn.Module):
    """Scores (loudness, 1 - loudness) and the embedding (loudness, 1), loudness times a weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, windows):
        loud = windows.abs().amax(1) * self.weight
        return torch.stack([loud, 1 - loud], 1), torch.stack([loud, torch.ones_like(loud)], 1)


@pytest.fixture
def moments():
    """Two frames; the first hears windows of loudness 0.5 and 0.2, the second none."""
    frames = torch.zeros(2, 16, 16, 3, dtype=torch.uint8)
    frames[0, :4, 4:8] = 200
    windows = torch.zeros(2, 3, 10)
    windows[0, 0, 3], windows[0, 1, 4] = 0.5, -0.2
    windows[1, 0, 0] = 0.9  # not heard
    heard = torch.tensor([[True, True, False], [False, False, False]])
    return frames, windows, heard


def test_windows_are_pooled_as_the_service_does(moments):
    encoders = EndToEndEncoders(MeanColour(), Loudness(), silence=1)
    tokens, embedding, events = encoders(*moments)
    # "Silence" scores 0.5 and 0.8: the first event counts 0.5 x 0.5 and 0.2 x 0.2, "Silence" itself 0.5 x 0.5
    # and 0.8 x 0.2, and the larger one is kept.
    assert events[0].tolist() == pytest.approx([0.25, 0.25])
    assert embedding[0].tolist() == pytest.approx([0.35, 1.0])
    assert events[1].tolist() == [0, 0]
    assert embedding[1].tolist() == [0, 0]
    assert tokens.shape == (2, 4, 4, 3)
    assert tokens[0, 0, 1].tolist() == [200, 200, 200]
    assert tokens[0].sum() == 600


def test_without_any_sound_in_the_batch(moments):
    frames, windows, heard = moments
    encoders = EndToEndEncoders(MeanColour(), Loudness(), silence=None)
    _, embedding, events = encoders(frames, windows, torch.zeros_like(heard))
    assert not embedding.any()
    assert not events.any()


def test_gradients_reach_both_encoders(moments):
    encoders = EndToEndEncoders(MeanColour().requires_grad_(False).eval(), Loudness(), silence=1)
    assert encoders.tokens.training
    perceived = encoders(*moments)
    (perceived.tokens.sum() + perceived.embedding.sum() + perceived.events.sum()).backward()
    assert encoders.tokens.weight.grad.abs().min() > 0
    assert encoders.audio.weight.grad.abs() > 0


def test_the_published_encoders_take_a_step_and_start_from_what_the_bundle_computes(published):
    published(DINOV2)
    published(YAMNET)
    encoders = load_end_to_end()
    settings = InferenceSettings(device="cpu", threads=1)
    bundle = load_bundle(SHIPPED_BUNDLES / "default", settings)
    rng = np.random.default_rng(0)
    frame = np.kron(rng.integers(0, 256, (1, 7, 7, 3)), np.ones((1, 64, 64, 1))).astype(np.uint8)
    audio = bundle.manifest.audio
    times_s = np.arange(audio.window_samples) / 16_000
    wave = (0.5 * np.sin(2 * np.pi * 440 * times_s)).astype(np.float32)
    inputs = torch.from_numpy(frame), torch.from_numpy(wave)[None, None], torch.ones(1, 1, dtype=torch.bool)
    perceived = encoders(*inputs)
    expected_tokens, _ = bundle.visual(frame)
    events, embedding = encode_audio(bundle, wave, 0.0, np.array([0.5]))
    # The bundle computes tokens with 8-bit products; sound in floats.
    similarity = torch.cosine_similarity(perceived.tokens, torch.from_numpy(expected_tokens), dim=-1)
    assert similarity.mean() > 0.99
    np.testing.assert_allclose(perceived.embedding.detach(), embedding, atol=0.02)
    np.testing.assert_allclose(perceived.events.detach(), events, atol=0.02)

    before = {name: value.detach().clone() for name, value in encoders.named_parameters()}
    optimiser = torch.optim.SGD(encoders.parameters(), lr=1e-3)
    (
        perceived.tokens.square().mean() + perceived.embedding.square().mean() - perceived.events.mean()
    ).backward()
    optimiser.step()
    changed = [name for name, value in encoders.named_parameters() if not torch.equal(value, before[name])]
    assert all(torch.isfinite(value).all() for value in encoders.parameters())
    assert len(changed) > 0.95 * len(before)
