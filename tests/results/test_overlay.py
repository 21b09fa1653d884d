"""The overlay over pictures and sound from memory; the last test goes through the decode child."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import av
import numpy as np
import pytest

import app.results.overlay
from app.errors import InternalError, MediaCorrupt
from app.media.display import DisplayFrame, SoundBlock
from app.media.encode import ClipWriter, YuvConverter
from app.results.model import Detection, Heard, Result
from app.results.overlay import write_overlay
from app.results.palette import track_colour
from app.settings import DecodeSettings, LimitSettings, OverlaySettings

WIDTH, HEIGHT = 320, 192
RATE_HZ = 16_000
GREY = 90


@dataclass
class FakeDisplay:
    """Stands in for the stream of displayed frames; `fail_after` frames it breaks."""

    times_s: list[float]
    fps: float = 25.0
    sound_s: float = 1.0
    fail_after: int | None = None
    width: int = WIDTH
    height: int = HEIGHT
    closed: bool = field(default=False)

    @property
    def sound_rate_hz(self) -> int:
        return RATE_HZ if self.sound_s else 0

    @property
    def sound_channels(self) -> int:
        return 1 if self.sound_s else 0

    def __enter__(self) -> FakeDisplay:
        return self

    def __exit__(self, *exception: object) -> None:
        self.closed = True

    def __iter__(self) -> Iterator[DisplayFrame | SoundBlock]:
        if self.sound_s:
            yield SoundBlock(0.0, _noise(self.sound_s))
        for number, time_s in enumerate(self.times_s):
            if number == self.fail_after:
                raise MediaCorrupt("the file ends in the middle of a frame")
            yield DisplayFrame(time_s, _picture())


def _picture() -> np.ndarray:
    picture = np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)
    picture[: HEIGHT // 4] = 200
    return picture


def _noise(duration_s: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(-0.4, 0.4, (round(duration_s * RATE_HZ), 1)).astype(np.float32)


Render = Callable[..., Path]


@pytest.fixture
def render(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Render:
    def run(result: Result, display: FakeDisplay, **options) -> Path:
        monkeypatch.setattr(app.results.overlay, "open_display", lambda *_, **__: display)
        out = tmp_path / "overlay.mp4"
        overlay = OverlaySettings(**options.pop("overlay", {}))
        write_overlay(
            result,
            out,
            source=tmp_path / "clip.mp4",
            audio=None,
            overlay=overlay,
            limits=LimitSettings(),
            decode=DecodeSettings(),
            **options,
        )
        return out

    return run


def _times_s(n: int = 25) -> list[float]:
    return [index / 25 for index in range(n)]


def _images(path: Path) -> dict[float, np.ndarray]:
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return {round(frame.time, 3): frame.to_ndarray(format="rgb24").astype(int) for frame in frames}


def _hot(n: int = 4) -> np.ndarray:
    """The lower right quarter sounds."""
    heatmap = np.zeros((n, 16, 16))
    heatmap[:, 8:, 8:] = 1.0
    return heatmap


def _make(make_result, heatmap, **overrides):
    return make_result(heatmap, size=(WIDTH, HEIGHT), **overrides)


def test_overlay_plays_in_browsers_and_has_the_displayed_size(make_result, render):
    path = render(_make(make_result, _hot()), FakeDisplay(_times_s()))
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        context = video.codec_context
        assert (context.name, context.profile, context.pix_fmt) == ("h264", "High", "yuv420p")
        assert video.width == WIDTH
        assert video.height > HEIGHT
        assert video.height % 2 == 0
        assert sum(1 for _ in container.decode(video=0)) == 25
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_sound_is_kept_at_its_length(make_result, render):
    path = render(_make(make_result, _hot()), FakeDisplay(_times_s()))
    with av.open(str(path)) as container:
        audio = container.streams.audio[0]
        assert (audio.codec_context.name, audio.rate, audio.channels) == ("aac", RATE_HZ, 1)
        assert float(audio.duration * audio.time_base) == pytest.approx(1.0, abs=0.1)


def test_silent_clip_gets_no_sound_track(make_result, render):
    result = _make(make_result, _hot(), has_audio=False)
    path = render(result, FakeDisplay(_times_s(), sound_s=0.0))
    with av.open(str(path)) as container:
        assert not container.streams.audio


def test_silent_frame_shows_the_picture_as_it_is(make_result, render):
    path = render(_make(make_result, np.zeros((4, 16, 16)), heard=((),) * 4), FakeDisplay(_times_s()))
    difference = np.abs(_images(path)[0.48][:HEIGHT] - _picture())
    assert difference.mean() < 1
    assert np.percentile(difference, 99.9) < 8


def test_hot_region_is_coloured_and_the_rest_is_not(make_result, render):
    path = render(_make(make_result, _hot()), FakeDisplay(_times_s()))
    image = _images(path)[0.48][:HEIGHT]
    change = np.abs(image - _picture())
    inside = change[HEIGHT * 5 // 8 : -16, WIDTH * 5 // 8 : -16]
    outside = change[: HEIGHT * 3 // 8, : WIDTH * 3 // 8]
    assert inside.max(axis=2).min() > 40
    assert outside.mean() < 1


def test_box_of_what_sounds_is_drawn_on_the_picture(make_result, render):
    found = ((Detection((0.25, 0.25, 0.75, 0.75), "dog", 0.9, 0.8, 1),),) * 4
    result = _make(make_result, np.zeros((4, 16, 16)), detections=found)
    image = _images(render(result, FakeDisplay(_times_s())))[0.48]
    edge = image[HEIGHT // 2 : HEIGHT * 3 // 4 - 4, WIDTH // 4]
    assert np.abs(edge.mean(axis=0) - track_colour(1)).max() < 40
    assert np.abs(image[HEIGHT // 2, WIDTH // 2] - GREY).max() < 6


def test_box_is_called_by_its_sound_too_in_all_frames_that_show_it(make_result, render):
    dog = Detection((0.25, 0.25, 0.75, 0.75), "dog", 0.9, 0.8, 1)
    shown = []
    for last in (dog, replace(dog, sound=Heard("Bark", 0.5)), replace(dog, label="dog · Bark")):
        result = _make(make_result, np.zeros((4, 16, 16)), detections=((dog,),) * 3 + ((last,),))
        shown.append(_images(render(result, FakeDisplay(_times_s())))[0.0])
    assert not np.array_equal(shown[1], shown[0])
    assert np.array_equal(shown[1], shown[2])


def test_colour_fades_between_two_samples(make_result, render):
    heatmap = np.stack([np.zeros((16, 16)), np.ones((16, 16))])
    result = _make(make_result, heatmap, times_s=[0.0, 0.96])
    images = _images(render(result, FakeDisplay(_times_s()), overlay={"colormap": "viridis"}))
    change = [np.abs(images[time_s][:HEIGHT] - _picture()).mean() for time_s in (0.0, 0.24, 0.48, 0.96)]
    assert change[0] < 1
    assert change[0] < change[1] < change[2] < change[3]


def test_lane_shows_the_playhead_moving(make_result, render):
    images = _images(render(_make(make_result, _hot()), FakeDisplay(_times_s())))
    heads = [images[time_s][-20:-12].min(axis=(0, 2)).argmax() for time_s in (0.0, 0.48, 0.96)]
    assert heads[0] < heads[1] < heads[2]


def test_slow_video_is_repeated_so_that_the_lane_moves(make_result, render):
    path = render(_make(make_result, _hot(), duration_s=3.0), FakeDisplay([0.0, 1.0, 2.0], fps=1.0))
    times_s = sorted(_images(path))
    assert np.diff(times_s).max() <= 0.101
    assert times_s[-1] > 2.85


def test_still_image_lasts_as_long_as_its_sound(make_result, render):
    result = _make(make_result, _hot(8), duration_s=2.0)
    path = render(result, FakeDisplay([0.0], fps=0.0, sound_s=2.0))
    assert max(_images(path)) > 1.85


def test_single_frame_without_sound_gives_a_video_of_one_frame(make_result, render):
    result = _make(make_result, _hot(1), duration_s=0.0, has_audio=False)
    assert len(_images(render(result, FakeDisplay([0.0], fps=0.0, sound_s=0.0)))) == 1


def test_result_without_samples_shows_the_picture(make_result, render):
    path = render(_make(make_result, np.zeros((0, 16, 16))), FakeDisplay(_times_s(3)))
    assert np.abs(_images(path)[0.08][:HEIGHT] - _picture()).mean() < 1


def test_progress_rises_to_the_end(make_result, render):
    seen: list[tuple[int, float]] = []
    render(
        _make(make_result, _hot()),
        FakeDisplay(_times_s()),
        progress=lambda frames_done, fraction: seen.append((frames_done, fraction)),
    )
    frames_done, fractions = zip(*seen, strict=True)
    assert frames_done == (*range(1, 26), 25)
    assert list(fractions) == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("fail_after", [0, 10])
def test_source_that_breaks_leaves_no_file(make_result, render, tmp_path, fail_after):
    display = FakeDisplay(_times_s(), fail_after=fail_after)
    with pytest.raises(MediaCorrupt):
        render(_make(make_result, _hot()), display)
    assert list(tmp_path.iterdir()) == []
    assert display.closed


def test_source_without_frames_is_an_error_and_leaves_no_file(make_result, render, tmp_path):
    with pytest.raises(MediaCorrupt):
        render(_make(make_result, _hot()), FakeDisplay([]))
    assert list(tmp_path.iterdir()) == []


def test_progress_that_raises_ends_the_rendering_and_leaves_no_file(make_result, render, tmp_path):
    def cancel(frames_done: int, fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(_make(make_result, _hot()), FakeDisplay(_times_s()), progress=cancel)
    assert list(tmp_path.iterdir()) == []


def test_unknown_colour_map_is_refused_before_anything_is_decoded(make_result, render, tmp_path):
    display = FakeDisplay([], fail_after=0)
    with pytest.raises(InternalError, match="nosuchmap"):
        render(_make(make_result, _hot()), display, overlay={"colormap": "nosuchmap"})
    assert list(tmp_path.iterdir()) == []


def test_real_clip_goes_through_the_decode_child(make_result, tmp_path):
    clip, out = tmp_path / "clip.mp4", tmp_path / "overlay.mp4"
    converter = YuvConverter()
    with ClipWriter(
        clip, width=WIDTH, height=HEIGHT, fps=25, sound_rate_hz=RATE_HZ, sound_channels=1
    ) as writer:
        writer.add_sound(_noise(1.0), 0.0)
        for time_s in _times_s():
            writer.add_frame(converter.convert(_picture()), time_s)
    write_overlay(
        _make(make_result, _hot()),
        out,
        source=clip,
        audio=None,
        overlay=OverlaySettings(max_side=160),
        limits=LimitSettings(),
        decode=DecodeSettings(),
    )
    with av.open(str(out)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert video.width == 160
        assert float(audio.duration * audio.time_base) == pytest.approx(1.0, abs=0.1)
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    assert len(frames) == 25
    cold, hot = frames[12][40:80, 8:60], frames[12][65:90, 110:150]
    assert np.abs(cold - GREY).mean() < 3
    assert np.abs(hot - GREY).mean() > 40
