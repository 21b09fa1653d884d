import json

import pytest

from training.data.readers import DataError, find_reader

READER = find_reader("audioset-instrument")
FLUTE = {"category": 5, "normbox": [0.5, 0.0, 0.5, 0.5]}
DRUM = {"category": 2, "normbox": [0.0, 0.0, 0.25, 1.0]}


def write_boxes(root, **seconds):
    document = {key.replace("__", "/"): {"bbox": boxes} for key, boxes in seconds.items()}
    (root / "audioset_box.json").write_text(json.dumps(document))


def test_seconds_of_clips_have_boxes_in_numbered_categories(tmp_path, write_video, put):
    write_boxes(tmp_path, aaaaaaaaaaa__1=[FLUTE, DRUM, FLUTE], bbbbbbbbbbb__0=[DRUM], ccccccccccc__0=[DRUM])
    write_video(tmp_path / "aaaaaaaaaaa.mp4")
    put(tmp_path, "more/bbbbbbbbbbb_30.000_40.000.mp4")
    reading = READER.read(tmp_path)
    assert reading.missing == ("ccccccccccc_0",)
    first, second = reading.samples
    assert (first.facts.id, first.facts.group, first.facts.split) == ("aaaaaaaaaaa_1", "aaaaaaaaaaa", "test")
    assert first.facts.labels == ("category 5", "category 2")
    assert first.box_labels == ("category 5", "category 2", "category 5")
    assert second.media.name == "bbbbbbbbbbb_30.000_40.000.mp4"
    footage = first.footage(size=16, fps=2)
    assert footage.times_s[footage.judged] == pytest.approx([1.5], abs=0.051)
    assert footage.truth[footage.judged].sum() == 112 * 112 + 56 * 224
    assert "half a second off" in reading.remarks[0]


def test_seconds_without_boxes_and_second_files_are_counted(tmp_path, put):
    write_boxes(tmp_path, aaaaaaaaaaa__1=[], aaaaaaaaaaa__2=[DRUM])
    put(tmp_path, "aaaaaaaaaaa.mp4", "aaaaaaaaaaa_30.mp4")
    reading = READER.read(tmp_path)
    assert [sample.facts.id for sample in reading.samples] == ["aaaaaaaaaaa_2"]
    assert "Seconds without a box, left out: 1." in reading.remarks
    assert "Further files of a clip, passed over: 1, aaaaaaaaaaa_30.mp4." in reading.remarks


@pytest.mark.parametrize(
    "document",
    [
        "[]",
        '{"a": {"boxes": []}}',
        '{"a": {"bbox": []}}',
        '{"a/x": {"bbox": []}}',
        '{"aaaaaaaaaaa/1": {"bbox": [{"category": 1, "normbox": [0.5, 0.5, 0.9, 0.9]}]}}',
        '{"aaaaaaaaaaa/1": {"bbox": [{"category": "x", "normbox": [0, 0, 0.9, 0.9]}]}}',
    ],
)
def test_another_file_is_refused(tmp_path, document):
    (tmp_path / "audioset_box.json").write_text(document)
    with pytest.raises(DataError, match=r"audioset_box\.json does not hold the boxes"):
        READER.read(tmp_path)
