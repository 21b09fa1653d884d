"""What a bad clip comes to: its documented error or a notice, never a crash, and nothing left behind."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import av
import pytest
from av.stream import Disposition

from app.errors import (
    EarsightError,
    LimitExceeded,
    MediaCorrupt,
    MediaError,
    NotFound,
    NoVideoStream,
    UnsupportedMedia,
)
from app.media.clip import Clip
from app.media.display import DisplayStream
from app.media.stream import ClipStream
from app.settings import DecodeSettings, LimitSettings

MakeClip = Callable[..., Path]
Read = Callable[..., Clip]
Write = Callable[[str, bytes], Path]
OpenStream = Callable[..., ClipStream]


def _codes(stream: ClipStream) -> tuple[int, list[str]]:
    with stream:
        n_frames = sum(len(chunk.frames) for chunk in stream)
        return n_frames, [notice.code for notice in stream.notices]


def test_missing_file_is_not_found(tmp_path: Path, read: Read) -> None:
    with pytest.raises(NotFound, match=r"nothing\.mp4"):
        read(tmp_path / "nothing.mp4")


def test_directories_and_pipes_are_refused_without_waiting(tmp_path: Path, read: Read) -> None:
    fifo = tmp_path / "pipe.mp4"
    os.mkfifo(fifo)
    for path in (tmp_path, fifo, Path("/dev/zero")):
        with pytest.raises(UnsupportedMedia, match="regular file"):
            read(path)


def test_empty_file_is_corrupt(write: Write, read: Read) -> None:
    with pytest.raises(MediaCorrupt, match="empty"):
        read(write("clip.mp4", b""))


@pytest.mark.parametrize(
    "content",
    [
        b"This is no video at all.\n" * 50,
        b"<html><body>404</body></html>",
        b"\x7fELF" + bytes(200),
        b"PK\x03\x04" + bytes(200),
        b"GIF89a" + bytes(200),
        b"x",
    ],
)
def test_other_files_renamed_are_unsupported(write: Write, read: Read, content: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        read(write("clip.mp4", content))


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "list.txt"])
@pytest.mark.parametrize("kind", ["hls", "concat", "dash", "sdp"])
def test_playlists_are_refused_whatever_they_are_called(
    make_clip: MakeClip, write: Write, read: Read, name: str, kind: str
) -> None:
    target = make_clip()
    text = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile:{target}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{target}'\n",
        "dash": f"<?xml version='1.0'?><MPD><Period><BaseURL>{target}</BaseURL></Period></MPD>",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    }[kind]
    with pytest.raises(UnsupportedMedia):
        read(write(name, text.encode()))


def test_playlist_with_a_video_container_magic_opens_nothing_else(
    make_clip: MakeClip, write: Write, read: Read
) -> None:
    playlist = f"#EXTM3U\n#EXTINF:2,\nfile:{make_clip()}\n".encode()
    for magic in (b"\x00\x00\x00\x18ftypmp42", b"\x1aE\xdf\xa3", b"RIFF\x00\x00\x00\x00AVI "):
        with pytest.raises(MediaError):
            read(write("list.mp4", magic + b"\n" + playlist))


@pytest.mark.parametrize("container", ["wav", "mp3", "m4a", "ogg", "mkv"])
def test_sound_alone_has_no_video_stream(make_clip: MakeClip, read: Read, container: str) -> None:
    audio = {"wav": "pcm_s16le", "mp3": "libmp3lame", "ogg": "libopus"}.get(container, "aac")
    with pytest.raises(NoVideoStream):
        read(make_clip(container=container, video=None, audio=audio, audio_s=0.5))


def test_codecs_off_the_list_are_unsupported(make_clip: MakeClip, read: Read) -> None:
    with pytest.raises(UnsupportedMedia, match="ffv1"):
        read(make_clip(container="mkv", video="ffv1", audio=None))


def test_sound_codec_off_the_list_is_left_out_with_a_notice(
    make_clip: MakeClip, open_stream: OpenStream
) -> None:
    stream = open_stream(make_clip(container="mkv", audio="ac3"))
    assert not stream.source.has_audio
    assert _codes(stream) == (8, ["sound_unusable"])


@pytest.mark.parametrize(
    ("options", "cut"),
    [
        ({"muxer_options": (("movflags", "faststart"),)}, 0.5),
        ({"container": "mkv"}, 0.5),
        ({"container": "webm", "video": "libvpx-vp9", "audio": "libopus"}, 0.5),
        ({"container": "avi", "video": "mpeg4", "audio": "libmp3lame"}, 0.5),
    ],
)
def test_truncated_clip_gives_what_decodes_and_says_so(
    make_clip: MakeClip, write: Write, open_stream: OpenStream, options: dict[str, object], cut: float
) -> None:
    path = make_clip(frames=120, **options)
    data = path.read_bytes()
    n_frames, codes = _codes(open_stream(write(path.name, data[: int(len(data) * cut)])))
    assert 1 <= n_frames < 16
    assert "truncated" in codes


def test_whole_clips_are_not_called_truncated(make_clip: MakeClip, open_stream: OpenStream) -> None:
    longer_sound = make_clip(container="mkv", audio_s=6.0)
    late_frames = make_clip(times_s=(0.0, 0.5, 4.0))
    for path in (make_clip(), make_clip(container="mkv"), longer_sound, late_frames):
        assert _codes(open_stream(path))[1] == []


def test_truncated_before_the_index_is_corrupt(make_clip: MakeClip, write: Write, read: Read) -> None:
    data = make_clip().read_bytes()
    with pytest.raises(MediaCorrupt):
        read(write("half.mp4", data[: len(data) // 2]))


def test_truncated_before_the_first_frame_is_corrupt(make_clip: MakeClip, write: Write, read: Read) -> None:
    data = make_clip(container="mkv", audio=None).read_bytes()
    with pytest.raises(MediaCorrupt):
        read(write("head.mkv", data[:600]))


def _flipped(data: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 8, 64])):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


@pytest.mark.parametrize("seed", range(24))
def test_flipped_bits_never_do_worse_than_an_input_error(
    make_clip: MakeClip, write: Write, open_stream: OpenStream, seed: int
) -> None:
    options: dict[str, object] = [
        {},
        {"container": "mkv"},
        {"container": "avi", "video": "mpeg4", "audio": "libmp3lame"},
        {"container": "webm", "video": "libvpx-vp9", "audio": "libopus"},
    ][seed % 4]
    path = make_clip(frames=20, **options)
    rng = random.Random(seed)
    damaged = write(path.name, _flipped(path.read_bytes(), rng))
    try:
        n_frames, _ = _codes(open_stream(damaged))
    except MediaError:
        return  # any other error, of the parent or of the child, fails the test
    assert n_frames >= 1


def test_bomb_of_one_huge_frame_is_refused_by_its_header(make_clip: MakeClip, read: Read) -> None:
    bomb = make_clip(size=(8192, 8192), frames=1, audio=None)
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(LimitExceeded) as caught:
        read(bomb)
    assert caught.value.limit == LimitSettings().max_pixels
    assert caught.value.setting == "EARSIGHT_LIMITS__MAX_PIXELS"


def test_huge_frame_behind_a_header_that_lies_is_refused(
    make_clip: MakeClip, write: Write, read: Read
) -> None:
    data = bytearray(make_clip(size=(640, 480), frames=2, audio=None).read_bytes())
    entry = data.index(b"avc1", data.index(b"stsd"))
    assert struct.unpack_from(">HH", data, entry + 28) == (640, 480)
    struct.pack_into(">HH", data, entry + 28, 64, 48)
    with pytest.raises(LimitExceeded, match="640 x 480"):
        read(write("lie.mp4", bytes(data)), limits=LimitSettings(max_pixels=100_000))


def test_bomb_of_tiny_frames_at_a_thousand_per_second_is_refused(make_clip: MakeClip, read: Read) -> None:
    bomb = make_clip(container="avi", video="mpeg4", size=(32, 32), fps=1000, frames=1500, audio=None)
    with pytest.raises(LimitExceeded) as caught:
        read(bomb)
    assert (caught.value.limit, caught.value.setting) == (240.0, "EARSIGHT_LIMITS__MAX_FPS")


def test_burst_of_frames_hidden_in_a_slow_clip_is_refused_while_decoding(
    make_clip: MakeClip, read: Read
) -> None:
    times_s = (*(k / 1000 for k in range(400)), 60.0)
    with pytest.raises(LimitExceeded) as caught:
        read(make_clip(times_s=times_s, size=(32, 32), audio=None))
    assert caught.value.setting == "EARSIGHT_LIMITS__MAX_FPS"


@pytest.mark.parametrize("container", ["mp4", "mkv"])  # only the first counts its frames in the header
@pytest.mark.parametrize(
    ("limit", "setting"),
    [
        ({"max_frames": 50}, "MAX_FRAMES"),
        ({"max_duration_s": 1.0}, "MAX_DURATION_S"),
        ({"max_decoded_pixels": 50 * 160 * 120}, "MAX_DECODED_PIXELS"),
        ({"max_fps": 20.0}, "MAX_FPS"),
    ],
)
def test_each_budget_is_kept(
    make_clip: MakeClip, read: Read, container: str, limit: dict[str, float], setting: str
) -> None:
    with pytest.raises(LimitExceeded) as caught:
        read(make_clip(container=container), limits=LimitSettings(**limit))
    assert caught.value.limit == next(iter(limit.values()))
    assert caught.value.setting == f"EARSIGHT_LIMITS__{setting}"


def test_length_that_no_header_tells_is_limited_too(make_clip: MakeClip, read: Read) -> None:
    recording = make_clip(container="mkv", audio=None, muxer_options=(("live", "1"),))
    with pytest.raises(LimitExceeded) as caught:
        read(recording, limits=LimitSettings(max_duration_s=1.0))
    assert caught.value.setting == "EARSIGHT_LIMITS__MAX_DURATION_S"


def test_running_out_of_memory_is_a_limit_with_its_setting(make_clip: MakeClip, read: Read) -> None:
    little = DecodeSettings.model_construct(memory_bytes=8 * 1024 * 1024, cpu_s=60, stall_s=20.0, threads=1)
    with pytest.raises(LimitExceeded) as caught:
        read(
            make_clip(container="avi", video="mpeg4", size=(3840, 2160), frames=4, audio=None), decode=little
        )
    assert caught.value.setting == "EARSIGHT_DECODE__MEMORY_BYTES"


def _n_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_next_clip_works_and_no_descriptor_is_lost(
    make_clip: MakeClip, write: Write, read: Read, show: Callable[..., DisplayStream]
) -> None:
    good = make_clip()
    read(good)
    before = _n_descriptors()
    for content in (b"", b"text", good.read_bytes()[:2000]):
        bad = write("bad.mp4", content)
        with pytest.raises(EarsightError):
            read(bad)
        with pytest.raises(EarsightError):
            show(bad)
    assert len(read(good).frames) == 8
    assert _n_descriptors() == before


def test_cover_of_an_album_is_no_video(tmp_path: Path, clip_factory: ModuleType, read: Read) -> None:
    path = tmp_path / "album.mkv"
    options = clip_factory.ClipOptions(container="mkv", frames=1, video="mjpeg", pix_fmt="yuvj420p")
    clip_factory.write_clip(tmp_path / "plain.mkv", options)
    with av.open(str(tmp_path / "plain.mkv")) as source, av.open(str(path), "w", format="mp4") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for stream in streams.values():
            if stream.type == "video":
                stream.disposition = Disposition.attached_pic
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    with pytest.raises(NoVideoStream):
        read(path)
