import json

import pytest

from training.data.readers import DataError, find_reader

READER = find_reader("vggss")
LEFT, NOTHING = [0, 0, 0.5, 1], [0.5, 0.5, 0.5, 0.9]


def write_boxes(root, **boxes):
    entries = [
        {"file": f"{name}_000001", "class": f"class of {name}", "bbox": drawn}
        for name, drawn in boxes.items()
    ]
    (root / "vggss.json").write_text(json.dumps(entries))


def test_the_middle_frame_of_a_clip_has_the_boxes(tmp_path, write_video, write_picture, write_sound):
    write_boxes(tmp_path, aaaaaaaaaaa=[LEFT], bbbbbbbbbbb=[LEFT, [0.25, 0, 0.75, 1]], ccccccccccc=[LEFT])
    write_video(tmp_path / "videos" / "aaaaaaaaaaa_000001.mp4")
    write_picture(tmp_path / "frames" / "bbbbbbbbbbb_000001.jpg")
    write_sound(tmp_path / "audio" / "bbbbbbbbbbb_000001.wav", seconds=2.0)
    (tmp_path / "vggss_heard_test.csv").write_text("aaaaaaaaaaa_000001\n")
    (tmp_path / "vggss_unheard_test.csv").write_text("bbbbbbbbbbb_000001\n")
    reading = READER.read(tmp_path)
    assert reading.missing == ("ccccccccccc_000001",)
    video, still = reading.samples
    assert (video.facts.id, video.facts.group) == ("aaaaaaaaaaa_000001", "aaaaaaaaaaa")
    assert (video.facts.labels, video.facts.split) == (("class of aaaaaaaaaaa",), "test")
    assert [sample.facts.extra["heard"] for sample in reading.samples] == ["yes", "no"]
    for sample, area in ((video, 112 * 224), (still, 168 * 224)):
        footage = sample.footage(size=16, fps=2)
        assert footage.times_s[footage.judged] == pytest.approx([1.0], abs=0.051)
        assert footage.truth[footage.judged].sum() == area


def test_entries_whose_boxes_are_broken_are_left_out_and_named(tmp_path, put):
    write_boxes(tmp_path, aaaaaaaaaaa=[LEFT, [0.4, 0.8, 0.7, -2.88e16]], bbbbbbbbbbb=[NOTHING])
    put(tmp_path, "aaaaaaaaaaa_000001.mp4", "bbbbbbbbbbb_000001.mp4")
    reading = READER.read(tmp_path)
    assert [sample.boxes[0].tolist() for sample in reading.samples] == [[LEFT]]
    assert reading.remarks == ("No box with an area, left out: bbbbbbbbbbb_000001.",)


@pytest.mark.parametrize("document", ['{"videos": 3}', '[{"file": "a", "class": "b"}]', "[1, 2", "[[]]"])
def test_another_file_is_refused(tmp_path, document):
    (tmp_path / "vggss.json").write_text(document)
    with pytest.raises(DataError, match=r"vggss\.json is not"):
        READER.read(tmp_path)


def test_annotations_without_any_clip_are_refused(tmp_path):
    write_boxes(tmp_path, aaaaaaaaaaa=[LEFT])
    with pytest.raises(DataError, match="none of 1 listed clips is there, for example aaaaaaaaaaa_000001"):
        READER.read(tmp_path)
