"""A clip that is decoded in parts: each yields what decoding in one go does, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from app.errors import MediaError, UnsupportedMedia
from app.media.clip import ClipChunk
from app.media.parts import open_part
from app.media.protocol import Part, Start
from app.media.source import Frame
from app.media.stream import open_clip
from app.settings import DecodeSettings, LimitSettings

MakeClip = Callable[..., Path]

SIZE, FPS = 64, 12.0
LIMITS = LimitSettings()


def _read(
    path: Path, *, outline: bool, limits: LimitSettings = LIMITS
) -> tuple[list[ClipChunk], dict[int, Start]]:
    arguments = {"size": SIZE, "fps": FPS, "limits": limits, "decode": DecodeSettings(), "chunk_frames": 5}
    with open_clip(path, outline=outline, **arguments) as stream:
        return list(stream), dict(stream.starts)


def _read_part(path: Path, part: Part, *, limits: LimitSettings = LIMITS) -> list[Frame]:
    with open_part(path, part, size=SIZE, fps=FPS, limits=limits, decode=DecodeSettings()) as frames:
        return list(frames)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"container": "mkv", "audio": "flac", "audio_start_s": 0.7},
        {
            "container": "webm",
            "video": "libvpx-vp9",
            "audio": "libopus",
            "encoder_options": (("g", "15"),),
        },
        {"container": "mov", "video": "mjpeg", "pix_fmt": "yuvj420p", "audio": "pcm_s16le"},
        {"container": "mkv", "video": "libsvtav1", "encoder_options": (("g", "15"),)},
        {"encoder_options": (("bf", "3"), ("preset", "veryfast"))},
        {"encoder_options": (("bf", "3"), ("preset", "veryfast"), ("x264-params", "open-gop=1:keyint=10"))},
        {
            "video": "libx265",
            "encoder_options": (("x265-params", "log-level=none:pools=1:keyint=10:bframes=3"),),
        },
        {"audio": None, "rotation_deg": 90},
        {"times_s": tuple(np.cumsum([0.0, *[0.03, 0.11, 0.04] * 19]).tolist())},
    ],
)
def test_parts_are_the_same_as_the_whole(make_clip: MakeClip, options: dict[str, object]) -> None:
    path = make_clip(**options)
    whole, _ = _read(path, outline=False)
    outline, starts = _read(path, outline=True)
    for chunk, drawn in zip(whole, outline, strict=True):
        np.testing.assert_array_equal(drawn.frame_times_s, chunk.frame_times_s)
        np.testing.assert_array_equal(drawn.frame_indices, chunk.frame_indices)
        np.testing.assert_array_equal(drawn.waveform, chunk.waveform)
        assert drawn.waveform_start_s == chunk.waveform_start_s
    indices = np.concatenate([chunk.frame_indices for chunk in whole]).tolist()
    times_s = np.concatenate([chunk.frame_times_s for chunk in whole]).tolist()
    images = np.concatenate([chunk.frames for chunk in whole])
    assert len({start.index for start in starts.values()}) > 2
    for low, high in ((0, 6), (5, 13), (12, len(indices))):
        last = indices[high - 1] if high < len(indices) else None
        frames = _read_part(path, Part(starts[indices[low]], indices[low], last))
        assert [frame.index for frame in frames] == indices[low:high]
        assert [frame.time_s for frame in frames] == times_s[low:high]
        np.testing.assert_array_equal(np.stack([frame.image for frame in frames]), images[low:high])


def test_a_part_is_decoded_from_the_key_frame_before_it(make_clip: MakeClip) -> None:
    _, starts = _read(make_clip(), outline=True)  # with a key frame every 15 frames
    assert {index: start.index for index, start in starts.items()} == {
        index: index // 15 * 15 for index in starts
    }


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"container": "avi", "video": "mpeg4", "audio": "mp3"}, "no time|promise"),
        ({"container": "mkv", "audio": None, "muxer_options": (("live", "1"),)}, None),
    ],
)
def test_what_packets_do_not_tell_is_refused(
    make_clip: MakeClip, options: dict[str, object], reason: str | None
) -> None:
    path = make_clip(**options)
    if reason is None:
        _read(path, outline=True)
        return
    with pytest.raises(UnsupportedMedia, match=f"cannot be cut: .*({reason})"):
        _read(path, outline=True)


def test_a_truncated_clip_is_refused(make_clip: MakeClip, tmp_path: Path) -> None:
    data = make_clip(container="mkv").read_bytes()
    path = tmp_path / "short.mkv"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UnsupportedMedia, match="cannot be cut"):
        _read(path, outline=True)


def test_an_image_is_refused(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "image.png")
    with pytest.raises(UnsupportedMedia, match="it is an image"):
        _read(tmp_path / "image.png", outline=True)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_frames": 59},
        {"max_fps": 18},
        {"max_decoded_pixels": 60 * 160 * 120 - 1},
    ],
)
def test_a_clip_that_exceeds_a_limit_is_refused(make_clip: MakeClip, limits: dict[str, int]) -> None:
    path = make_clip(container="mkv")  # whose header has no number of frames
    with pytest.raises(MediaError):
        _read(path, outline=True, limits=LimitSettings(**limits))


def test_a_part_with_damage_is_an_error(make_clip: MakeClip, tmp_path: Path) -> None:
    path = make_clip(audio=None, size=(320, 240))
    _, starts = _read(path, outline=True)
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    position, size = packets[20]
    data[position : position + size] = b"\xff" * size
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    indices = sorted(starts)
    before, after = [index for index in indices if index < 15], [index for index in indices if index >= 30]
    assert len(_read_part(broken, Part(starts[0], 0, before[-1]))) == len(before)
    assert len(_read_part(broken, Part(starts[after[0]], after[0], None))) == len(after)
    with pytest.raises(MediaError, match="damaged"):
        _read_part(broken, Part(starts[0], 0, after[0]))
