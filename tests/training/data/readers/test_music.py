import json

import numpy as np
import pytest

from training.data.readers import DataError, find_reader
from training.data.readers.music import from_corner_and_size

SOLO = {"file": "aaaaaaaaaaa_000_00007", "class": "acoustic_guitar", "bbox": [0.5, 0.25, 0.25, 0.5]}
DUET = {
    "file": "bbbbbbbbbbb_001_00030",
    "class_src1": "cello",
    "bbox_src1": [0.0, 0.0, 0.5, 1.0],
    "class_src2": "flute",
    "bbox_src2": [0.5, 0.5, 0.5, 0.5],
}


def place(root, file, write_picture, write_sound):
    write_picture(root / "frames" / f"{file}.jpg")
    write_sound(root / "audio" / f"{file}.wav")


def test_boxes_are_corner_and_size(tmp_path, write_picture, write_sound):
    (tmp_path / "music_solo.json").write_text(json.dumps([SOLO, {**SOLO, "file": "ccccccccccc_000_00000"}]))
    place(tmp_path, SOLO["file"], write_picture, write_sound)
    reading = find_reader("music-solo").read(tmp_path)
    assert reading.missing == ("ccccccccccc_000_00000",)
    (sample,) = reading.samples
    assert (sample.facts.id, sample.facts.group) == ("aaaaaaaaaaa_000_00007", "aaaaaaaaaaa")
    assert (sample.facts.labels, sample.facts.split) == (("acoustic guitar",), "test")
    assert sample.boxes[0].tolist() == [[0.5, 0.25, 0.75, 0.75]]
    footage = sample.footage(size=16, fps=2)
    assert footage.truth[footage.judged].sum() == 56 * 112
    assert footage.truth[footage.judged][0, 56, 112] == 1


def test_a_duet_is_one_sample_with_a_box_for_each_instrument(tmp_path, write_picture, write_sound):
    (tmp_path / "music_duet.json").write_text(json.dumps([DUET]))
    place(tmp_path, DUET["file"], write_picture, write_sound)
    (sample,) = find_reader("music-duet").read(tmp_path).samples
    assert sample.facts.labels == sample.box_labels == ("cello", "flute")
    assert sample.facts.scene == ""
    assert sample.boxes[0].tolist() == [[0, 0, 0.5, 1], [0.5, 0.5, 1, 1]]
    assert sample.truth().sum() == 112 * 224 + 112 * 112


def test_a_frame_that_is_listed_twice_counts_once(tmp_path, write_picture, write_sound):
    (tmp_path / "music_solo.json").write_text(json.dumps([SOLO, SOLO]))
    place(tmp_path, SOLO["file"], write_picture, write_sound)
    reading = find_reader("music-solo").read(tmp_path)
    assert len(reading.samples) == 1
    assert SOLO["file"] in reading.remarks[0]


@pytest.mark.parametrize(
    "document",
    [
        [DUET],
        {"a": 1},
        [{**SOLO, "bbox": [0.5, 0.25, 0.75, 0.75]}],  # corners: 0.5 + 0.75 > 1
        [{**SOLO, "bbox": [0.5, 0.25, 0.0, 0.75]}],
        [{**SOLO, "bbox": [0.5, 0.25, 0.2]}],
    ],
)
def test_another_list_is_refused(tmp_path, document):
    (tmp_path / "music_solo.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"music_solo\.json is not a list of MUSIC frames"):
        find_reader("music-solo").read(tmp_path)


def test_a_box_may_end_at_the_edge():
    third = 1 / 3
    boxes = from_corner_and_size([[third, 0.0, 1 - third + 1e-9, 1.0]])
    assert boxes.tolist() == [[third, 0.0, 1.0, 1.0]]
    assert from_corner_and_size(np.empty((0, 4))).shape == (0, 4)
