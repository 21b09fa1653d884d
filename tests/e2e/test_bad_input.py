"""Every bad input gets its documented answer, leaves nothing behind, and does not hurt the next request."""

import random
from fractions import Fraction
from pathlib import Path

import av
import pytest

from app.api.schemas import Problem, ResultDocument


@pytest.fixture(scope="module")
def good(make_clip):
    return make_clip(bursts=((0.0, 2.0),))


@pytest.fixture
def send(server, good):
    """Send a file; afterwards the scratch directory is empty and a good clip is still analysed."""

    def post(path, *, audio=None, **query):
        parts = [("file", path)] if audio is None else [("file", path), ("audio", audio)]
        with server.client() as client:
            files = {name: (part.name, part.read_bytes()) for name, part in parts}
            response = client.post("/v1/localize", files=files, params=query)
        assert server.leftovers() == []
        with server.client() as client:
            again = client.post("/v1/localize", files={"file": good.read_bytes()}, params={"fps": 1})
        assert again.status_code == 200
        return response

    return post


@pytest.fixture
def refusal(send):
    """Send a file that must be refused; returns the problem."""

    def post(path, **arguments):
        response = send(path, **arguments)
        assert response.headers["content-type"] == "application/problem+json", response.text[:300]
        problem = Problem.model_validate_json(response.content)
        assert problem.status == response.status_code
        assert problem.request_id == response.headers["x-request-id"]
        assert "scratch" not in problem.detail
        return problem

    return post


@pytest.fixture
def result(send):
    """Send a file that must be analysed; returns the result."""

    def post(path, **arguments):
        response = send(path, **arguments)
        assert response.status_code == 200, response.text
        return ResultDocument.model_validate_json(response.content)

    return post


@pytest.fixture
def write(tmp_path):
    def write_file(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write_file


def test_empty_file(refusal, write):
    problem = refusal(write("empty.mp4", b""))
    assert (problem.status, problem.code) == (422, "media_corrupt")


@pytest.mark.parametrize(
    "content",
    [b"hello\n" * 100, b"PK\x03\x04" + bytes(500), b"GIF89a" + bytes(500), b"\x00", bytes(100_000), b"RIFF"],
    ids=["text", "zip", "gif", "one zero", "zeros", "half a magic"],
)
def test_something_else_renamed_to_mp4(refusal, write, content):
    problem = refusal(write("renamed.mp4", content))
    assert (problem.status, problem.code) == (415, "unsupported_media")


def test_clip_cut_off_before_its_index(refusal, write, good):
    problem = refusal(write("cut.mp4", good.read_bytes()[: good.stat().st_size // 2]))
    assert (problem.status, problem.code) == (422, "media_corrupt")


def test_clip_cut_off_in_its_pictures_is_analysed_as_far_as_it_goes(result, write, make_clip):
    whole = make_clip(container="mkv", audio="aac", bursts=((0.0, 2.0),)).read_bytes()
    found = result(write("cut.mkv", whole[: len(whole) * 2 // 3]))
    assert 0 < len(found.frames) < 8


def test_flipped_bits(send, write, make_clip):
    clips = [make_clip(container=container).read_bytes() for container in ("mp4", "mkv")]
    dice = random.Random(5)
    for number in range(6):
        data = bytearray(clips[number % 2])
        for _ in range(30):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        response = send(write("flipped", bytes(data)))
        codes = {"media_corrupt", "unsupported_media", "no_video_stream", "limits_exceeded"}
        assert response.status_code == 200 or response.json()["code"] in codes, response.text


def test_random_bytes_behind_a_good_header(refusal, write, good):
    noise = random.Random(7).randbytes(50_000)
    problem = refusal(write("noise.mp4", good.read_bytes()[:64] + noise))
    assert (problem.status, problem.code) == (422, "media_corrupt")


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_no_video_stream(refusal, make_clip, container):
    problem = refusal(make_clip(container=container, frames=0, audio_s=1.0))
    assert (problem.status, problem.code) == (422, "no_video_stream")


def test_sound_file_as_the_clip(refusal, make_clip):
    problem = refusal(make_clip(container="wav", audio="pcm_s16le", frames=0, audio_s=1.0))
    assert (problem.status, problem.code) == (422, "no_video_stream")


def test_no_audio_stream_is_silence_and_a_warning(result, make_clip):
    found = result(make_clip(audio=None))
    assert [warning.code for warning in found.warnings] == ["no_audio"]
    assert {frame.presence for frame in found.frames} == {0.0}


def test_no_audio_stream_and_a_separate_sound(result, make_clip, good):
    found = result(make_clip(audio=None), audio=good)
    assert found.warnings == ()
    assert max(frame.presence for frame in found.frames) > 0.5


def test_separate_sound_without_sound(refusal, make_clip, good):
    problem = refusal(good, audio=make_clip(audio=None))
    assert (problem.status, problem.code) == (422, "no_audio_stream")


def test_one_frame(result, make_clip):
    assert len(result(make_clip(frames=1, audio_s=0.5)).frames) == 1


@pytest.mark.parametrize("size", [(161, 121), (17, 33), (2, 2)])
def test_odd_sizes(result, make_clip, size):
    found = result(make_clip(size=size, pix_fmt="yuv444p", frames=10))
    assert (found.source.width, found.source.height) == size


def test_variable_frame_rate(result, make_clip):
    times_s = (0.0, 0.1, 0.15, 0.9, 1.0, 1.6, 2.4)
    found = result(make_clip(times_s=times_s), fps=2)
    for frame in found.frames:
        assert frame.time_s == pytest.approx(times_s[frame.frame], abs=0.002)


def test_rotated(result, make_clip):
    found = result(make_clip(rotation_deg=90))
    assert (found.source.width, found.source.height, found.source.rotation_deg) == (120, 160, 90)


DEPTHS = ("yuv420p10le", "yuv420p")


def test_ten_bit(result, make_clip):
    deep, usual = (result(make_clip(pix_fmt=name, bursts=((0.0, 2.0),))) for name in DEPTHS)
    for one, other in zip(deep.frames, usual.frames, strict=True):
        assert (one.heatmap.peak.x, one.heatmap.peak.y) == (other.heatmap.peak.x, other.heatmap.peak.y)
        assert one.heatmap.peak.score == pytest.approx(other.heatmap.peak.score, abs=0.02)


def test_bomb_of_8192_by_8192_pixels(refusal, tmp_path):
    bomb = tmp_path / "bomb.mp4"
    with av.open(str(bomb), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 8192
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast"}
        frame = av.VideoFrame(8192, 8192, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        for number in range(2):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert bomb.stat().st_size < 200_000
    problem = refusal(bomb)
    assert (problem.status, problem.code) == (422, "limits_exceeded")
    assert problem.setting == "EARSIGHT_LIMITS__MAX_PIXELS"


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_200_000_tiny_frames(refusal, make_clip, tmp_path, container):
    short = make_clip(size=(64, 64), frames=250, audio=None, container=container)
    problem = refusal(repeat_frames(short, tmp_path / f"many.{container}", times=800, fps=1000))
    assert (problem.status, problem.code) == (422, "limits_exceeded")
    assert problem.setting == "EARSIGHT_LIMITS__MAX_FPS"


def repeat_frames(source, target, *, times, fps):
    """Write the packets of `source` over and over, with a rate of `fps`."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        packets = [packet for packet in old.demux(video=0) if packet.size]
        blocks = [bytes(packet) for packet in packets]
        keys = [packet.is_keyframe for packet in packets]
        stream = new.add_stream_from_template(old.streams.video[0])
        stream.time_base = Fraction(1, 90_000)
        for number in range(times * len(blocks)):
            packet = av.Packet(blocks[number % len(blocks)])
            packet.stream, packet.time_base = stream, Fraction(1, fps)
            packet.pts = packet.dts = number
            packet.is_keyframe = keys[number % len(blocks)]
            new.mux(packet)
    return target


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{path}\n#EXT-X-ENDLIST\n",
    "hls of a url": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/{path}\n",
    "concat": "ffconcat version 1.0\nfile '{path}'\n",
    "dash": "<?xml version='1.0'?><MPD><Period><BaseURL>file://{path}</BaseURL></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    "subtitle": "1\n00:00:00,000 --> 00:00:10,000\n{path}\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", ["m3u8", "mp4"])
def test_playlist_that_points_at_another_file(refusal, write, good, kind, suffix):
    playlist = write(f"list.{suffix}", PLAYLISTS[kind].format(path=good).encode())
    problem = refusal(playlist)
    assert (problem.status, problem.code) == (415, "unsupported_media")


def test_unknown_format_of_the_answer(refusal, good):
    problem = refusal(good, format="avi")
    assert (problem.status, problem.code) == (406, "not_acceptable")


@pytest.mark.parametrize("field", ["video", "files", "File", ""])
def test_wrong_field_name(server, good, field):
    with server.client() as client:
        response = client.post("/v1/localize", files={field: good.read_bytes()})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert "'file'" in response.json()["detail"]
    assert server.leftovers() == []


def test_clip_as_the_bare_body(server, good):
    with server.client() as client:
        headers = {"Content-Type": "video/mp4"}
        response = client.post("/v1/localize", content=good.read_bytes(), headers=headers)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media")
    assert "multipart" in response.json()["detail"]
