import json

import pytest

from training.data.readers.pixel_boxes import by_scene, read_box_list, source_masks
from training.data.readers.vggss import ANNOTATIONS, read_vggss, vggss_masks


@pytest.fixture
def vggss_file(tmp_path):
    entries = [
        {"file": "aaaaaaaaaaa_000001", "class": "dog barking", "bbox": [[0.0, 0.0, 1.0, 1.0]]},
        {
            "file": "bbbbbbbbbbb_000002",
            "class": "playing timbales",
            "bbox": [[0.38, 0.86, 0.7, -2.88e16], [0, 0, 0.5, 1]],
        },
        {"file": "ccccccccccc_000003", "class": "cheetah chirrup", "bbox": [[0.5, 0.5, 0.5, 0.9]]},
    ]
    path = tmp_path / ANNOTATIONS
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def test_broken_boxes_of_vggss_are_dropped_and_the_good_ones_kept(vggss_file):
    entries = read_vggss(vggss_file)
    assert [len(entry.boxes) for entry in entries] == [1, 1, 0]
    assert entries[1].boxes.tolist() == [[0, 0, 0.5, 1]]
    assert entries[0].label == "dog barking"


def test_entries_without_boxes_count_unless_dropped(vggss_file):
    entries = read_vggss(vggss_file)
    assert len(vggss_masks(entries)) == 3
    assert len(vggss_masks(entries, rounding="round", drop_empty=True)) == 2


def test_another_file_is_refused(tmp_path):
    path = tmp_path / ANNOTATIONS
    path.write_text('{"videos": 3}', encoding="utf-8")
    with pytest.raises(ValueError, match="not the VGG-SS"):
        read_vggss(path)
    with pytest.raises(ValueError, match="not a list of boxes"):
        read_box_list(path)


def test_pixel_boxes_are_read_exactly_and_silent_ones_dropped(tmp_path):
    boxes = {
        "dog_cat_1_dog.jpg": [0, 0, 112, 224],
        "dog_cat_1_cat.jpg": [111, 3, 224, 9],
        "e_2_e.jpg": [0, 0, 0, 0],
    }
    entries = [
        {"image": f"/somewhere/{name}", "audio": "/somewhere/a.wav", "gt_box": box}
        for name, box in boxes.items()
    ]
    path = tmp_path / "is3_bbox.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    sources = read_box_list(path)
    assert [source.image for source in sources] == ["dog_cat_1_dog.jpg", "dog_cat_1_cat.jpg"]
    assert [int(mask.sum()) for mask in source_masks(sources)] == [112 * 224, (224 - 111) * 6]
    assert by_scene(sources) == [[0, 1]]
