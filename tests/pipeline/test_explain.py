from dataclasses import replace

import numpy as np
import pytest

from app.errors import BundleError, InvalidRequest
from app.inference.bundle import Bundle
from app.pipeline.explain import Step, event_index, explain, share_of, vagueness
from app.results.model import Heard


def _steps(loudness, cells, *, presence=1.0) -> list[Step]:
    """One step every half second: how loud, and the cell that is bright and hot; None for a black picture."""
    steps = []
    for index, (loud, cell) in enumerate(zip(loudness, cells, strict=True)):
        tokens, heat = np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.float32)
        if cell is not None:
            tokens[cell] = 1
            heat[cell] = loud
        window = np.array([loud, 1], np.float32)
        steps.append(Step(index / 2 + 0.25, tokens, np.ones((2, 2, 3), np.float32), window, heat, presence))
    return steps


def _explain(bundle, steps, **arguments):
    return explain(bundle, steps, start_s=0.0, end_s=2.0, **arguments)


CLEAR = _steps((0, 1, 0, 1), ((0, 0), (1, 2), (0, 0), (3, 3)))


@pytest.fixture(scope="module")
def clear(tiny_explaining_bundle):
    """The tone is heard at two of four steps, each time with one bright cell."""
    return _explain(tiny_explaining_bundle, CLEAR)


def test_event_and_runners_up_come_by_their_score_without_silence(clear):
    assert clear.event == Heard("Tone", 1.0)
    assert [event.label for event in clear.runners_up] == ["Music", "Thunder"]
    assert [event.score for event in clear.runners_up] == pytest.approx([0.6, 0])
    assert clear.reason is None
    assert clear.counts


def test_when_and_where_are_what_the_graph_says(clear):
    np.testing.assert_allclose(clear.when_audio, [0, 0.5, 0, 0.5], atol=1e-4)
    np.testing.assert_allclose(clear.when_visual, [0, 0.5, 0, 0.5], atol=1e-4)
    assert clear.where[1, 1, 2] == pytest.approx(0.5, abs=1e-4)
    assert clear.where[3, 3, 3] == pytest.approx(0.5, abs=1e-4)
    assert clear.time_s.tolist() == [0.25, 0.75, 1.25, 1.75]
    assert (clear.start_s, clear.end_s) == (0.0, 2.0)


def _sigmoid(logit):
    return 1 / (1 + np.exp(-np.asarray(logit)))


def test_faithfulness_is_as_worked_out_by_hand(clear):
    """The logit is 4 x shown weight of the cells + 8 x heard weight of the steps - 6."""
    found = clear.faithfulness
    assert found.without_picture == pytest.approx(_sigmoid(2), abs=1e-4)
    assert found.without_sound == pytest.approx(_sigmoid(-2), abs=1e-4)
    heard = np.array([0, 0, 0.5, 0.5, 1, 1, 1, 1, 1, 1, 1])  # of four steps the two loud ones come first
    assert found.sound.insertion == pytest.approx(np.trapezoid(_sigmoid(8 * heard - 2), dx=0.1), abs=1e-3)
    heard = np.array([0, 0, 0, 0, 0, 0, 0, 0.5, 0.5, 1, 1])
    assert found.sound.deletion == pytest.approx(np.trapezoid(_sigmoid(8 * heard - 2), dx=0.1), abs=1e-3)
    shown = np.array([0, *[1] * 10])  # of 64 cells the two hot ones come first
    assert found.picture.insertion == pytest.approx(np.trapezoid(_sigmoid(4 * shown + 2), dx=0.1), abs=1e-3)
    shown = np.array([*[0] * 10, 1])
    assert found.picture.deletion == pytest.approx(np.trapezoid(_sigmoid(4 * shown + 2), dx=0.1), abs=1e-3)
    assert found.sound.faithful
    assert found.picture.faithful


def test_share_of_the_sound_is_that_of_its_part_of_the_logit(clear):
    assert clear.sound_share == pytest.approx(8 / 12, abs=1e-4)


@pytest.mark.parametrize(
    ("sound", "sight", "share"), [(2, 1, 2 / 3), (-1, 3, 0), (3, -1, 1), (0, 0, 0.5), (-1, -2, 0.5)]
)
def test_what_speaks_against_the_event_has_no_share(sound, sight, share):
    assert share_of(sound, sight) == pytest.approx(share)


def test_another_sound_moves_the_map_and_changes_the_event(clear):
    """With thunder, heard throughout, all four bright cells are hot, so half of the weight leaves the two."""
    found = clear.counterfactual
    assert (found.sound, found.event) == ("thunder", Heard("Thunder", 1.0))
    assert found.score == pytest.approx(0)
    assert found.moved == pytest.approx(0.5, abs=1e-3)


def test_of_the_other_sounds_the_least_like_the_clip_is_taken(tiny_explaining_bundle):
    """Between tone (0.2) and thunder (0.1) it is thunder, between 0.2 and 0.4 the tone."""
    steps = _steps((0.2, 0.2), ((0, 0), (0, 0)))
    for thunder, other in ((0.1, "thunder"), (0.4, "tone")):
        scored = [replace(step, window=np.array([0.2, 1 + thunder], np.float32)) for step in steps]
        assert _explain(tiny_explaining_bundle, scored).counterfactual.sound == other


def test_no_other_sound_is_tried_when_the_clip_has_them_all(tiny_explaining_bundle):
    loud = [replace(step, window=np.array([1, 2], np.float32)) for step in CLEAR]
    assert _explain(tiny_explaining_bundle, loud).counterfactual is None


def test_a_source_that_is_not_in_sight_is_no_explanation(tiny_explaining_bundle):
    steps = [replace(step, presence=presence) for step, presence in zip(CLEAR, (0, 0.49, 0, 0), strict=True)]
    assert _explain(tiny_explaining_bundle, steps).reason == "off_screen"
    steps[1] = replace(steps[1], presence=0.5)
    assert _explain(tiny_explaining_bundle, steps).reason is None


def test_an_event_below_the_threshold_is_no_explanation(tiny_explaining_bundle):
    found = _explain(tiny_explaining_bundle, _steps((0, 0.49), ((0, 0), (1, 2))))
    assert (found.reason, found.counts) == ("unsure", False)
    assert found.when_audio.sum() == pytest.approx(1)


def test_equal_weights_single_out_no_moment(tiny_explaining_bundle):
    found = _explain(tiny_explaining_bundle, _steps((1, 1, 1, 1), ((1, 2),) * 4))
    assert (found.reason, found.counts) == ("no_moment", True)
    assert found.where[0, 1, 2] == pytest.approx(0.25, abs=1e-4)


def test_a_moment_that_stands_out_in_the_picture_alone_is_enough(tiny_explaining_bundle):
    found = _explain(tiny_explaining_bundle, _steps((1, 1, 1, 1), (None, (1, 2), None, None)))
    assert vagueness(found.when_audio) > 0.99
    assert found.reason is None


def test_an_event_can_be_asked_for(tiny_explaining_bundle):
    found = _explain(tiny_explaining_bundle, CLEAR, target=3)
    assert (found.event, found.reason) == (Heard("Thunder", 0.0), "unsure")
    assert [event.label for event in found.runners_up] == ["Tone", "Music"]
    # The second run is about the same event: its constant is -8.
    assert found.faithfulness.without_picture == pytest.approx(_sigmoid(0), abs=1e-4)


def test_the_same_clip_gives_the_same_figures(tiny_explaining_bundle, clear):
    assert _explain(tiny_explaining_bundle, CLEAR).faithfulness == clear.faithfulness


def test_all_hidden_versions_go_through_the_graph_at_once(tiny_explaining_bundle, monkeypatch):
    asked, targets = [], []
    run = Bundle.explain

    def spy(self, *arrays, versions, target):
        asked.append(versions)
        targets.append(target)
        return run(self, *arrays, versions=versions, target=target)

    monkeypatch.setattr(Bundle, "explain", spy)
    _explain(tiny_explaining_bundle, CLEAR)
    whole, tried, other = asked
    assert targets == [-1, 0, 0]  # what was found to be the best is asked for from then on
    assert whole.cells.all()
    assert whole.steps.all()
    assert other.cells.shape == (1, 4, 4, 4)
    assert tried.cells.shape == (2 * 55 + 3, 4, 4, 4)
    assert tried.steps.shape == (2 * 55 + 3, 4)
    assert tried.steps[:55].all()
    assert tried.cells[55:110].all()
    assert tried.cells[110:].any(axis=(1, 2, 3)).tolist() == [False, True, False]
    assert tried.steps[110:].any(axis=1).tolist() == [True, False, False]
    assert not tried.blurred.any()
    assert not tried.silent.any()
    assert {array.dtype for versions in asked for array in versions} == {np.dtype(np.float32)}


@pytest.mark.parametrize(("weights", "share"), [([1, 0, 0, 0], 0), ([0.5, 0.5, 0, 0], 0.5), ([0.25] * 4, 1)])
def test_vagueness_is_the_entropy_as_a_share_of_that_of_equal_weights(weights, share):
    assert vagueness(np.array(weights, np.float32)) == pytest.approx(share)


def test_a_bundle_that_does_not_explain_is_refused(tiny_bundle):
    with pytest.raises(BundleError, match="describes no explainer"):
        _ = tiny_bundle.explainer


def test_an_event_is_found_by_its_name_in_any_case(tiny_bundle):
    assert [event_index(name, tiny_bundle.manifest) for name in ("Thunder", "thunder", " TONE ")] == [3, 3, 0]


def test_an_unknown_event_names_three_that_are_near(tiny_bundle):
    with pytest.raises(InvalidRequest, match=r"there is no event 'tune'; near it: Tone, \w+, \w+$"):
        event_index("tune", tiny_bundle.manifest)
