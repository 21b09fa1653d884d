"""Frames and sound for the overlay: upright, even-sized, with the sound in its own quality."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from app.media.display import DisplayFrame, DisplayStream, SoundBlock

MakeClip = Callable[..., Path]
Show = Callable[..., DisplayStream]


def _items(display: DisplayStream) -> tuple[list[DisplayFrame], list[SoundBlock]]:
    with display:
        items = list(display)
    frames = [item for item in items if isinstance(item, DisplayFrame)]
    return frames, [item for item in items if isinstance(item, SoundBlock)]


def test_every_frame_comes_at_its_time_with_the_whole_sound(
    make_clip: MakeClip, clip_factory: ModuleType, show: Show
) -> None:
    display = show(make_clip(audio_s=2.5))
    frames, sound = _items(display)
    assert [frame.time_s for frame in frames] == pytest.approx([k / 30 for k in range(60)], abs=1e-3)
    assert {frame.image.shape for frame in frames} == {(120, 160, 3)}
    assert clip_factory.find_square(frames[30].image) == pytest.approx(
        clip_factory.square_centre(1.0, 2.0), abs=0.02
    )
    assert (display.sound_rate_hz, display.sound_channels) == (48_000, 2)
    samples = np.concatenate([block.samples for block in sound])
    assert samples.shape[1] == 2
    assert len(samples) / 48_000 == pytest.approx(2.5, abs=0.05)
    assert clip_factory.find_burst(samples[:, 0], sound[0].start_s, 48_000) == pytest.approx(1.0, abs=2e-3)


def test_sound_blocks_are_contiguous_and_ahead_of_the_picture(make_clip: MakeClip, show: Show) -> None:
    with show(make_clip()) as display:
        heard_s = None
        for item in display:
            if isinstance(item, SoundBlock):
                assert heard_s is None or item.start_s == pytest.approx(heard_s, abs=1e-6)
                heard_s = item.start_s + len(item.samples) / display.sound_rate_hz
            else:
                assert heard_s is not None
                assert heard_s >= min(item.time_s + 0.4, 1.9)


def test_frame_rate_is_limited(make_clip: MakeClip, show: Show) -> None:
    display = show(make_clip(fps=60, frames=120), max_fps=30.0)
    frames, _ = _items(display)
    assert display.fps == 30.0
    assert len(frames) == 60


def test_nominal_rate_of_a_slower_source_is_its_own(make_clip: MakeClip, show: Show) -> None:
    with show(make_clip(fps=25)) as display:
        assert display.fps == pytest.approx(25.0)


@pytest.mark.parametrize(
    ("options", "max_side", "shown"),
    [
        ({"size": (161, 121), "pix_fmt": "yuv444p"}, 640, (160, 120)),
        ({"size": (320, 180)}, 160, (160, 90)),
        ({"size": (320, 240), "rotation_deg": 90}, 160, (120, 160)),
        ({"pixel_aspect": (2, 1)}, 640, (320, 120)),
    ],
)
def test_size_is_even_upright_and_within_the_limit(
    make_clip: MakeClip, show: Show, options: dict[str, object], max_side: int, shown: tuple[int, int]
) -> None:
    display = show(make_clip(audio=None, frames=3, **options), max_side=max_side)
    frames, sound = _items(display)
    assert (display.width, display.height) == shown
    assert frames[0].image.shape == (shown[1], shown[0], 3)
    assert sound == []
    assert display.sound_rate_hz == 0


@pytest.mark.parametrize("rotation_deg", [90, 180, 270])
def test_rotation_is_applied(
    make_clip: MakeClip, clip_factory: ModuleType, show: Show, rotation_deg: int
) -> None:
    frames, _ = _items(show(make_clip(audio=None, rotation_deg=rotation_deg)))
    x, y = clip_factory.square_centre(0.0, 2.0)
    turned = {90: (1 - y, x), 180: (1 - x, 1 - y), 270: (y, 1 - x)}[rotation_deg]
    assert clip_factory.find_square(frames[0].image) == pytest.approx(turned, abs=0.02)


def test_many_channels_become_stereo_and_high_rates_48_khz(make_clip: MakeClip, show: Show) -> None:
    path = make_clip(audio="flac", container="mkv", audio_rate_hz=96_000)
    with show(path) as display:
        assert (display.sound_rate_hz, display.sound_channels) == (48_000, 2)


def test_frames_are_read_only(make_clip: MakeClip, show: Show) -> None:
    frames, _ = _items(show(make_clip(frames=2, audio=None)))
    with pytest.raises(ValueError, match="read-only"):
        frames[0].image[0, 0, 0] = 1
