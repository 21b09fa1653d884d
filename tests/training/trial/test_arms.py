import pytest
import torch

from tests.training.methods.made_scenes import GRID, save_untrained, scene, write_scenes
from training.cache.reading import open_cache
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.localiser import Widths
from training.methods.saliency import saliency
from training.trial.arms import learned_arms
from training.trial.gallery import gallery_of


@pytest.fixture
def gallery(tmp_path):
    made = [scene(number, kinds=3, width=16) for number in range(9)]
    return gallery_of(open_cache(write_scenes(tmp_path / "test", made)), "test")


@pytest.fixture
def knowing():
    """CMC that was told which axis of the tokens belongs to which sound."""
    module = Cmc(CmcConfig(width=16, hidden=12), Widths(token=16, sound=12, grid=GRID))
    first, last = module.sound[1], module.sound[4]
    with torch.no_grad():
        for layer, weight in ((first, torch.eye(12)), (last, torch.eye(16, 3).repeat(1, 4))):
            layer.weight.copy_(weight)
            layer.bias.zero_()
    return module.eval()


def test_the_right_sound_points_right_and_another_one_does_not(gallery, knowing, tmp_path):
    path = save_untrained(knowing, tmp_path / "best.ckpt")
    arms = {arm.name: arm.pointing() for arm in learned_arms(gallery, [path, path], [path], [knowing])}
    assert arms.pop("trained, another's sound").tolist() == [[0] * 9] * 2
    assert {name: hits.tolist() for name, hits in arms.items()} == {
        "trained": [[1] * 9] * 2,
        "trained on shuffled audio": [[1] * 9],
        "untrained": [[1] * 9],
    }


def test_saliency_finds_the_odd_patch_whatever_is_heard():
    torch.manual_seed(0)
    tokens = torch.randn(1, 1, 1, 8) + 0.01 * torch.randn(2, 5, 5, 8)
    tokens[0, 2, 3] = torch.randn(8)
    tokens[1, 1, 1] = torch.randn(8)
    maps = saliency(tokens)
    assert maps.flatten(1).argmax(1).tolist() == [2 * 5 + 3, 1 * 5 + 1]
    assert maps.amin((1, 2)).tolist() == [0, 0]
    assert maps.amax((1, 2)).tolist() == pytest.approx([1, 1], abs=1e-4)
