import pytest
import torch
from torch import nn

from tests.training.methods.made_scenes import WIDTHS
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
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
