import json

import numpy as np
import pytest

from training.data.readers import DataError, find_reader

A, B, C, D = (f"{letter * 11}_000001" for letter in "abcd")
HEADING = "video,audio,label\n"


@pytest.fixture
def extended(tmp_path, write_video, write_picture, write_sound):
    """A and B are dogs, C is a bell; D is in no annotation file."""
    classes = {A: "dog barking", B: "dog barking", C: "church bell"}
    boxes = [{"file": clip, "class": label, "bbox": [[0, 0, 0.5, 1]]} for clip, label in classes.items()]
    (tmp_path / "vggss.json").write_text(json.dumps(boxes))
    write_video(tmp_path / f"{A}.mp4", sound_from_s=None)
    write_video(tmp_path / f"{B}.mp4")
    write_picture(tmp_path / "frames" / f"{C}.jpg")
    write_sound(tmp_path / "audio" / f"{C}.wav", seconds=2.0)
    write_picture(tmp_path / "frames" / f"{D}.jpg")
    write_sound(tmp_path / "audio" / f"{D}.wav", seconds=2.0)
    rows = [(A, B), (C, B), (B, C), (D, D), (A, "eeeeeeeeeee_000001")]
    table = "".join(f"{video},{audio},non-sounding\n" for video, audio in rows)
    (tmp_path / "vggss_test_plus_silent.csv").write_text(HEADING + f"{A},{A},sounding\n" + table)
    return tmp_path


def test_pairs_are_negatives_and_the_boxes_come_too(extended):
    reading = find_reader("vggss-extended").read(extended)
    positives = [sample for sample in reading.samples if sample.facts.sounding]
    negatives = [sample for sample in reading.samples if not sample.facts.sounding]
    assert [sample.facts.id for sample in positives] == [A, B, C]
    assert [sample.facts.id for sample in negatives] == [f"{A}+{B}", f"{C}+{B}", f"{B}+{C}", f"{D}+{D}"]
    assert reading.missing == (f"{A} with the sound of eeeeeeeeeee_000001",)
    assert [sample.facts.labels for sample in negatives] == [
        ("dog barking",), ("dog barking",), ("church bell",), (),
    ]  # fmt: skip
    assert negatives[0].facts.group == positives[0].facts.group  # one picture
    assert {sample.facts.split for sample in reading.samples} == {"test"}


def test_doubtful_negatives_are_marked_and_counted(extended):
    reading = find_reader("vggss-extended").read(extended)
    extras = [sample.facts.extra for sample in reading.samples if not sample.facts.sounding]
    assert extras == [
        {"negative": "other sound", "same_class": "yes"},
        {"negative": "other sound", "same_class": "no"},
        {"negative": "other sound", "same_class": "no"},
        {"negative": "own sound"},
    ]
    assert reading.remarks[0].endswith("own sound, taken to come from out of sight: 1.")
    assert reading.remarks[1].endswith("heard in another of the same class: 1.")


def test_a_negative_has_the_frame_of_one_and_the_sound_of_the_other(extended):
    by_id = {sample.facts.id: sample for sample in find_reader("vggss-extended").read(extended).samples}
    mixed = by_id[f"{A}+{B}"].footage(size=16, fps=2)
    assert np.abs(mixed.waveform).max() > 0.3  # A itself is silent
    assert mixed.judged.sum() == 1
    assert not mixed.truth.any()
    still = by_id[f"{C}+{B}"].footage(size=16, fps=2)  # a picture with the sound of a video
    assert still.frames.mean() == pytest.approx(128, abs=3)
    assert np.abs(still.waveform).max() > 0.3
    own = by_id[f"{D}+{D}"].footage(size=16, fps=2)
    assert not own.truth.any()


def test_a_pair_that_is_listed_twice_counts_once(extended):
    path = extended / "vggss_test_plus_silent.csv"
    path.write_text(path.read_text() + f"{A},{B},non-sounding\n")
    reading = find_reader("vggss-extended").read(extended)
    assert len(reading.samples) == 7
    assert any(f"({A}+{B})" in remark for remark in reading.remarks)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", f"{A},{B},non-sounding\n", HEADING + "a,b\n"])
def test_another_table_is_refused(extended, text):
    (extended / "vggss_test_plus_silent.csv").write_text(text)
    with pytest.raises(DataError, match="does not have the columns video, audio, label"):
        find_reader("vggss-extended").read(extended)


def test_flickr_pairs_go_with_the_test_pictures_only(tmp_path, put):
    put(tmp_path, *(f"frames/{name}.jpg" for name in "123"), *(f"audio/{name}.wav" for name in "123"))
    (tmp_path / "Annotations").mkdir()
    box = "<bbox><n/><e>0</e><e>0</e><e>128</e><e>256</e></bbox>"
    for name in "12":
        (tmp_path / "Annotations" / f"{name}.xml").write_text(f"<a><b>{box}</b></a>")
    (tmp_path / "flickr_test.csv").write_text("1,0\n")
    (tmp_path / "flickr_test_plus_silent.csv").write_text(HEADING + "1,3,non-sounding\n")
    reading = find_reader("flickr-extended").read(tmp_path)
    assert [(sample.facts.id, sample.facts.sounding) for sample in reading.samples] == [
        ("1", True),
        ("1+3", False),
    ]
    assert reading.samples[1].facts.group == reading.samples[0].facts.group == "1"
    assert reading.samples[1].audio == tmp_path / "audio/3.wav"
