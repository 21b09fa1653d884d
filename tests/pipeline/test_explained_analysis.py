"""Explanations in the course of an analysis."""

import numpy as np
import pytest

from app.errors import InvalidRequest
from app.pipeline.analyze import analyze
from app.pipeline.options import AnalyzeOptions
from app.results.model import Explanation, FrameResults, Result
from tests.tiny_bundle import write_tiny_bundle


def _analyze(path, bundle, settings, *, tasks=("explain",), target=None, **arguments) -> Result:
    options = AnalyzeOptions(fps=10, tasks=tasks, target=target)
    return analyze(path, bundle=bundle, settings=settings, options=options, **arguments)


def _with_inference(settings, **changes):
    return settings.model_copy(update={"inference": settings.inference.model_copy(update=changes)})


@pytest.fixture(scope="module")
def result(sounding_square, tiny_explaining_bundle, tiny_settings) -> Result:
    return _analyze(sounding_square, tiny_explaining_bundle, tiny_settings)


def test_each_stretch_has_its_explanation(result):
    """The tone sounds from 0.5 s to 1.5 s and from 2.5 s to 3.0 s, the square moves at 2 s."""
    first, second = result.explanations
    assert [(each.start_s, each.end_s) for each in (first, second)] == [
        (0, 2),
        (2, pytest.approx(4, abs=0.1)),
    ]
    np.testing.assert_allclose(first.time_s, [0.2, 0.7, 1.2, 1.7], atol=1e-3)
    np.testing.assert_allclose(first.when_audio, [0, 0.5, 0.5, 0], atol=0.01)
    np.testing.assert_allclose(second.when_audio, [0, 1, 0, 0], atol=0.01)
    assert first.where.sum(axis=0).argmax() == 1 * 4 + 2
    assert second.where.sum(axis=0).argmax() == 2 * 4 + 0
    assert [each.event.label for each in (first, second)] == ["Tone", "Tone"]
    assert [each.reason for each in (first, second)] == [None, None]


@pytest.mark.parametrize(("chunk_frames", "batch_frames"), [(3, 4), (1, 1), (64, 64)])
def test_the_cut_into_chunks_does_not_change_the_explanations(
    sounding_square, tiny_explaining_bundle, tiny_settings, result, chunk_frames, batch_frames
):
    settings = _with_inference(tiny_settings, chunk_frames=chunk_frames, batch_frames=batch_frames)
    other = _analyze(sounding_square, tiny_explaining_bundle, settings)
    for ours, theirs in zip(other.explanations, result.explanations, strict=True):
        for name in ("time_s", "when_audio", "when_visual", "where"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-5)
        assert (ours.event.label, ours.reason) == (theirs.event.label, theirs.reason)
        assert ours.faithfulness.sound.insertion == pytest.approx(
            theirs.faithfulness.sound.insertion, abs=1e-4
        )


def test_an_explanation_is_told_after_its_frames_and_before_the_end(
    sounding_square, tiny_explaining_bundle, tiny_settings
):
    told: list[FrameResults | Explanation] = []
    result = _analyze(
        sounding_square,
        tiny_explaining_bundle,
        _with_inference(tiny_settings, chunk_frames=8, batch_frames=8),
        on_frames=told.append,
        on_explanation=told.append,
    )
    kinds = [type(each).__name__ for each in told]
    # The second stretch begins in the third batch of 0.8 s.
    assert kinds == ["FrameResults"] * 3 + ["Explanation"] + ["FrameResults"] * 2 + ["Explanation"]
    assert [each for each in told if isinstance(each, Explanation)] == list(result.explanations)


def test_explaining_leaves_the_rest_as_it_is(sounding_square, tiny_explaining_bundle, tiny_settings, result):
    plain = _analyze(sounding_square, tiny_explaining_bundle, tiny_settings, tasks=("localize",))
    np.testing.assert_array_equal(plain.frames.heatmap, result.frames.heatmap)
    assert plain.explanations is None
    assert result.frames.detections is None


def test_an_event_can_be_asked_for(sounding_square, tiny_explaining_bundle, tiny_settings):
    result = _analyze(sounding_square, tiny_explaining_bundle, tiny_settings, target="thunder")
    assert [(each.event.label, each.reason) for each in result.explanations] == [("Thunder", "unsure")] * 2


def test_an_unknown_event_is_refused_before_anything_is_decoded(
    tiny_explaining_bundle, tiny_settings, tmp_path
):
    with pytest.raises(InvalidRequest, match="there is no event 'horn'; near it: "):
        _analyze(tmp_path / "none.mp4", tiny_explaining_bundle, tiny_settings, target="horn")


def test_a_target_that_nobody_explains_is_refused(sounding_square, tiny_explaining_bundle, tiny_settings):
    with pytest.raises(InvalidRequest, match="a target needs the task explain"):
        _analyze(sounding_square, tiny_explaining_bundle, tiny_settings, tasks=("localize",), target="Tone")


def test_a_clip_without_sound_has_no_explanation(silent_square, tiny_explaining_bundle, tiny_settings):
    result = _analyze(silent_square, tiny_explaining_bundle, tiny_settings)
    assert result.explanations == ()
    assert [notice.code for notice in result.notices] == ["no_audio"]


def test_a_bundle_may_detect_and_explain(sounding_square, tiny_settings, tmp_path):
    from app.inference.bundle import load_bundle

    bundle = load_bundle(
        write_tiny_bundle(tmp_path, name="both", detects=True, explains=True), tiny_settings.inference
    )
    result = _analyze(sounding_square, bundle, tiny_settings, tasks=bundle.manifest.tasks)
    assert len(result.explanations) == 2
    assert result.frames.detections[10]
