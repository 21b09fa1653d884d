import json

import numpy as np
import pytest

from training.data.readers import DataError, find_reader

READER = find_reader("coco")
KINDS = (
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 3, "name": "car", "supercategory": "vehicle"},
    {"id": 17, "name": "cat", "supercategory": "animal"},
    {"id": 62, "name": "chair", "supercategory": "furniture"},
)


def picture_of(number):
    """An entry for a picture of 48 by 32 pixels."""
    return {"id": number, "file_name": f"{number:012}.jpg", "width": 48, "height": 32}


def drawn(picture, kind, box, **more):
    """An annotation; the box is x, y, width and height in pixels."""
    return {"image_id": picture, "category_id": kind, "bbox": box, **more}


def write_annotations(root, *annotations, pictures=(1,), part="val2017", **changes):
    table = {
        "categories": KINDS,
        "images": [picture_of(number) for number in pictures],
        "annotations": annotations,
        **changes,
    }
    path = root / "annotations" / f"instances_{part}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(table))


def test_boxes_are_normalised_and_named(tmp_path, put):
    put(tmp_path, "val2017/000000000001.jpg")
    write_annotations(tmp_path, drawn(1, 17, [12, 8, 24, 16], iscrowd=0), drawn(1, 1, [0, 0, 6, 32]))
    (sample,) = READER.read(tmp_path).samples
    assert sample.media == tmp_path / "val2017" / "000000000001.jpg"
    assert sample.audio is None
    # 12/48, 8/32, (12 + 24)/48, (8 + 16)/32; and 6/48.
    assert [boxes.tolist() for boxes in sample.boxes] == [[[0.25, 0.25, 0.75, 0.75], [0, 0, 0.125, 1]]]
    assert sample.box_labels == ("cat", "person")
    assert sample.facts.id == "000000000001"
    assert sample.facts.labels == ("cat", "person")
    assert not sample.facts.sounding


def test_a_box_that_leaves_the_picture_is_cut_and_one_without_area_is_left_out(tmp_path, put):
    put(tmp_path, "val2017/000000000001.jpg")
    write_annotations(tmp_path, drawn(1, 1, [5, 5, 0, 9]), drawn(1, 3, [36, 16, 24, 24]))
    (sample,) = READER.read(tmp_path).samples
    assert sample.boxes[0].tolist() == [[0.75, 0.5, 1, 1]]
    assert sample.box_labels == ("car",)


def test_crowds_and_other_kinds_are_left_out(tmp_path, put):
    put(tmp_path, "val2017/000000000001.jpg")
    write_annotations(
        tmp_path,
        drawn(1, 1, [0, 0, 48, 32], iscrowd=1),
        drawn(1, 62, [0, 0, 24, 32], iscrowd=0),
        drawn(1, 3, [24, 0, 24, 32], iscrowd=0),
    )
    (sample,) = READER.read(tmp_path).samples
    assert sample.box_labels == ("car",)
    assert sample.boxes[0].tolist() == [[0.5, 0, 1, 1]]
    assert sample.facts.labels == ("car",)


def test_pictures_without_a_box_are_left_out(tmp_path, put):
    put(tmp_path, *(f"val2017/{number:012}.jpg" for number in range(1, 5)))
    write_annotations(
        tmp_path,
        drawn(1, 62, [0, 0, 24, 32]),
        drawn(2, 1, [0, 0, 24, 32], iscrowd=1),
        drawn(4, 17, [0, 0, 24, 32]),
        pictures=(1, 2, 3, 4),
    )
    reading = READER.read(tmp_path)
    assert [sample.facts.id for sample in reading.samples] == ["000000000004"]
    assert reading.missing == ()


def test_pictures_that_are_not_there_are_missing(tmp_path, put):
    put(tmp_path, "val2017/000000000001.jpg")
    write_annotations(tmp_path, drawn(1, 1, [0, 0, 9, 9]), drawn(2, 1, [0, 0, 9, 9]), pictures=(1, 2))
    reading = READER.read(tmp_path)
    assert reading.missing == ("000000000002.jpg",)
    assert [sample.facts.id for sample in reading.samples] == ["000000000001"]
    (tmp_path / "val2017" / "000000000001.jpg").unlink()
    with pytest.raises(DataError, match=r"none of 2 listed clips is there, for example 000000000001\.jpg"):
        READER.read(tmp_path)


def test_each_file_has_a_folder_of_its_own_and_all_of_them_are_for_testing(tmp_path, put):
    put(tmp_path, "train2017/000000000001.jpg", "val2017/000000000002.jpg")
    write_annotations(tmp_path, drawn(1, 1, [0, 0, 9, 9]), pictures=(1,), part="train2017")
    write_annotations(tmp_path, drawn(2, 1, [0, 0, 9, 9]), pictures=(2,), part="val2017")
    samples = READER.read(tmp_path).samples
    assert [sample.media.parent.name for sample in samples] == ["train2017", "val2017"]
    assert [sample.facts.split for sample in samples] == ["test", "test"]


def test_what_is_in_sight_is_judged_and_silent(tmp_path, write_picture):
    write_picture(tmp_path / "val2017" / "000000000001.jpg")
    write_annotations(tmp_path, drawn(1, 17, [12, 8, 24, 16]), drawn(1, 1, [0, 0, 6, 32]))
    footage = READER.read(tmp_path).samples[0].footage(size=16, fps=2)
    assert footage.judged.sum() == 1
    assert footage.waveform.size == 0
    assert [thing.label for thing in footage.things] == ["cat", "person"]
    boxes = np.concatenate([thing.boxes[footage.judged] for thing in footage.things])
    assert boxes.tolist() == [[0.25, 0.25, 0.75, 0.75], [0, 0, 0.125, 1]]
    assert not any(thing.sounding.any() for thing in footage.things)


def test_a_file_that_is_not_json_is_named(tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text('{"images": [')
    with pytest.raises(DataError, match=r"instances_val2017\.json is not JSON"):
        READER.read(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"categories": [{"id": 1, "name": "person"}]},
        {"categories": None},
        {"annotations": [7]},
        {"annotations": [{"image_id": 1, "category_id": 1}]},
        {"annotations": [drawn(1, 1, [0, 0, 9])]},
        {"annotations": [drawn(1, 1, ["left", 0, 9, 9])]},
        {"images": [{"id": 1, "file_name": "000000000001.jpg"}]},
        {"images": [{**picture_of(1), "width": 0}]},
        {"images": [{**picture_of(1), "file_name": None}]},
    ],
)
def test_a_file_of_another_structure_is_named(tmp_path, put, changes):
    put(tmp_path, "val2017/000000000001.jpg")
    write_annotations(tmp_path, **{"annotations": [drawn(1, 1, [0, 0, 9, 9])], **changes})
    with pytest.raises(DataError, match=r"instances_val2017\.json is no annotation file of COCO"):
        READER.read(tmp_path)


def test_a_list_in_place_of_the_annotations_is_refused(tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text("[]")
    with pytest.raises(DataError, match=r"instances_val2017\.json is no annotation file of COCO"):
        READER.read(tmp_path)
