"""The committed sample clip is what its description says it is."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from training.data.sample import DEFAULT_PAIR, PAIRS, TURN_S, soundtrack
from training.data.sample_sounds import PEAK, RATE_HZ, car_horn, guitar

SAMPLES = Path(__file__).parents[3] / "app" / "samples"
CLIP = SAMPLES / "sample.mp4"
_AAC_EDGE_S = 0.1  # AAC smears a transient by less than this


@pytest.fixture(scope="module")
def truth() -> dict:
    return json.loads((SAMPLES / "sample.json").read_text())


@pytest.fixture(scope="module")
def loudness():
    """Root mean square of the sound between two times."""
    with av.open(str(CLIP)) as container:
        rate_hz = container.streams.audio[0].rate
        waveform = np.concatenate([frame.to_ndarray().mean(0) for frame in container.decode(audio=0)])

    def between(from_s: float, to_s: float) -> float:
        return float(np.sqrt(np.mean(waveform[round(from_s * rate_hz) : round(to_s * rate_hz)] ** 2)))

    return between


def test_the_clip_is_as_described(truth):
    assert CLIP.name == truth["clip"]
    assert CLIP.stat().st_size < 1_000_000
    with av.open(str(CLIP)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height) == (truth["width"], truth["height"])
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert len(times) == truth["duration_s"] * truth["fps"]
    assert times[0] == 0
    assert times[-1] == pytest.approx(truth["duration_s"] - 1 / truth["fps"], abs=1e-3)


def test_each_turn_sounds_and_the_rest_is_silent(truth, loudness):
    for turn in truth["turns"]:
        assert loudness(turn["from_s"], turn["to_s"]) > 0.02
    silence = truth["silence"]
    assert loudness(silence["from_s"] + _AAC_EDGE_S, silence["to_s"]) < 1e-4


def test_the_turns_follow_each_other_and_silence_ends_the_clip(truth):
    first, second = truth["turns"]
    times = [0.0, first["to_s"], second["to_s"], truth["duration_s"]]
    assert [first["from_s"], second["from_s"], truth["silence"]["from_s"]] == times[:-1]
    assert truth["silence"]["to_s"] == times[-1]


def test_the_boxes_lie_in_the_frame_and_hardly_touch(truth):
    boxes = [np.array(turn["box"]) for turn in truth["turns"]]
    for box in boxes:
        assert ((box >= 0) & (box <= 1)).all()
        width, height = box[2:] - box[:2]
        assert width >= 0.35
        assert height >= 0.35
    overlap = np.prod(
        np.clip(np.minimum(boxes[0][2:], boxes[1][2:]) - np.maximum(boxes[0][:2], boxes[1][:2]), 0, 1)
    )
    assert overlap < 0.02


def test_the_picture_moves(truth):
    with av.open(str(CLIP)) as container:
        frames = [frame.to_ndarray(format="gray8").astype(np.int16) for frame in container.decode(video=0)]
    assert np.abs(frames[0] - frames[len(frames) // 4]).mean() > 2


def test_every_picture_used_is_credited():
    credits = (SAMPLES / "CREDITS.md").read_text()
    for subject in PAIRS[DEFAULT_PAIR]:
        assert subject.stamp.path in credits
        assert subject.stamp.author in credits


@pytest.mark.parametrize("sound", [guitar, car_horn])
def test_a_sound_is_the_same_every_time_and_as_long_as_asked_for(sound):
    wave = sound(TURN_S)
    assert len(wave) == round(TURN_S * RATE_HZ)
    assert np.abs(wave).max() == pytest.approx(PEAK)
    assert np.array_equal(wave, sound(TURN_S))


def test_the_soundtrack_ends_in_digital_silence():
    track = soundtrack(PAIRS[DEFAULT_PAIR])
    assert track[-RATE_HZ:].any() == np.False_
    assert track[: round(2 * TURN_S * RATE_HZ)].any()
