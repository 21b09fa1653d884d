"""What a good clip decodes to: frames, times, sound, orientation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from app.media.clip import SAMPLE_RATE_HZ, Clip
from app.media.stream import ClipStream

MakeClip = Callable[..., Path]
Read = Callable[..., Clip]
OpenStream = Callable[..., ClipStream]

NEAR = 0.02  # of the picture, or seconds


def _squares_follow_their_times(clip: Clip, factory: ModuleType, duration_s: float) -> None:
    for frame, time_s in zip(clip.frames, clip.frame_times_s, strict=True):
        assert factory.find_square(frame) == pytest.approx(
            factory.square_centre(float(time_s), duration_s), abs=NEAR
        )


@pytest.mark.parametrize(
    ("options", "video_codec", "audio_codec"),
    [
        ({}, "h264", "aac"),
        ({"muxer_options": (("movflags", "faststart"),)}, "h264", "aac"),
        ({"container": "mkv", "audio": "flac"}, "h264", "flac"),
        ({"container": "webm", "video": "libvpx-vp9", "audio": "libopus"}, "vp9", "opus"),
        (
            {"container": "mov", "video": "mjpeg", "pix_fmt": "yuvj420p", "audio": "pcm_s16le"},
            "mjpeg",
            "pcm_s16le",
        ),
        ({"video": "libx265"}, "hevc", "aac"),
        ({"container": "mkv", "video": "libsvtav1", "audio": "aac"}, "av1", "aac"),
        ({"pix_fmt": "yuv420p10le"}, "h264", "aac"),
        ({"video": "libx265", "pix_fmt": "yuv420p10le"}, "hevc", "aac"),
        ({"size": (161, 121), "pix_fmt": "yuv444p"}, "h264", "aac"),
    ],
)
def test_squares_and_tone_are_where_they_were_put(
    make_clip: MakeClip,
    clip_factory: ModuleType,
    read: Read,
    options: dict[str, object],
    video_codec: str,
    audio_codec: str,
) -> None:
    clip = read(make_clip(**options))
    assert clip.frames.shape == (8, 96, 96, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.waveform.dtype == np.float32
    assert clip.frame_times_s == pytest.approx([0, 0.267, 0.5, 0.767, 1.0, 1.267, 1.5, 1.767], abs=2e-3)
    assert clip.frame_indices.tolist() == [0, 8, 15, 23, 30, 38, 45, 53]
    _squares_follow_their_times(clip, clip_factory, 2.0)
    burst_s = clip_factory.find_burst(clip.waveform, clip.audio_offset_s, SAMPLE_RATE_HZ)
    assert burst_s == pytest.approx(1.0, abs=2e-3)
    assert (clip.source.video_codec, clip.source.audio_codec) == (video_codec, audio_codec)
    assert clip.source.duration_s == pytest.approx(2.0, abs=0.05)
    assert clip.source.fps == pytest.approx(30.0)
    assert (clip.source.width, clip.source.height) == options.get("size", (160, 120))


@pytest.mark.parametrize("video", ["mpeg4", "libx264"])
def test_avi_without_presentation_times_keeps_the_order_of_frames(
    make_clip: MakeClip, clip_factory: ModuleType, read: Read, video: str
) -> None:
    options = (("bf", "2"), ("preset", "medium")) if video == "libx264" else ()
    clip = read(make_clip(container="avi", video=video, audio="libmp3lame", encoder_options=options))
    assert np.all(np.diff(clip.frame_times_s) > 0)
    across = [clip_factory.find_square(frame)[0] for frame in clip.frames]
    assert np.all(np.diff(across) > 0)
    assert across[0] == pytest.approx(0.2, abs=NEAR)


def test_source_is_identified_by_its_bytes(make_clip: MakeClip, read: Read) -> None:
    path = make_clip()
    source = read(path).source
    assert source.size_bytes == path.stat().st_size
    assert len(source.sha256) == 64
    assert source.sha256 != read(make_clip(fps=25)).source.sha256


def test_variable_frame_rate_takes_the_first_frame_at_or_after_each_tick(
    make_clip: MakeClip, clip_factory: ModuleType, read: Read
) -> None:
    times_s = (0.0, 0.1, 0.2, 0.26, 0.3, 0.9, 1.4, 1.45, 1.5, 1.9)
    clip = read(make_clip(times_s=times_s, container="mkv"))
    # Ticks at 0.5 and 0.75 are both answered by 0.9, which is taken once.
    assert clip.frame_times_s == pytest.approx([0.0, 0.26, 0.9, 1.4, 1.5, 1.9], abs=1e-3)
    assert clip.frame_indices.tolist() == [0, 3, 5, 6, 8, 9]
    _squares_follow_their_times(clip, clip_factory, times_s[-1] + 1 / 30)


def test_rate_above_that_of_the_source_takes_every_frame_once(make_clip: MakeClip, read: Read) -> None:
    clip = read(make_clip(fps=5, frames=10), fps=60.0)
    assert clip.frame_times_s == pytest.approx(np.arange(10) / 5, abs=1e-3)


@pytest.mark.parametrize("rotation_deg", [0, 90, 180, 270])
def test_rotation_is_applied_for_display(
    make_clip: MakeClip, clip_factory: ModuleType, read: Read, rotation_deg: int
) -> None:
    clip = read(make_clip(rotation_deg=rotation_deg, audio=None))
    x, y = clip_factory.square_centre(0.0, 2.0)
    turned = {0: (x, y), 90: (1 - y, x), 180: (1 - x, 1 - y), 270: (y, 1 - x)}[rotation_deg]
    assert clip_factory.find_square(clip.frames[0]) == pytest.approx(turned, abs=NEAR)
    assert clip.source.rotation_deg == rotation_deg
    upright = rotation_deg in (0, 180)
    assert (clip.source.width, clip.source.height) == ((160, 120) if upright else (120, 160))


def test_displayed_width_counts_the_shape_of_pixels(make_clip: MakeClip, read: Read) -> None:
    source = read(make_clip(pixel_aspect=(4, 3), audio=None)).source
    assert (source.width, source.height) == (213, 120)


def test_one_frame_is_a_clip(make_clip: MakeClip, read: Read) -> None:
    clip = read(make_clip(frames=1, bursts=((0.0, 0.02),)))
    assert clip.frames.shape == (1, 96, 96, 3)
    assert clip.frame_times_s.tolist() == [0.0]


def test_clip_without_sound_has_an_empty_waveform(make_clip: MakeClip, read: Read) -> None:
    clip = read(make_clip(audio=None))
    assert clip.waveform.shape == (0,)
    assert not clip.source.has_audio
    assert clip.source.audio_codec is None


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_sound_that_starts_late_is_filled_with_silence(
    make_clip: MakeClip, clip_factory: ModuleType, read: Read, container: str
) -> None:
    clip = read(make_clip(audio_start_s=0.7, audio_s=1.3, container=container))
    assert clip.audio_offset_s == 0.0
    assert np.abs(clip.waveform[: int(0.6 * SAMPLE_RATE_HZ)]).max() == 0.0
    burst_s = clip_factory.find_burst(clip.waveform, clip.audio_offset_s, SAMPLE_RATE_HZ)
    assert burst_s == pytest.approx(1.0, abs=3e-3)


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_sound_that_starts_before_the_picture_keeps_its_offset(
    make_clip: MakeClip, clip_factory: ModuleType, read: Read, container: str
) -> None:
    times_s = tuple(0.5 + k / 30 for k in range(60))
    clip = read(make_clip(times_s=times_s, container=container))
    assert clip.frame_times_s[0] == 0.0
    assert clip.audio_offset_s == pytest.approx(-0.5, abs=2e-3)
    burst_s = clip_factory.find_burst(clip.waveform, clip.audio_offset_s, SAMPLE_RATE_HZ)
    assert burst_s == pytest.approx(0.5, abs=3e-3)


@pytest.mark.parametrize(("container", "audio"), [("mkv", "aac"), ("mkv", "flac"), ("mp4", "aac")])
def test_gap_in_the_track_is_filled_and_does_not_shift_what_follows(
    make_clip: MakeClip, clip_factory: ModuleType, read: Read, container: str, audio: str
) -> None:
    bursts = ((0.2, 0.1), (1.5, 0.1))
    clip = read(make_clip(container=container, audio=audio, audio_gap_s=(0.6, 1.2), bursts=bursts))
    assert len(clip.waveform) / SAMPLE_RATE_HZ == pytest.approx(2.0, abs=0.05)
    late = clip.waveform[SAMPLE_RATE_HZ:]
    assert clip_factory.find_burst(late, 1.0, SAMPLE_RATE_HZ) == pytest.approx(1.5, abs=3e-3)


def test_two_equal_channels_mix_to_the_same_loudness(make_clip: MakeClip, read: Read) -> None:
    mono = read(make_clip(audio="pcm_s16le", container="mov", channels=1))
    stereo = read(make_clip(audio="pcm_s16le", container="mov", channels=2))
    assert np.abs(stereo.waveform).max() == pytest.approx(np.abs(mono.waveform).max(), abs=1e-3)


def test_sound_of_a_strange_rate_lasts_as_long_as_before(
    make_clip: MakeClip, clip_factory: ModuleType, read: Read
) -> None:
    clip = read(make_clip(audio="flac", container="mkv", audio_rate_hz=44_100))
    assert len(clip.waveform) / SAMPLE_RATE_HZ == pytest.approx(2.0, abs=0.01)
    assert clip_factory.find_burst(clip.waveform, 0.0, SAMPLE_RATE_HZ) == pytest.approx(1.0, abs=2e-3)


def test_chunks_follow_each_other_and_bring_their_context(
    make_clip: MakeClip, open_stream: OpenStream, read: Read
) -> None:
    path = make_clip(frames=300)
    whole = read(path)
    with open_stream(path, chunk_frames=8, audio_context_s=1.0) as stream:
        chunks = list(stream)
    assert [len(chunk.frames) for chunk in chunks] == [8, 8, 8, 8, 8]
    assert np.concatenate([chunk.frame_times_s for chunk in chunks]).tolist() == whole.frame_times_s.tolist()
    assert np.array_equal(np.concatenate([chunk.frames for chunk in chunks]), whole.frames)
    for chunk in chunks:
        start_s = chunk.waveform_start_s
        end_s = start_s + len(chunk.waveform) / SAMPLE_RATE_HZ
        assert start_s == pytest.approx(max(0.0, chunk.frame_times_s[0] - 1.0), abs=1e-3)
        assert end_s == pytest.approx(min(10.0, chunk.frame_times_s[-1] + 1.0), abs=0.05)
        first = round((start_s - whole.audio_offset_s) * SAMPLE_RATE_HZ)
        assert np.array_equal(chunk.waveform, whole.waveform[first : first + len(chunk.waveform)])


def test_frames_far_apart_come_in_chunks_of_their_own(make_clip: MakeClip, open_stream: OpenStream) -> None:
    path = make_clip(times_s=(0.0, 1.0, 120.0, 121.0), audio_rate_hz=16_000, channels=1)
    with open_stream(path) as stream:
        chunks = list(stream)
    assert [chunk.frame_times_s.tolist() for chunk in chunks] == [[0.0, 1.0], [120.0, 121.0]]
    assert max(len(chunk.waveform) for chunk in chunks) < 5 * SAMPLE_RATE_HZ
    assert chunks[1].waveform_start_s == pytest.approx(118.5, abs=1e-3)


def test_recording_without_a_duration_is_measured(make_clip: MakeClip, read: Read) -> None:
    live = make_clip(container="webm", video="libvpx-vp9", audio="libopus", muxer_options=(("live", "1"),))
    assert read(live).source.duration_s == pytest.approx(2.0, abs=0.05)
