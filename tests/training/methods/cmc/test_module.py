import math

import pytest
import torch
from torch import nn

from tests.training.methods.made_scenes import KINDS, WIDTHS
from training.checkpoints import load_localizer
from training.methods.cmc import module as room
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.language import Language
from training.methods.cmc.module import Cmc, view_similarity
from training.methods.running import prepare, train


def test_a_fixed_frame_has_nothing_to_learn():
    def learned(**config):
        return {name.split(".")[0] for name, _ in Cmc(CmcConfig(**config), WIDTHS).named_parameters()}

    assert learned(frame="fixed") == {"sound"}
    assert learned(frame="learned") == {"sound", "dense"}


def test_motion_cannot_be_had_from_raw_frames():
    with pytest.raises(ValueError, match="motion needs encoded frames"):
        Cmc(CmcConfig(views=("audio", "frame", "motion")), WIDTHS, encoders=nn.Identity())


def test_the_sound_decides_what_is_found_and_can_be_learned(request_of):
    """Of 16 cells one is right, and another one stands out as much."""
    own = train(request_of(epochs=10, out="own")).score
    shuffled = train(request_of(epochs=10, out="shuffled", shuffled=True)).score
    assert own > 0.4
    assert shuffled < 0.25


@pytest.fixture
def batch_and_module(request_of):
    """A batch of 16 scenes, two moments each, and the module; its loss is all that is asked of it."""

    def make(**config):
        prepared = prepare(request_of(views=("audio", "frame", "motion", "crop"), **config))
        prepared.module.log = lambda *_, **__: None
        return prepared.data.train.__getitems__(list(range(32))), prepared.module

    return make


@pytest.mark.parametrize(("objective", "trained"), [("pairwise", 1), ("core", 3), ("full", 3)])
def test_each_objective_trains_the_views_that_it_contrasts(batch_and_module, objective, trained):
    batch, module = batch_and_module(objective=objective, frame="learned")
    module.training_step(batch, 0).backward()
    reached = [name for name, part in module.dense.items() if part.weight.grad is not None]
    assert reached == ["frame", "motion", "crop"][:trained]


def test_motion_leaves_out_moments_without_a_later_frame(batch_and_module):
    batch, module = batch_and_module(objective="full", frame="learned")
    still = {**batch, "moves": torch.zeros(32, dtype=torch.bool)}
    loss = module.training_step(still, 0)
    loss.backward()
    assert loss.isfinite()
    assert not module.dense["motion"].weight.grad.any()
    spoilt = torch.where(batch["moves"][:, None, None, None], batch["later"], torch.nan)
    assert module.training_step({**batch, "later": spoilt}, 0).isfinite()


def test_moments_of_one_clip_are_no_negatives(batch_and_module):
    """With all moments from one clip nothing is left to tell apart."""
    batch, module = batch_and_module(objective="core")
    assert module.training_step({**batch, "example": torch.zeros(32)}, 0).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("guidance", ["elg", "plg", "shuffled-elg", "shuffled"])
def test_guidance_cannot_be_had_from_raw_sounds(guidance):
    with pytest.raises(ValueError, match="guidance needs encoded sounds"):
        Cmc(CmcConfig(guidance=guidance), WIDTHS, encoders=nn.Identity())


def kinds_in_pairs():
    """Language in which of the events 0 and 1, 2 and 3, 4 and 5 mean the same, and the others nothing."""
    pair = torch.arange(KINDS + 1) // 2
    return Language((pair[:, None] == pair).float())


def test_no_guidance_leaves_the_loss_as_it_was(batch_and_module, monkeypatch):
    monkeypatch.setattr(room, "event_language", lambda **_: kinds_in_pairs())

    def loss(**config):
        torch.manual_seed(5)
        batch, module = batch_and_module(**config)
        module.learn_about((), seed=5)
        torch.manual_seed(5)
        return module.training_step(batch, 0).item()

    plain = loss()
    assert loss(guidance="none", guidance_weight=100.0) == plain
    assert loss(guidance="plg", guidance_weight=0.0) == plain
    guided = [loss(guidance="plg", guidance_weight=weight) - plain for weight in (1.0, 2.0)]
    assert guided[0] > 0.001
    assert guided[1] == pytest.approx(2 * guided[0], rel=1e-3)


def test_guidance_brings_sounds_to_frames_of_things_with_like_names(batch_and_module):
    config = {"guidance": "plg", "guidance_temperature": 0.2, "guidance_shift": 0.0, "frame": "learned"}
    batch, module = batch_and_module(**config)
    module.language = Language(kinds_in_pairs().similarity, torch.arange(96) % KINDS)
    kind = batch["example"] % KINDS
    like = (kind[:, None] // 2 == kind // 2) & (kind[:, None] != kind)
    unlike = kind[:, None] // 2 != kind // 2

    def measured():
        views = module._views(batch)
        scores = view_similarity(views["audio"], views["frame"], cells=module.config.cells)
        return scores[like].mean() - scores[unlike].mean(), module._guided(batch, views)

    before, first = measured()
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    for _ in range(20):
        optimizer.zero_grad()
        measured()[1].backward()
        optimizer.step()
    after, last = measured()
    assert after - before > 0.2
    assert last < first


def test_the_divergence_from_both_sides_worked_by_hand(monkeypatch):
    """Three moments, of which the first two are the same: 1.5 in both; other words get 0.5 more."""
    scores = torch.tensor([[0.9, 0.8, 0.2], [0.7, 0.9, -0.4], [0.1, 0.3, 0.9]])
    monkeypatch.setattr(room, "view_similarity", lambda *_, **__: scores)
    config = CmcConfig(guidance="elg", guidance_shift=0.5, guidance_temperature=0.25)
    module = Cmc(config, WIDTHS)
    module.language = Language(torch.tensor([[1, 0.6], [0.6, 1]]), torch.tensor([0, 0, 1]))
    guided = module._guided(
        {"example": torch.arange(3)}, {"audio": torch.zeros(3, 2), "frame": torch.zeros(3, 4, 2)}
    )

    def divergence(seen, said):
        p, q = ([math.exp(value / 0.25) for value in row] for row in (seen, said))
        p, q = ([value / sum(row) for value in row] for row in (p, q))
        return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))

    said = [[1.5, 1.5, 1.1], [1.5, 1.5, 1.1], [1.1, 1.1, 1.5]]
    sounds = [[1.5, 1.5, 0.2], [1.5, 1.5, -0.4], [0.1, 0.3, 1.5]]
    frames = [[1.5, 1.5, 0.1], [1.5, 1.5, 0.3], [0.2, -0.4, 1.5]]
    rows = [divergence(*pair) for side in (sounds, frames) for pair in zip(side, said, strict=True)]
    assert guided.item() == pytest.approx(0.25**2 * sum(rows) / 3)


def test_moments_without_a_name_are_not_guided(batch_and_module):
    batch, module = batch_and_module(guidance="elg")
    module.language = Language(torch.eye(2), torch.full((96,), -1))
    assert module._guided(batch, module._views(batch)).item() == 0


@pytest.mark.parametrize(("guidance", "exchange"), [("elg", None), ("shuffled-elg", 3)])
def test_labels_of_the_training_examples_guide_and_are_not_kept(request_of, monkeypatch, guidance, exchange):
    given = []

    def made(labels, **options):
        assert options == {"exchange": exchange}
        given.extend(labels)
        return Language(torch.eye(len(labels)), torch.arange(len(labels)))

    monkeypatch.setattr(room, "label_language", made)
    monkeypatch.setattr(room, "event_language", None)  # is not asked
    fitted = train(request_of(guidance=guidance, seed=3))
    assert given == [(f"kind {number % 6}",) for number in range(96)]
    assert load_localizer(fitted.best).language is None


def test_the_control_exchanges_names_by_the_seed_of_the_run(request_of, monkeypatch):
    asked = []
    monkeypatch.setattr(room, "event_language", lambda *, exchange: asked.append(exchange))
    for guidance, seed in (("plg", 3), ("shuffled", 3), ("shuffled", 4)):
        prepare(request_of(guidance=guidance, seed=seed))
    assert asked == [None, 3, 4]
