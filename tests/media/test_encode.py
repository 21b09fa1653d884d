from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from app.media.encode import ClipWriter, YuvConverter

WIDTH, HEIGHT = 64, 48


def _picture(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), colour, np.uint8)


def _tone(duration_s: float, rate_hz: int, *, channels: int = 1) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(duration_s * rate_hz)) / rate_hz)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


def _write(path: Path, times_s: list[float], *, blocks: list[tuple[float, np.ndarray]], rate_hz: int) -> None:
    channels = blocks[0][1].shape[1] if blocks else 0
    converter = YuvConverter()
    with ClipWriter(
        path, width=WIDTH, height=HEIGHT, fps=25, sound_rate_hz=rate_hz, sound_channels=channels
    ) as writer:
        for time_s in times_s:
            writer.add_frame(converter.convert(_picture((200, 40, 40))), time_s)
        for start_s, samples in blocks:
            writer.add_sound(samples, start_s)


def _decoded_times_s(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def _decoded_sound(path: Path) -> tuple[np.ndarray, int]:
    with av.open(str(path)) as container:
        planes = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return np.concatenate(planes, axis=1), container.streams.audio[0].rate


def _top_level_boxes(path: Path) -> list[str]:
    data, place, names = path.read_bytes(), 0, []
    while place < len(data):
        names.append(data[place + 4 : place + 8].decode("latin-1"))
        place += int.from_bytes(data[place : place + 4], "big")
    return names


def test_file_is_h264_high_in_yuv420p_with_the_index_in_front(tmp_path):
    path = tmp_path / "clip.mp4"
    _write(path, [0.0, 0.04, 0.08], blocks=[(0.0, _tone(0.12, 16_000))], rate_hz=16_000)
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.codec_context.profile) == ("h264", "High")
        assert (video.width, video.height, video.codec_context.pix_fmt) == (WIDTH, HEIGHT, "yuv420p")
        assert container.streams.audio[0].codec_context.name == "aac"
    boxes = _top_level_boxes(path)
    assert boxes.index("moov") < boxes.index("mdat")


def test_irregular_frame_times_are_kept(tmp_path):
    path = tmp_path / "clip.mp4"
    times_s = [0.0, 0.04, 0.3, 0.35, 1.2]
    _write(path, times_s, blocks=[], rate_hz=0)
    assert _decoded_times_s(path) == pytest.approx(times_s, abs=1e-4)


def test_frames_with_the_same_time_are_all_kept(tmp_path):
    path = tmp_path / "clip.mp4"
    _write(path, [0.0, 0.0, 0.0], blocks=[], rate_hz=0)
    assert len(_decoded_times_s(path)) == 3


def test_colours_come_back(tmp_path):
    path = tmp_path / "clip.mp4"
    _write(path, [0.0], blocks=[], rate_hz=0)
    with av.open(str(path)) as container:
        image = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert image.reshape(-1, 3).mean(axis=0) == pytest.approx([200, 40, 40], abs=4)


@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 1), (44_100, 2), (8_000, 1)])
def test_sound_keeps_its_rate_channels_and_length(tmp_path, rate_hz, channels):
    path = tmp_path / "clip.mp4"
    blocks = [(0.0, _tone(0.5, rate_hz, channels=channels)), (0.5, _tone(0.5, rate_hz, channels=channels))]
    _write(path, [0.0, 0.9], blocks=blocks, rate_hz=rate_hz)
    sound, decoded_rate_hz = _decoded_sound(path)
    assert (decoded_rate_hz, sound.shape[0]) == (rate_hz, channels)
    assert sound.shape[1] / rate_hz == pytest.approx(1.0, abs=0.13)
    middle = sound[:, rate_hz // 4 : rate_hz * 3 // 4]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_rate_that_aac_does_not_know_is_resampled(tmp_path):
    path = tmp_path / "clip.mp4"
    _write(path, [0.0, 0.9], blocks=[(0.0, _tone(1.0, 50_000))], rate_hz=50_000)
    sound, rate_hz = _decoded_sound(path)
    assert rate_hz == 64_000
    assert sound.shape[1] / rate_hz == pytest.approx(1.0, abs=0.05)


def _loudness(sound: np.ndarray, rate_hz: int, start_s: float, end_s: float) -> float:
    return float(np.sqrt(np.mean(sound[:, round(start_s * rate_hz) : round(end_s * rate_hz)] ** 2)))


def test_gaps_and_a_late_start_are_filled_with_silence(tmp_path):
    path, rate_hz = tmp_path / "clip.mp4", 16_000
    blocks = [(0.5, _tone(0.5, rate_hz)), (1.5, _tone(0.5, rate_hz))]
    _write(path, [0.0, 1.9], blocks=blocks, rate_hz=rate_hz)
    sound, _ = _decoded_sound(path)
    assert _loudness(sound, rate_hz, 0.05, 0.4) < 0.01
    assert _loudness(sound, rate_hz, 0.6, 0.9) > 0.3
    assert _loudness(sound, rate_hz, 1.1, 1.4) < 0.01
    assert _loudness(sound, rate_hz, 1.6, 1.9) > 0.3


def test_sound_before_the_first_frame_and_overlaps_are_dropped(tmp_path):
    path, rate_hz = tmp_path / "clip.mp4", 16_000
    quiet, loud = np.zeros((rate_hz, 1), np.float32), _tone(1.0, rate_hz)
    _write(
        path, [0.0, 0.9], blocks=[(-0.5, np.concatenate([loud[:8000], quiet])), (0.5, loud)], rate_hz=rate_hz
    )
    sound, _ = _decoded_sound(path)
    assert sound.shape[1] / rate_hz == pytest.approx(1.5, abs=0.13)
    assert _loudness(sound, rate_hz, 0.05, 0.95) < 0.01
    assert _loudness(sound, rate_hz, 1.05, 1.45) > 0.3


def test_jitter_of_container_clocks_adds_no_clicks(tmp_path):
    path, rate_hz = tmp_path / "clip.mp4", 16_000
    tone = _tone(1.0, rate_hz)
    starts = range(0, rate_hz, 800)
    blocks = [
        (start / rate_hz + (0.004 if number % 2 else -0.004), tone[start : start + 800])
        for number, start in enumerate(starts)
    ]
    _write(path, [0.0, 0.9], blocks=blocks, rate_hz=rate_hz)
    sound, _ = _decoded_sound(path)
    assert np.abs(np.diff(sound[0, 1600:14400])).max() < 0.12  # the tone itself moves 0.09 a sample


def test_odd_size_and_too_many_channels_are_refused(tmp_path):
    path = tmp_path / "clip.mp4"
    with pytest.raises(ValueError, match="even"):
        ClipWriter(path, width=63, height=48, fps=25)
    with pytest.raises(ValueError, match="channels"):
        ClipWriter(path, width=64, height=48, fps=25, sound_rate_hz=48_000, sound_channels=6)
    assert not path.exists()


def test_failure_inside_reaches_the_caller_as_it_was(tmp_path):
    def fail() -> None:
        with ClipWriter(tmp_path / "clip.mp4", width=WIDTH, height=HEIGHT, fps=25) as writer:
            writer.add_frame(YuvConverter().convert(_picture((1, 2, 3))), 0.0)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()
