import pytest
import torch

from tests.training.methods.made_scenes import GRID, WIDTHS, scene, write_scenes
from training.loop.method import Method
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.localiser import AudioVisualLocaliser, Widths
from training.methods.running import prepare
from training.methods.views import FrameViews


class Product(AudioVisualLocaliser):
    """Its map is the product of tokens and embedding: nothing is learned."""

    method = "product"

    def similarity(self, seen, embedding):
        return (seen * embedding[:, None, None].float()).sum(-1)


@pytest.fixture
def product():
    """For tokens and embeddings of four channels, with the scores that it logs."""
    module = Product(CmcConfig(), Widths(token=4, sound=4, grid=2), channels=4, scaled=False)
    scores = []
    module.log_score = lambda score, *, count: scores.append((score, count))
    return module, scores


def validate(module, batch):
    module.validation_step(batch, 0)
    module.on_validation_epoch_end()


def test_heat_is_a_probability_and_dark_without_events():
    torch.manual_seed(0)
    module = Cmc(CmcConfig(), WIDTHS).eval()
    tokens, embedding = torch.randn(3, GRID, GRID, 32), torch.rand(3, 24)
    events = torch.tensor([[0.9, 0], [0.05, 0.02], [0, 0]])
    heat, presence = module(tokens, embedding, events)
    loud, _ = module(tokens, embedding, torch.ones(3, 2))
    assert heat.shape == (3, GRID, GRID)
    assert 0 < heat[0].min() < heat[0].max() < 1
    assert torch.equal(heat[0], loud[0])
    assert torch.allclose(heat[1], loud[1] / 2)  # half of what counts as audible
    assert not heat[2].any()
    assert torch.equal(presence, heat.amax((1, 2)))


def test_the_scaling_makes_the_heat():
    module = Product(CmcConfig(), Widths(1, 1, 2), channels=1, scaled=False)
    module.slope.fill_(2), module.contrast.fill_(3), module.offset.fill_(-1)
    cosine = torch.tensor([[0.1, 0.5], [0.2, 0.3]])
    heat, _ = module(cosine[None, :, :, None], torch.ones(1, 1), torch.ones(1, 1))
    assert torch.allclose(heat[0], torch.sigmoid(2 * cosine + 3 * (cosine - 0.5) - 1))


def test_a_validation_scores_and_calibrates(product):
    module, scores = product
    own = torch.eye(4)
    seen = 0.1 * torch.ones(4, 1, 2, 2, 4)
    seen[range(4), 0, 1, 1] += own  # what is heard stands in the last cell, of moment 3 another thing
    seen[3, 0, 1, 1], seen[3, 0, 0, 0] = 0.1, 1.1 * own[3]
    cover = torch.zeros(4, 2, 2)
    cover[:, 1, 1] = 1
    judged = torch.ones(4, dtype=torch.bool)
    validate(module, {"seen": seen, "embedding": own, "cover": cover, "judged": judged})
    assert scores == [(0.75, 4)]
    assert module.slope + module.contrast > 0


def test_unjudged_moments_are_compared_with_the_sound_of_another_clip(product):
    """Frames of a clip follow each other and sound alike: the sound of the next one is no wrong sound."""
    module, scores = product
    clips = torch.eye(4).repeat_interleave(4, 0)  # four frames of each of four clips
    seen = clips[:, None, None, None].expand(16, 1, 2, 2, 4)
    cover, judged = torch.zeros(16, 2, 2), torch.zeros(16, dtype=torch.bool)
    validate(module, {"seen": seen, "embedding": clips, "cover": cover, "judged": judged})
    assert scores == [(1.0, 16)]
    assert module.contrast == 0
    presence = [module(seen[:1, 0], clips[row : row + 1], torch.ones(1, 1))[1].item() for row in (0, 4)]
    assert presence[0] > 0.5 > presence[1]


def test_calibrating_an_untrained_module_changes_its_scaling_only(request_of, tmp_path):
    cache = write_scenes(
        tmp_path / "cache", [scene(n, split="val" if n < 8 else "train", judged=n < 8) for n in range(24)]
    )
    prepared = prepare(request_of(cache=cache))
    module = prepared.module
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module.calibrate([prepared.data.val.__getitems__(list(range(16)))])
    changed = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"slope", "contrast", "offset"}


def test_a_localiser_is_a_method_with_plain_settings():
    module = Cmc(CmcConfig(), WIDTHS)
    assert isinstance(module, Method)
    assert (module.hparams["widths"], module.hparams["encoders"]) == ([32, 24, 4], None)


def test_frames_become_two_views_drawn_anew():
    torch.manual_seed(0)
    frames = torch.randint(0, 256, (3, 16, 16, 3), dtype=torch.uint8)
    views = FrameViews()(frames)
    assert (views.shape, views.dtype) == ((3, 2, 16, 16, 3), torch.uint8)
    assert not torch.equal(views[:, 0], views[:, 1])
    assert not torch.equal(FrameViews()(frames), views)
    plain = torch.full((1, 16, 16, 3), 77, dtype=torch.uint8)
    assert (FrameViews()(plain) == 77).all()
