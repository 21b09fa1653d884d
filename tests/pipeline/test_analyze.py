import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from app.errors import Canceled, InvalidRequest, MediaError
from app.inference.bundle import Bundle
from app.inference.manifest import Task
from app.media.encode import ClipWriter, YuvConverter
from app.pipeline.analyze import analyze
from app.pipeline.options import AnalyzeOptions, Progress
from app.results.model import FrameResults, Result


def _analyze(
    path: Path,
    bundle,
    settings,
    *,
    fps: float | None = 10,
    tasks: tuple[Task, ...] = ("localize",),
    **arguments,
) -> Result:
    options = AnalyzeOptions(fps=fps, tasks=tasks)
    return analyze(path, bundle=bundle, settings=settings, options=options, **arguments)


def _with_inference(settings, **changes):
    return settings.model_copy(update={"inference": settings.inference.model_copy(update=changes)})


@pytest.fixture(scope="module")
def result(sounding_square, tiny_bundle, tiny_settings) -> Result:
    return _analyze(sounding_square, tiny_bundle, tiny_settings)


def _at(result: Result, time_s: float) -> int:
    return int(np.argmin(np.abs(result.frames.time_s - time_s)))


def test_the_cell_that_sounds_lights_up_and_follows_the_source(result):
    for time_s, cell in ((1.0, (1, 2)), (2.75, (2, 0))):
        heatmap = result.frames.heatmap[_at(result, time_s)]
        lit = np.zeros((4, 4), bool)
        lit[cell] = True
        assert heatmap[lit].min() > 0.9
        assert heatmap[~lit].max() < 0.1
        assert result.frames.presence[_at(result, time_s)] > 0.9


def test_silence_is_dark_although_the_source_is_in_view(result):
    # The context of the bundle is 0.4 s, and its windows are 0.2 s long.
    for time_s in (0.1, 2.0, 3.5):
        row = _at(result, time_s)
        assert result.frames.heatmap[row].max() < 0.01
        assert result.frames.presence[row] < 0.01
        assert result.frames.heard[row] == ()


def test_what_is_heard_has_names_and_scores(result):
    names = result.frames.heard[_at(result, 1.0)]
    assert [event.label for event in names] == ["Tone", "Music"]
    assert names[0].score == pytest.approx(1.0, abs=0.02)
    assert names[1].score == pytest.approx(0.6, abs=0.02)


def test_times_and_indices_are_those_of_the_frames(result):
    assert len(result.frames) == 40
    np.testing.assert_allclose(result.frames.time_s, np.arange(40) / 10, atol=1e-3)
    np.testing.assert_array_equal(result.frames.frame, np.arange(40))


def test_the_result_says_what_made_it(result, tiny_bundle):
    assert result.model is tiny_bundle.info
    assert result.sampling_fps == 10
    assert (result.thresholds.heatmap, result.thresholds.presence) == (0.5, 0.5)
    assert result.source.has_audio
    assert result.notices == ()


def test_the_envelope_follows_the_sound(result):
    sound = result.sound
    times_s = sound.start_s + np.arange(len(sound.peak)) / sound.rate_hz
    loud = sound.peak[(times_s > 0.55) & (times_s < 1.45)]
    quiet = sound.peak[(times_s > 1.6) & (times_s < 2.4)]
    assert loud.min() > 0.5
    assert loud.max() < 0.7
    assert quiet.max() < 0.02
    assert times_s[-1] == pytest.approx(4.0, abs=0.1)


def test_the_rate_comes_from_the_options_then_the_settings_then_the_bundle(
    sounding_square, tiny_bundle, tiny_settings
):
    asked = _analyze(sounding_square, tiny_bundle, _with_inference(tiny_settings, fps=5.0), fps=2)
    from_settings = _analyze(sounding_square, tiny_bundle, _with_inference(tiny_settings, fps=5.0), fps=None)
    from_bundle = _analyze(sounding_square, tiny_bundle, tiny_settings, fps=None)
    assert [run.sampling_fps for run in (asked, from_settings, from_bundle)] == [2, 5, 4]
    assert [len(run.frames) for run in (asked, from_settings, from_bundle)] == [8, 20, 16]


@pytest.mark.parametrize(("chunk_frames", "batch_frames"), [(3, 4), (1, 1), (16, 16)])
def test_the_cut_into_chunks_does_not_change_the_result(
    sounding_square, tiny_bundle, tiny_settings, result, chunk_frames, batch_frames
):
    settings = _with_inference(tiny_settings, chunk_frames=chunk_frames, batch_frames=batch_frames)
    other = _analyze(sounding_square, tiny_bundle, settings)
    for name in ("time_s", "frame", "heatmap", "presence"):
        np.testing.assert_allclose(getattr(other.frames, name), getattr(result.frames, name), atol=1e-5)
    assert [[event.label for event in names] for names in other.frames.heard] == [
        [event.label for event in names] for names in result.frames.heard
    ]
    np.testing.assert_array_equal(other.sound.peak, result.sound.peak)


def test_low_rates_lose_no_sound_between_frames(sounding_square, tiny_bundle, tiny_settings, result):
    settings = _with_inference(tiny_settings, chunk_frames=1)
    sparse = _analyze(sounding_square, tiny_bundle, settings, fps=0.5)
    assert len(sparse.frames) == 2
    shared = min(len(sparse.sound.peak), len(result.sound.peak), 140)
    np.testing.assert_array_equal(sparse.sound.peak[:shared], result.sound.peak[:shared])


def test_frames_are_handed_out_in_order_while_the_analysis_runs(sounding_square, tiny_bundle, tiny_settings):
    parts: list[FrameResults] = []
    steps: list[Progress] = []
    result = _analyze(
        sounding_square, tiny_bundle, tiny_settings, on_frames=parts.append, progress=steps.append
    )
    np.testing.assert_array_equal(np.concatenate([part.time_s for part in parts]), result.frames.time_s)
    np.testing.assert_array_equal(np.concatenate([part.heatmap for part in parts]), result.frames.heatmap)
    assert max(len(part) for part in parts) <= tiny_settings.inference.batch_frames
    assert [step.frames_done for step in steps] == list(np.cumsum([len(part) for part in parts]))
    assert steps[-1].time_s == result.frames.time_s[-1]
    assert steps[-1].duration_s == pytest.approx(4.0, abs=0.1)


def test_the_source_is_told_before_any_frame(sounding_square, tiny_bundle, tiny_settings):
    told: list[object] = []
    result = _analyze(
        sounding_square, tiny_bundle, tiny_settings, on_source=told.append, on_frames=told.append
    )
    assert told[0] is result.source
    assert isinstance(told[1], FrameResults)


def test_without_sound_everything_is_dark_and_the_notice_says_what_to_do(
    silent_square, tiny_bundle, tiny_settings, monkeypatch
):
    def never(self, *args):
        raise AssertionError("no graph may run on nothing")

    monkeypatch.setattr(type(tiny_bundle), "audio", never)
    monkeypatch.setattr(type(tiny_bundle), "visual", never)
    result = _analyze(silent_square, tiny_bundle, tiny_settings)
    assert [notice.code for notice in result.notices] == ["no_audio"]
    assert "separate audio file" in result.notices[0].detail
    assert len(result.frames) == 40
    assert not result.frames.heatmap.any()
    assert not result.frames.presence.any()
    assert len(result.sound.peak) == 0


@pytest.fixture(scope="module")
def detected(sounding_square, tiny_detecting_bundle, tiny_settings) -> Result:
    return _analyze(sounding_square, tiny_detecting_bundle, tiny_settings, tasks=("localize", "detect"))


def test_the_object_that_sounds_is_told_from_the_one_that_does_not(detected):
    for time_s, box, sounding in (
        (1.0, (0.5, 0.25, 0.75, 0.5), 1),
        (2.75, (0, 0.5, 0.25, 0.75), 1),
        (0.1, (0.5, 0.25, 0.75, 0.5), 0),
        (3.5, (0, 0.5, 0.25, 0.75), 0),
    ):
        (found,) = detected.frames.detections[_at(detected, time_s)]
        assert found.box == box
        assert found.label == "plain"
        assert found.score > 0.9
        assert (found.sounding >= detected.thresholds.sounding) == bool(sounding)


def test_an_object_keeps_its_number_until_it_is_elsewhere(detected):
    numbers = [[found.track_id for found in detections] for detections in detected.frames.detections]
    assert numbers == [[1]] * 20 + [[2]] * 20


def test_detection_leaves_the_heatmap_as_it_is(detected, result):
    np.testing.assert_array_equal(detected.frames.heatmap, result.frames.heatmap)
    assert result.frames.detections is None


@pytest.mark.parametrize(("chunk_frames", "batch_frames"), [(3, 4), (1, 1)])
def test_the_cut_into_chunks_does_not_change_the_detections(
    sounding_square, tiny_detecting_bundle, tiny_settings, detected, chunk_frames, batch_frames
):
    settings = _with_inference(tiny_settings, chunk_frames=chunk_frames, batch_frames=batch_frames)
    other = _analyze(sounding_square, tiny_detecting_bundle, settings, tasks=("detect",))
    for ours, theirs in zip(other.frames.detections, detected.frames.detections, strict=True):
        assert [(found.box, found.label, found.track_id) for found in ours] == [
            (found.box, found.label, found.track_id) for found in theirs
        ]
        assert [found.sounding for found in ours] == pytest.approx(
            [found.sounding for found in theirs], abs=1e-4
        )


def test_all_frames_of_an_object_get_the_label_that_fits_it_best_in_the_end(
    tiny_detecting_bundle, tiny_settings, tmp_path
):
    path = tmp_path / "colours.mp4"
    converter = YuvConverter()
    with ClipWriter(path, width=64, height=64, fps=10, crf=5) as writer:
        for index, colour in enumerate([(255, 255, 255)] * 4 + [(120, 255, 120)] * 16):
            image = np.zeros((64, 64, 3), np.uint8)
            image[16:32, 16:32] = colour
            writer.add_frame(converter.convert(image), index / 10)
    settings = _with_inference(tiny_settings, chunk_frames=1, batch_frames=1)
    parts: list[FrameResults] = []
    arguments = {"tasks": ("detect",), "on_frames": parts.append}
    result = _analyze(path, tiny_detecting_bundle, settings, **arguments)
    on_the_way = [part.detections[0][0].label for part in parts]
    assert (on_the_way[0], on_the_way[-1]) == ("plain", "green")
    assert {found.label for detections in result.frames.detections for found in detections} == {"green"}


def test_what_sounds_is_named_while_it_does(sounding_square, tiny_naming_bundle, tiny_settings):
    result = _analyze(sounding_square, tiny_naming_bundle, tiny_settings, tasks=("detect",))
    (loud,), (quiet,) = (result.frames.detections[_at(result, time_s)] for time_s in (1.0, 0.1))
    assert loud.sound.label == "Tone"  # by a third, the share of red in what is white, and Music by 0.2
    assert loud.sound.score == pytest.approx(1 / 3, abs=0.01)
    assert quiet.sound is None


def test_every_encoding_is_shared_by_all_tasks(
    sounding_square, tiny_detecting_bundle, tiny_settings, monkeypatch
):
    runs = []
    see = Bundle.visual
    monkeypatch.setattr(Bundle, "visual", lambda self, frames: runs.append(len(frames)) or see(self, frames))
    _analyze(sounding_square, tiny_detecting_bundle, tiny_settings, tasks=("localize", "detect"))
    both, runs[:] = list(runs), []
    _analyze(sounding_square, tiny_detecting_bundle, tiny_settings)
    assert both == runs


def test_without_sound_objects_are_found_and_none_of_them_sounds(
    silent_square, tiny_detecting_bundle, tiny_settings
):
    result = _analyze(silent_square, tiny_detecting_bundle, tiny_settings, tasks=("detect",))
    assert not result.frames.heatmap.any()
    assert [len(found) for found in result.frames.detections] == [1] * 40
    assert {found.sounding for detections in result.frames.detections for found in detections} == {0.0}
    assert [notice.code for notice in result.notices] == ["no_audio"]


def _write_tone(path: Path, duration_s: float) -> None:
    times_s = np.arange(round(duration_s * 16_000)) / 16_000
    samples = (0.6 * 32_767 * np.sin(2 * np.pi * 500 * times_s)).astype("<i2")
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(16_000)
        stream.writeframes(samples.tobytes())


def test_a_separate_sound_file_gives_a_silent_clip_its_sound(
    silent_square, tiny_bundle, tiny_settings, tmp_path
):
    _write_tone(tmp_path / "tone.wav", 1.0)
    result = _analyze(silent_square, tiny_bundle, tiny_settings, audio=tmp_path / "tone.wav")
    assert "no_audio" not in [notice.code for notice in result.notices]
    assert result.frames.heatmap[_at(result, 0.5), 1, 2] > 0.9
    assert result.frames.heatmap[_at(result, 3.0)].max() < 0.01


def test_a_still_image_with_sound_is_a_clip(tiny_bundle, tiny_settings, tmp_path):
    from PIL import Image

    picture = np.zeros((96, 128, 3), np.uint8)
    picture[24:48, 64:96] = 255
    Image.fromarray(picture).save(tmp_path / "still.png")
    _write_tone(tmp_path / "tone.wav", 2.0)
    result = _analyze(tmp_path / "still.png", tiny_bundle, tiny_settings, audio=tmp_path / "tone.wav", fps=4)
    assert result.source.kind == "image"
    assert len(result.frames) == 8
    assert result.frames.heatmap[:, 1, 2].min() > 0.9


@pytest.mark.parametrize("fps", [0, 5e-324, -1, 61, float("nan"), float("inf")])
def test_a_rate_out_of_bounds_is_refused(sounding_square, tiny_bundle, tiny_settings, fps):
    with pytest.raises(InvalidRequest, match=r"fps must be at least 0\.001 and at most 60"):
        _analyze(sounding_square, tiny_bundle, tiny_settings, fps=fps)


@pytest.mark.parametrize("tasks", [(), ("detect",), ("localize", "explain")])
def test_a_task_that_the_bundle_does_not_offer_is_refused(sounding_square, tiny_bundle, tiny_settings, tasks):
    with pytest.raises(InvalidRequest, match="the bundle tiny offers localize"):
        analyze(
            sounding_square,
            bundle=tiny_bundle,
            settings=tiny_settings,
            options=AnalyzeOptions(tasks=tasks),
        )


def test_a_cancel_stops_within_a_batch(sounding_square, tiny_bundle, tiny_settings):
    cancel = threading.Event()
    parts: list[FrameResults] = []

    def stop_after_the_second(part: FrameResults) -> None:
        parts.append(part)
        if len(parts) == 2:
            cancel.set()

    with pytest.raises(Canceled):
        _analyze(sounding_square, tiny_bundle, tiny_settings, on_frames=stop_after_the_second, cancel=cancel)
    assert len(parts) == 2


def test_a_file_that_is_no_clip_is_a_media_error(tiny_bundle, tiny_settings, tmp_path):
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(MediaError):
        _analyze(tmp_path / "text.mp4", tiny_bundle, tiny_settings)
