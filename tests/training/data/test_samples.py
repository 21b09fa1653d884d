import numpy as np
import pytest

from app.errors import EarsightError, LimitExceeded, MediaError
from training.data.examples import Facts
from training.data.samples import LONGEST_S, Sample

BOX = np.array([[0.25, 0.0, 0.75, 0.5]])


def level_at(time_s):
    """What `write_video` shows then."""
    return 20 + 100 * time_s


@pytest.mark.parametrize("fps", [1, 2, 3, 8, 10])
@pytest.mark.parametrize("moment_s", [0.0, 0.73, 1.35, 1.99])
def test_the_annotated_frame_is_among_the_frames(tmp_path, write_video, fps, moment_s):
    sample = Sample(
        Facts("a"), write_video(tmp_path / "a.mp4", sound_from_s=None), time_s=moment_s, boxes=(BOX,)
    )
    footage = sample.footage(size=32, fps=fps)
    assert footage.judged.sum() == 1
    taken_s = footage.times_s[footage.judged][0]
    assert abs(taken_s - moment_s) <= 0.05 + 0.05  # half a step at ten frames a second, a frame of the video
    assert float(footage.frames[footage.judged].mean()) == pytest.approx(level_at(taken_s), abs=4)
    assert np.diff(footage.times_s) == pytest.approx(1 / fps, abs=0.06)
    assert len(footage.times_s) == pytest.approx(2 * fps, abs=1)


def test_a_footage_holds_what_the_contract_says(tmp_path, write_video):
    sample = Sample(Facts("a"), write_video(tmp_path / "a.mp4", sound_from_s=1.0), time_s=1.0, boxes=(BOX,))
    footage = sample.footage(size=32, fps=4)
    n = len(footage.times_s)
    assert (footage.frames.shape, footage.frames.dtype) == ((n, 32, 32, 3), np.uint8)
    assert (footage.truth.shape, footage.truth.dtype) == ((n, 224, 224), np.float32)
    assert footage.times_s.dtype == np.float64
    assert footage.waveform.dtype == np.float32
    assert not footage.truth[~footage.judged].any()
    # Columns 56 to 167 and rows 0 to 111 of 224.
    assert footage.truth[footage.judged].sum() == 112 * 112
    assert footage.truth[footage.judged][0, 0, 56] == 1
    start = round(-16_000 * footage.waveform_start_s)
    loud = np.abs(footage.waveform[start + 17_000 : start + 30_000]).max()
    assert loud > 0.3
    assert np.abs(footage.waveform[start : start + 14_000]).max() < 0.05


def test_without_boxes_nothing_is_judged_and_frames_start_at_the_beginning(tmp_path, write_video):
    footage = Sample(Facts("a"), write_video(tmp_path / "a.mp4", sound_from_s=None)).footage(size=32, fps=2)
    assert footage.times_s == pytest.approx([0.0, 0.5, 1.0, 1.5], abs=0.051)
    assert not footage.judged.any()
    assert not footage.truth.any()
    assert footage.waveform.size == 0


def test_without_a_moment_the_middle_is_the_annotated_one(tmp_path, write_video, write_picture, write_sound):
    video = Sample(Facts("a"), write_video(tmp_path / "a.mp4"), boxes=(BOX,)).footage(size=32, fps=3)
    assert video.times_s[video.judged] == pytest.approx([1.0], abs=0.051)
    picture, sound = write_picture(tmp_path / "b.jpg"), write_sound(tmp_path / "b.wav", seconds=3.0)
    still = Sample(Facts("b"), picture, sound, boxes=(BOX,)).footage(size=32, fps=2)
    assert still.times_s[still.judged] == pytest.approx([1.5], abs=0.051)
    assert len(still.waveform) == pytest.approx(48_000, abs=100)


def test_a_negative_pair_is_judged_to_be_empty(tmp_path, write_video):
    picture = write_video(tmp_path / "seen.mp4", sound_from_s=None)
    sound = write_video(tmp_path / "heard.mp4")
    footage = Sample(Facts("a", sounding=False), picture, sound).footage(size=32, fps=2)
    assert footage.judged.sum() == 1
    assert not footage.truth.any()
    assert np.abs(footage.waveform).max() > 0.3  # the sound of the other video


def test_things_are_where_their_boxes_are_in_the_judged_frame_only(tmp_path, write_video):
    boxes = np.array([[0.25, 0.0, 0.75, 0.5], [0.0, 0.5, 1.0, 1.0]])
    video = write_video(tmp_path / "a.mp4")
    sample = Sample(Facts("a"), video, time_s=1.0, boxes=(boxes,), box_labels=("dog", "car"))
    footage = sample.footage(size=32, fps=2)
    assert footage.judged.sum() == 1
    assert [thing.label for thing in footage.things] == ["dog", "car"]
    for thing, box in zip(footage.things, boxes, strict=True):
        assert (thing.boxes.shape, thing.boxes.dtype) == ((len(footage.times_s), 4), np.float32)
        assert thing.boxes[footage.judged].tolist() == [box.tolist()]
        assert np.isnan(thing.boxes[~footage.judged]).all()
        assert thing.sounding.dtype == np.bool_
        assert thing.sounding.tolist() == footage.judged.tolist()


def test_things_of_a_negative_pair_are_in_sight_and_silent(tmp_path, write_video):
    facts = Facts("a", sounding=False)
    footage = Sample(facts, write_video(tmp_path / "a.mp4"), boxes=(BOX,)).footage(size=32, fps=2)
    (thing,) = footage.things
    assert thing.boxes[footage.judged].tolist() == BOX.tolist()
    assert np.isnan(thing.boxes[~footage.judged]).all()
    assert not thing.sounding.any()


def test_things_without_names_of_their_own_are_what_is_heard(tmp_path, write_video):
    video = write_video(tmp_path / "a.mp4", sound_from_s=None)

    twice = (np.concatenate([BOX, BOX]),)

    def names(*labels):
        footage = Sample(Facts("a", labels=labels), video, boxes=twice).footage(size=32, fps=2)
        return [thing.label for thing in footage.things]

    assert names("dog") == ["dog", "dog"]
    assert names("dog", "car") == ["dog and car", "dog and car"]
    assert names() == ["", ""]


def test_things_are_what_the_first_annotator_drew(tmp_path, write_video):
    video = write_video(tmp_path / "a.mp4", sound_from_s=None)
    other = np.array([[0.0, 0.0, 0.5, 1.0], [0.5, 0.5, 1.0, 1.0]])
    footage = Sample(Facts("a"), video, boxes=(BOX, other), agreement=2).footage(size=32, fps=2)
    assert [thing.boxes[footage.judged].tolist() for thing in footage.things] == [BOX.tolist()]
    assert Sample(Facts("a"), video).footage(size=32, fps=2).things == ()


def test_annotators_agree_where_two_boxes_overlap(tmp_path):
    first = np.array([[0, 0, 128, 256]]) / 256  # columns 0 to 111 of 224
    second = np.array([[64, 0, 192, 256]]) / 256  # columns 56 to 167
    truth = Sample(Facts("a"), tmp_path / "a.jpg", boxes=(first, second), agreement=2).truth()
    row = truth[100]
    assert row[:56] == pytest.approx(0.5)
    assert row[56:112] == pytest.approx(1.0)
    assert row[112:168] == pytest.approx(0.5)
    assert row[168:] == pytest.approx(0.0)


def test_two_boxes_of_one_annotator_count_as_agreement(tmp_path):
    # As in the published code, which adds up boxes and not annotators.
    twice = np.array([[0.0, 0.0, 0.5, 1.0], [0.0, 0.0, 0.5, 1.0]])
    truth = Sample(Facts("a"), tmp_path / "a.jpg", boxes=(twice,), agreement=2).truth()
    assert truth.sum() == 112 * 224


def test_boxes_of_one_annotator_are_joined(tmp_path):
    boxes = np.array([[0.0, 0.0, 0.5, 1.0], [0.25, 0.0, 0.75, 1.0]])
    truth = Sample(Facts("a"), tmp_path / "a.jpg", boxes=(boxes,)).truth()
    assert truth.max() == 1
    assert truth.sum() == 168 * 224  # columns 0 to 167


def test_errors_name_the_file(tmp_path, write_video, write_picture):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all" * 10)
    with pytest.raises(MediaError, match=r"broken\.mp4: "):
        Sample(Facts("a"), broken).footage(size=32, fps=2)
    with pytest.raises(EarsightError, match=r"gone\.mp4"):
        Sample(Facts("a"), tmp_path / "gone.mp4").footage(size=32, fps=2)
    picture = write_picture(tmp_path / "p.png")
    with pytest.raises(MediaError, match=r"p\.png with .*broken\.mp4"):
        Sample(Facts("a"), picture, broken).footage(size=32, fps=2)


def test_a_video_that_ends_before_the_annotated_moment_is_refused(
    tmp_path, write_video, write_picture, write_sound
):
    video = Sample(Facts("a"), write_video(tmp_path / "cut.mp4"), time_s=5.0, boxes=(BOX,))
    with pytest.raises(MediaError, match=r"cut\.mp4: its last frame is at 1\.9. s, the annotated one at 5 s"):
        video.footage(size=32, fps=2)
    picture, sound = write_picture(tmp_path / "b.jpg"), write_sound(tmp_path / "b.wav", seconds=2.0)
    still = Sample(Facts("b"), picture, sound, time_s=5.0, boxes=(BOX,)).footage(size=32, fps=2)
    assert still.judged[-1]


def test_what_is_too_long_is_refused_with_advice(tmp_path, write_video):
    path = write_video(tmp_path / "long.mp4", seconds=LONGEST_S + 10, fps=1, sound_from_s=None)
    with pytest.raises(LimitExceeded, match=r"long\.mp4: .*300 s are allowed; cut it into pieces") as caught:
        Sample(Facts("a"), path).footage(size=32, fps=1)
    assert caught.value.setting is None
