"""A still image or a silent video with a sound file of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from app.errors import LimitExceeded, MediaCorrupt, NoAudioStream, UnsupportedMedia
from app.media.clip import SAMPLE_RATE_HZ, Clip
from app.media.display import DisplayFrame, DisplayStream, SoundBlock
from app.settings import LimitSettings

MakeClip = Callable[..., Path]
Read = Callable[..., Clip]


@pytest.fixture
def image(tmp_path: Path, clip_factory: ModuleType) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(clip_factory.draw((80, 61), (0.7, 0.3))).save(path)
    return path


def _sound(make_clip: MakeClip, container: str, audio: str, **options: object) -> Path:
    return make_clip(container=container, video=None, audio=audio, audio_s=2.0, **options)


def test_image_without_sound_is_one_frame(image: Path, read: Read, clip_factory: ModuleType) -> None:
    clip = read(image)
    assert clip.frames.shape == (1, 96, 96, 3)
    assert clip.source.kind == "image"
    assert (clip.source.width, clip.source.height) == (80, 61)
    assert (clip.source.duration_s, clip.source.fps) == (0.0, 0.0)
    assert clip_factory.find_square(clip.frames[0]) == pytest.approx((0.7, 0.3), abs=0.02)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png"])
def test_image_formats(tmp_path: Path, clip_factory: ModuleType, read: Read, suffix: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(clip_factory.draw((80, 60), (0.7, 0.3))).save(path)
    assert clip_factory.find_square(read(path).frames[0]) == pytest.approx((0.7, 0.3), abs=0.02)


def test_image_is_turned_as_its_exif_says(tmp_path: Path, clip_factory: ModuleType, read: Read) -> None:
    path = tmp_path / "phone.jpg"
    picture = Image.fromarray(clip_factory.draw((80, 60), (0.7, 0.3)))
    exif = picture.getexif()
    exif[0x0112] = 6  # shown turned clockwise by 90 degrees
    picture.save(path, exif=exif)
    clip = read(path)
    assert (clip.source.width, clip.source.height, clip.source.rotation_deg) == (60, 80, 90)
    assert clip_factory.find_square(clip.frames[0]) == pytest.approx((0.7, 0.7), abs=0.02)


@pytest.mark.parametrize(
    ("container", "audio", "delay_s"),
    [
        ("wav", "pcm_s16le", 0.0),
        ("flac", "flac", 0.0),
        ("ogg", "libopus", 0.0),
        ("mp3", "libmp3lame", 0.0),
        ("m4a", "aac", 0.0),
        ("aac", "aac", 1024 / 48_000),  # a bare AAC stream cannot say that its first block is padding
    ],
)
def test_image_lasts_as_long_as_its_sound(
    image: Path,
    make_clip: MakeClip,
    clip_factory: ModuleType,
    read: Read,
    container: str,
    audio: str,
    delay_s: float,
) -> None:
    clip = read(image, audio=_sound(make_clip, container, audio))
    assert clip.frame_times_s[:8].tolist() == [k / 4 for k in range(8)]
    assert len(clip.frames) in (8, 9)
    assert np.array_equal(clip.frames[0], clip.frames[-1])
    assert clip.source.has_audio
    assert clip.source.duration_s == pytest.approx(2.0, abs=0.1)
    burst_s = clip_factory.find_burst(clip.waveform, clip.audio_offset_s, SAMPLE_RATE_HZ)
    assert burst_s == pytest.approx(1.0 + delay_s, abs=5e-3)


def test_separate_sound_replaces_the_track(make_clip: MakeClip, clip_factory: ModuleType, read: Read) -> None:
    path = make_clip(bursts=((0.2, 0.1),))
    clip = read(path, audio=_sound(make_clip, "wav", "pcm_s16le"))
    assert clip.source.audio_codec == "pcm_s16le"
    burst_s = clip_factory.find_burst(clip.waveform, clip.audio_offset_s, SAMPLE_RATE_HZ)
    assert burst_s == pytest.approx(1.0, abs=2e-3)


def test_sound_of_another_video_can_be_used(
    make_clip: MakeClip, clip_factory: ModuleType, read: Read
) -> None:
    times_s = tuple(0.5 + k / 30 for k in range(45))
    clip = read(make_clip(times_s=times_s, audio=None), audio=make_clip(container="mkv"))
    burst_s = clip_factory.find_burst(clip.waveform, clip.audio_offset_s, SAMPLE_RATE_HZ)
    assert burst_s == pytest.approx(1.0, abs=3e-3)  # both begin together, whatever their clocks say


def test_unusable_separate_sound_is_an_error(
    image: Path, make_clip: MakeClip, read: Read, write: Callable[[str, bytes], Path]
) -> None:
    video = make_clip()
    with pytest.raises(NoAudioStream):
        read(video, audio=make_clip(audio=None))
    with pytest.raises(UnsupportedMedia, match="separate sound"):
        read(video, audio=image)
    with pytest.raises(UnsupportedMedia, match="separate sound"):
        read(video, audio=write("words.wav", b"these are words, not sound" * 20))
    with pytest.raises(MediaCorrupt, match="separate sound"):
        read(video, audio=write("empty.wav", b""))


def test_separate_sound_may_not_be_longer_than_a_clip(image: Path, make_clip: MakeClip, read: Read) -> None:
    with pytest.raises(LimitExceeded) as caught:
        read(image, audio=_sound(make_clip, "wav", "pcm_s16le"), limits=LimitSettings(max_duration_s=1.5))
    assert caught.value.setting == "EARSIGHT_LIMITS__MAX_DURATION_S"


def test_floats_beyond_full_scale_and_nans_are_tamed(
    image: Path, read: Read, write: Callable[[str, bytes], Path]
) -> None:
    samples = np.tile(np.array([np.nan, np.inf, -np.inf, 5.0, -5.0, 0.25], np.float32), 4000)
    header = (
        b"RIFF"
        + (36 + samples.nbytes).to_bytes(4, "little")
        + b"WAVEfmt "
        + (16).to_bytes(4, "little")
        + (3).to_bytes(2, "little")
        + (1).to_bytes(2, "little")
        + (16_000).to_bytes(4, "little")
        + (64_000).to_bytes(4, "little")
        + (4).to_bytes(2, "little")
        + (32).to_bytes(2, "little")
        + b"data"
        + samples.nbytes.to_bytes(4, "little")
    )
    clip = read(image, audio=write("loud.wav", header + samples.tobytes()))
    assert len(clip.waveform) == len(samples)
    assert np.all(np.isfinite(clip.waveform))
    assert np.abs(clip.waveform).max() == 1.0


def test_display_of_an_image_repeats_it_while_the_sound_lasts(
    image: Path, make_clip: MakeClip, show: Callable[..., DisplayStream]
) -> None:
    with show(image, audio=_sound(make_clip, "wav", "pcm_s16le")) as display:
        items = list(display)
    frames = [item for item in items if isinstance(item, DisplayFrame)]
    sound = [item for item in items if isinstance(item, SoundBlock)]
    assert (display.width, display.height, display.fps) == (80, 60, 10.0)
    assert [frame.time_s for frame in frames] == [k / 10 for k in range(20)]
    assert sum(len(block.samples) for block in sound) == 2 * display.sound_rate_hz
