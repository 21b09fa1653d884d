import pytest
import torch
from torch.nn import functional

from training.methods.sspl.pcm import PredictiveCoding


def shapes(coding, grid, *, channels, sound):
    """Sides of the maps that each convolution gives."""
    sides = {}
    for name in ("predict3", "predict2", "predict1", "correct1", "correct2", "correct3"):
        getattr(coding, name).register_forward_hook(
            lambda _module, _inputs, output, name=name: sides.update({name: output.shape[-1]})
        )
    out = coding(torch.randn(2, channels, grid, grid), torch.randn(2, sound))
    assert out.shape == (2, channels, grid, grid)
    return sides


def test_it_has_the_parameters_of_the_paper():
    assert sum(part.numel() for part in PredictiveCoding().parameters()) == 9_859_712


@pytest.mark.parametrize(("grid", "middle", "small"), [(14, 7, 3), (16, 8, 4), (4, 2, 1)])
def test_maps_are_halved_twice_and_grow_back(grid, middle, small):
    coding = PredictiveCoding(4, 3, grid=grid, steps=2)
    assert coding.grids == (small, middle, grid)
    assert shapes(coding, grid, channels=4, sound=3) == {
        "predict3": grid,  # before pooling
        "predict2": middle,
        "predict1": small,
        "correct1": small,
        "correct2": middle,
        "correct3": grid,
    }


def test_without_gains_the_picture_goes_through_nine_rectifiers_and_five_norms():
    """What a layer says of its neighbours then counts for nothing."""
    torch.manual_seed(0)
    coding = PredictiveCoding(4, 3, grid=14, steps=5).eval()
    with torch.no_grad():
        for gain in (*coding.up, *coding.down):
            gain.zero_()
        for norms in coding.norms_up:  # each has scale and offset of its own
            norms[2].weight.uniform_(0.5, 2)
            norms[2].bias.uniform_(-1, 1)
        seen = torch.randn(2, 4, 14, 14)
        expected = functional.gelu(coding.norms_up[0][2](seen))
        for step in range(1, 5):
            expected = functional.gelu(coding.norms_up[step][2](functional.gelu(expected)))
        for heard in (torch.zeros(2, 3), torch.randn(2, 3)):
            assert torch.allclose(coding(seen, heard), coding.out(expected))


def test_with_fresh_gains_the_sound_changes_what_is_seen():
    torch.manual_seed(0)
    coding = PredictiveCoding(4, 3, grid=14, steps=5).eval()
    seen = torch.randn(1, 4, 14, 14)
    assert not torch.allclose(coding(seen, torch.ones(1, 3)), coding(seen, torch.zeros(1, 3)), atol=1e-3)


def test_the_foretold_sound_is_the_mean_over_the_map():
    coding = PredictiveCoding(2, 1, grid=4)
    with torch.no_grad():
        coding.predict1.weight.copy_(torch.tensor([1.0, 2]).reshape(1, 2, 1, 1))
        coding.predict1.bias.fill_(-1)
    r1 = torch.tensor([[[[1.0, 2]], [[0, 1]]]])  # predictions 0 and 3
    expected = functional.gelu(torch.tensor([0.0, 3])).mean()
    assert torch.allclose(coding.foretold(r1), expected.reshape(1, 1))
