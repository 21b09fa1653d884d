from __future__ import annotations

import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from app.errors import InvalidRequest
from app.results.coco import write_coco


def _written(result) -> bytes:
    stream = io.BytesIO()
    write_coco(result, stream)
    return stream.getvalue()


@pytest.fixture
def path(two_dogs, tmp_path):
    file = tmp_path / "detections.coco.json"
    file.write_bytes(_written(two_dogs))
    return file


def test_every_sampled_frame_is_an_image_of_the_displayed_size(two_dogs):
    images = json.loads(_written(two_dogs))["images"]
    assert images == [
        {
            "id": number,
            "width": 200,
            "height": 100,
            "file_name": f"frame-{frame:06d}-{time_s:.3f}s.png",
            "time_s": time_s,
            "frame": frame,
        }
        for number, frame, time_s in [(1, 0, 0.0), (2, 6, 0.24), (3, 12, 0.48)]
    ]


def test_every_detection_is_an_annotation_in_pixels(two_dogs):
    document = json.loads(_written(two_dogs))
    assert document["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    assert [each["image_id"] for each in document["annotations"]] == [1, 2, 2, 2]
    assert document["annotations"][0] == {
        "id": 1,
        "image_id": 1,
        "category_id": 2,
        "bbox": [20, 20, 50, 60],
        "area": 3000,
        "segmentation": [],
        "iscrowd": 0,
        "score": 0.91,
        "sounding": 0.8765,
        "sound": "Bark",
        "track_id": 1,
    }
    assert document["annotations"][3]["category_id"] == 1
    assert document["annotations"][3]["sound"] is None
    assert document["info"]["model"]["name"] == "tiny"
    assert document["info"]["sounding_threshold"] == 0.5


def test_pycocotools_reads_it(path):
    truth = COCO(path)
    assert truth.getImgIds() == [1, 2, 3]
    assert [each["bbox"] for each in truth.loadAnns(truth.getAnnIds(imgIds=2, catIds=2))] == [
        [40, 20, 50, 60],
        [120, 0, 80, 100],
    ]


def test_pycocotools_finds_it_right_by_its_own_measure(path):
    truth = COCO(path)
    evaluation = COCOeval(truth, truth.loadRes(json.loads(path.read_bytes())["annotations"]), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


def test_all_of_a_track_is_of_one_category(make_result, two_dogs):
    first, second = two_dogs.frames.detections[:2]
    result = make_result(np.zeros((2, 2, 2)), detections=(second[2:], ()))
    assert json.loads(_written(result))["categories"] == [{"id": 1, "name": "cat"}]
    renamed = (first[0], type(first[0])(first[0].box, "wolf", 0.9, 0.1, 1))
    result = make_result(np.zeros((2, 2, 2)), detections=((renamed[0],), (renamed[1],)))
    document = json.loads(_written(result))
    assert document["categories"] == [{"id": 1, "name": "wolf"}]
    assert [each["category_id"] for each in document["annotations"]] == [1, 1]


@pytest.mark.parametrize("count", [0, 2])
def test_clip_in_which_nothing_was_found_gives_a_file_without_annotations(make_result, count, tmp_path):
    path = tmp_path / "empty.json"
    path.write_bytes(_written(make_result(np.zeros((count, 2, 2)), detections=((),) * count)))
    document = json.loads(path.read_bytes())
    assert (len(document["images"]), document["annotations"], document["categories"]) == (count, [], [])
    assert COCO(path).getAnnIds() == []


def test_result_without_detect_is_refused(small_result):
    with pytest.raises(InvalidRequest, match="the format coco needs the task detect"):
        _written(small_result)
