import pytest
import torch

from tests.training.trial.made_world import SIDE, STEPS, clip, untrained
from training.trial.attributions import OWN, one_event, picture_maps, sound_maps
from training.trial.explained import explained

CELLS = SIDE**2
PICTURE = [OWN, "attention rollout", "gradient x input", "Grad-CAM", "occlusion"]


@pytest.fixture(scope="module")
def stan():
    """Of even attention, for which only the first channel speaks for the first event."""
    made = untrained().eval().requires_grad_(False)
    network = made.network
    network.query.weight.zero_()
    network.in_time.zero_()
    network.values.zero_()
    network.values[:, 0, 0] = 1
    network.bias[0] = 9  # it is always the first event that is explained
    return made


@pytest.fixture(scope="module")
def answer(stan):
    """To a clip in which the first channel is strong in one cell of one step, and heard in two steps."""
    scene = clip(0)
    scene.seen.zero_()
    scene.seen[4, 5, 0] = 8
    scene.seen[4, 7, 0] = -8
    scene.told.fill_(-1)
    scene.told[2:4, 0] = torch.tensor([2.0, 3.0])
    return explained(stan, scene)


def test_every_method_gives_a_map_of_the_picture(stan, answer):
    maps = picture_maps(stan, answer)
    assert list(maps) == PICTURE
    for weights in maps.values():
        assert weights.shape == (STEPS, CELLS)
        assert weights.isfinite().all()
        assert not weights.requires_grad


@pytest.mark.parametrize("name", [OWN, "gradient x input"])
def test_the_cell_that_speaks_for_the_event_has_the_most_weight(stan, answer, name):
    weights = picture_maps(stan, answer)[name]
    assert divmod(int(weights.argmax()), CELLS) == (4, 5)
    assert weights[4, 7] < weights[4, 6]


def test_occlusion_hides_patches_of_one_step(stan, answer):
    """Of 3 x 3 cells, 2 apart: what both speaks for and against the event is hidden by two of them."""
    weights = picture_maps(stan, answer)["occlusion"]
    # Rows 0 to 2 and 2 to 3; the columns are the same, and of the third one both patches have a part.
    expected = torch.tensor([[1.0, 1, 0, -1], [1, 1, 0, -1], [0.5, 0.5, 0, -0.5], [0, 0, 0, 0]])
    assert torch.allclose(weights[4], expected.flatten() * 0.5 * 8 / STEPS / CELLS, atol=1e-5)
    assert weights[[3, 5]].abs().max() < 1e-5


def test_gradient_times_input_is_what_a_linear_network_adds(stan, answer):
    """fusion 0.5 of even attention over steps and cells of what two heads say on the average: 8."""
    weights = picture_maps(stan, answer)["gradient x input"]
    expected = 0.5 * 8 / STEPS / CELLS
    assert weights[4, 5].item() == pytest.approx(expected, rel=1e-4)
    assert weights[4, 7].item() == pytest.approx(-expected, rel=1e-4)
    assert weights.abs().sum().item() == pytest.approx(2 * expected, rel=1e-4)


def test_grad_cam_shows_what_speaks_for_the_event_only(stan, answer):
    weights = picture_maps(stan, answer)["Grad-CAM"]
    assert int(weights.argmax()) == 4 * CELLS + 5
    assert weights.min() == 0
    assert int((weights > 0).sum()) == 1


def test_rollout_is_attention_in_time_times_attention_in_space(stan, answer):
    weights = picture_maps(stan, answer)["attention rollout"]
    assert torch.allclose(weights, torch.full_like(weights, 1 / STEPS / CELLS))


def test_sounds_weigh_by_what_hiding_their_step_takes_away(stan, answer):
    maps = sound_maps(stan, answer)
    assert list(maps) == [OWN, "gradient x input", "occlusion"]
    usual = stan.network.usual_told[0]
    # A hidden step tells what is usual; fusion is 0.5, and attention even.
    falls = 0.5 * (answer.clips.told[0, :, 0] - usual) / STEPS
    assert torch.allclose(maps["occlusion"], falls, atol=1e-5)
    assert torch.allclose(maps["gradient x input"], falls, atol=1e-5)
    assert torch.allclose(maps[OWN], torch.full((STEPS,), 1 / STEPS))


@pytest.mark.parametrize("baseline", [0.0, 1.0])
def test_one_event_shows_what_it_is_not_asked_to_hide(stan, answer, baseline):
    event = torch.tensor(0)
    whole = answer.recognised.logits[0, 0]
    cells, steps = torch.ones(2, STEPS, CELLS), torch.ones(2, STEPS)
    cells[1, 4, 5] = steps[1, 3] = 0
    for given in ({"cells": cells}, {"steps": steps}):
        shown, hidden = one_event(stan, answer.clips, event, baseline=baseline, **given)
        assert shown.item() == pytest.approx(whole.item(), abs=1e-5)
        assert hidden < shown - 1e-3
    told = stan.network.silence_told if baseline else stan.network.usual_told
    fall = 0.5 * (3.0 - told[0].item()) / STEPS
    assert (shown - hidden).item() == pytest.approx(fall, abs=1e-4)
