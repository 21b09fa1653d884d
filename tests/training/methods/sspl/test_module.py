from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tests.training.methods.made_scenes import WIDTHS
from training.methods.running import train
from training.methods.sspl.config import SsplConfig
from training.methods.sspl.module import Sspl, apart_from_others, chosen_views, disagreement, projector


@pytest.fixture
def module():
    def make(**changes):
        torch.manual_seed(0)
        sizes = {"channels": 16, "hidden": 16, "projected": 16, "bottleneck": 8}
        made = Sspl(SsplConfig(**{**sizes, **changes}), WIDTHS)
        made.log = lambda *_, **__: None
        return made

    return make


def at_step(made, step, *, of=10):
    made._trainer = SimpleNamespace(global_step=step, estimated_stepping_batches=of)
    return made


def test_attention_is_the_cosine_with_what_differs_from_the_centre(module):
    made = module(channels=8)
    made.centre.zero_()[0] = 1
    features = torch.zeros(1, 8, 2, 2)
    features[0, :2] = torch.tensor([[[4.0, 1], [-1, 5]], [[0, 1], [0, 3]]])
    sound = torch.zeros(1, 8)
    sound[0, 0] = 2
    assert torch.allclose(made.attention(features, sound), torch.tensor([[[1, 0], [-1, 0.8]]]))


def test_what_is_foretold_is_the_difference_from_others_of_the_same_data_set():
    parts = torch.tensor([[1.0, 0], [3, 4], [10, 10]])
    told = apart_from_others(parts, torch.tensor([0, 0, 1]))
    assert told.tolist() == [[-1, -2], [1, 2], [0, 0]]


def test_after_the_warm_up_only_what_fits_the_sound_is_foretold(module):
    made = module(warm_up=0.5, sharpness=1)
    view, features = torch.randn(2, 4, 4, 16), torch.randn(2, 16, 4, 4)
    weight = torch.zeros(2, 4, 4)
    weight[:, 1, 2] = 1
    early = at_step(made, 4)._attended_part(view, features, weight)
    late = at_step(made, 5)._attended_part(view, features, weight)
    assert torch.allclose(late, features[:, :, 1, 2], atol=1e-4)
    assert not torch.allclose(early, late, atol=0.1)


def test_disagreement_is_minus_the_cosine_and_the_target_stands_still():
    predicted = torch.tensor([[1.0, 0], [3, 4]], requires_grad=True)
    target = torch.tensor([[0.0, 5], [1, 0]], requires_grad=True)
    loss = disagreement(predicted, target)
    assert loss.item() == pytest.approx(-(0 + 0.6) / 2)
    loss.backward()
    assert predicted.grad.any()
    assert target.grad is None


def test_two_views_differ_unless_there_is_one():
    seen = torch.arange(3.0).reshape(1, 3, 1, 1, 1).expand(200, 3, 1, 1, 1)
    first, second = (part.flatten().tolist() for part in chosen_views(seen))
    assert all(a != b for a, b in zip(first, second, strict=True))
    assert set(first) == set(second) == {0, 1, 2}
    assert torch.equal(*chosen_views(seen[:, :1]))


def test_layout_of_projector_and_predictor(module):
    def layout(part):
        return [type(layer).__name__ for layer in part]

    layers = projector(5, 7)
    block = ["Linear", "BatchNorm1d", "ReLU"]
    assert layout(layers) == [*block, *block, "Linear", "BatchNorm1d"]
    assert [layer.affine for layer in layers if isinstance(layer, nn.BatchNorm1d)] == [True, True, False]
    assert all(layer.bias is None for layer in layers if isinstance(layer, nn.Linear))
    predictor = module().predictor
    assert layout(predictor) == [*block, "Linear"]
    assert [predictor[0].out_features, predictor[3].out_features] == [8, 16]
    assert predictor[3].bias is not None


@pytest.mark.parametrize("sound_weight", [0.0, 0.5])
def test_the_loss_is_that_of_the_paper_and_the_added_term_with_its_weight(module, sound_weight):
    made = at_step(module(sound_weight=sound_weight, dropout=0, standardise=False), 0)
    plain, embedding = torch.randn(8, 4, 4, 16), torch.rand(8, 24)
    source = torch.zeros(8, dtype=torch.long)
    part = made._attended_part(plain, plain.movedim(-1, 1), torch.ones(8, 4, 4))
    # One view stands for both, so that chance has no part: p1 = p2 and z1 = z2.
    loss = made.training_step({"seen": plain[:, None], "embedding": embedding, "source": source}, 0)
    assert made.centre.any() == (sound_weight > 0)
    features, sound = plain.movedim(-1, 1), made.sound(embedding)
    cosine = torch.cosine_similarity(features, sound[:, :, None, None], dim=1)
    low, high = cosine.amin((1, 2), keepdim=True), cosine.amax((1, 2), keepdim=True)
    pooled = (features * ((cosine - low) / (high - low))[:, None]).sum((2, 3))
    z = made.projector(pooled)
    views = -torch.cosine_similarity(made.predictor(z), z, dim=1).mean()
    added = (sound - (part - part.mean(0))).square().mean()
    assert loss.item() == pytest.approx((views + sound_weight * added).item(), abs=1e-4)


def test_rates_and_decay_of_each_part(module):
    made = module(pcm=True, rate=1e-4, rate_head=3e-3, weight_decay=0.01)
    groups = {}
    names = {id(part): name for name, part in made.named_parameters()}
    for group in made.configure_optimizers().param_groups:
        for part in group["params"]:
            groups[names.pop(id(part))] = group["lr"], group["weight_decay"]
    assert not names  # each parameter has its place, and one only
    for name, settings in groups.items():
        if name.startswith(("projector.", "predictor.")):
            assert settings == (3e-3, 0.01), name
        elif name.startswith(("coding.up.", "coding.down.")):
            assert settings == (1e-4, 0), name
        else:
            assert settings == (1e-4, 0.01), name
    assert sum(settings[1] == 0 for settings in groups.values()) == 6


@pytest.mark.parametrize("pcm", [False, True])
def test_it_is_trained_to_maps_of_cosines(request_of, pcm):
    request = request_of("sspl", pcm=pcm, steps=2)
    fitted = train(request)
    assert fitted.best is not None
    assert 0 <= fitted.score <= 1
    made = Sspl(request.config, WIDTHS).eval()
    cosine = made.similarity(torch.randn(2, 4, 4, 16), torch.rand(2, 24))
    assert cosine.shape == (2, 4, 4)
    assert cosine.abs().max() <= 1


def test_as_a_residual_the_module_changes_nothing_at_first_and_else_everything(module):
    seen, embedding = torch.randn(2, 4, 4, 16), torch.rand(2, 24)
    plain = module().eval().visual(seen, embedding)
    assert torch.equal(module(pcm=True, steps=2).eval().visual(seen, embedding), plain)
    replaced = module(pcm=True, steps=2, residual=False).eval().visual(seen, embedding)
    assert not torch.allclose(replaced, plain, atol=0.1)
