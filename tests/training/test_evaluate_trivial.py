"""Predictors without a model on published annotation files."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

import training.evaluate
from training.data.readers import DataError
from training.evaluation.trivial import trivial_benchmarks, trivial_figures

DATA = Path(os.environ.get("EARSIGHT_DATA", "nowhere")) / "annotations"

HALF_LEFT, HALF_RIGHT, EVERYTHING = [0, 0, 0.5, 1], [0.5, 0, 1, 1], [0, 0, 1, 1]


def needs(name):
    return pytest.mark.skipif(
        not (DATA / name).is_file(), reason=f"set EARSIGHT_DATA to a folder with annotations/{name}"
    )


@pytest.fixture
def vggss_file(tmp_path):
    entries = [
        {"file": "aaaaaaaaaaa_000001", "class": "dog barking", "bbox": [EVERYTHING]},
        {"file": "bbbbbbbbbbb_000002", "class": "playing timbales", "bbox": [HALF_LEFT]},
        {"file": "ccccccccccc_000003", "class": "cheetah chirrup", "bbox": [[0.5, 0.5, 0.5, 0.9]]},
    ]
    path = tmp_path / "some name.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


@pytest.fixture
def is3_file(tmp_path):
    """A scene whose sources are found by the whole image, and one of which one source is too small."""
    boxes = {
        "dog_cat_1_dog": [0, 0, 224, 112],
        "dog_cat_1_cat": [0, 112, 224, 224],
        "car_man_2_car": [0, 0, 112, 224],
        "car_man_2_man": [200, 200, 224, 224],
    }
    entries = [
        {"image": f"/x/{name}.jpg", "audio": f"/x/{name}.wav", "gt_box": box} for name, box in boxes.items()
    ]
    path = tmp_path / "is3.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def test_both_ways_of_drawing_vggss_are_reported(vggss_file):
    figures = {(figure.rounding, figure.predictor): figure for figure in trivial_figures("vggss", vggss_file)}
    # Truncated: the empty entry counts and can only fail. Whole image: IoU 1, 1/2 and 0.
    whole = figures["truncate", "whole image"]
    assert (whole.n, whole.success) == (3, pytest.approx(200 / 3))
    whole = figures["round", "whole image"]
    assert (whole.n, whole.success) == (2, 100)


def test_a_scene_succeeds_only_if_each_source_does(is3_file):
    whole = trivial_figures("is3", is3_file)[0]
    assert (whole.predictor, whole.n) == ("whole image", 4)
    assert (whole.success, whole.iiou) == (75, 50)


def test_the_command_prints_them_without_any_media(is3_file, vggss_file):
    runner = CliRunner()
    result = runner.invoke(
        training.evaluate.app, ["is3", "--trivial", "--annotations", str(is3_file)], env={"COLUMNS": "150"}
    )
    assert result.exit_code == 0, result.output
    assert "IIoU" in result.output
    assert "75.00" in result.output
    result = runner.invoke(training.evaluate.app, ["vggss", "--trivial", "--annotations", str(vggss_file)])
    assert result.exit_code == 0, result.output
    assert "21.95 / 31.25" in result.output  # what was published stands beside


def test_a_file_of_another_benchmark_is_refused(is3_file, vggss_file, tmp_path):
    with pytest.raises(DataError, match="not the VGG-SS"):
        trivial_figures("vggss", is3_file)
    with pytest.raises(DataError, match="not a list of boxes"):
        trivial_figures("is3", vggss_file)
    (tmp_path / "none.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="no frame"):
        trivial_figures("vggss", tmp_path / "none.json")
    with pytest.raises(DataError, match="no box"):
        trivial_figures("is3", tmp_path / "none.json")
    with pytest.raises(FileNotFoundError):
        trivial_figures("is3", tmp_path / "absent.json")


def test_only_some_annotations_say_enough(vggss_file):
    assert {"vggss", "is3", "avsbench-s4", "avsbench-ms3", "vpo-ss", "vpo-ms"} == set(trivial_benchmarks())
    with pytest.raises(DataError, match=r"flickr do not say enough.*vggss"):
        trivial_figures("flickr", vggss_file)


@needs("vggss.json")
def test_published_figures_are_reproduced():
    figures = trivial_figures("vggss", DATA / "vggss.json")
    assert {(figure.rounding, figure.n) for figure in figures} == {("truncate", 5158), ("round", 5156)}
    compared = 0
    for figure in figures:
        if figure.published is not None:
            assert (figure.success, figure.auc) == pytest.approx(figure.published, abs=0.02), figure
            compared += 1
    assert compared == 8


@needs("is3_bbox.json")
def test_the_centre_disc_finds_both_sources_of_few_scenes():
    disc = {figure.predictor: figure for figure in trivial_figures("is3", DATA / "is3_bbox.json")}
    assert disc["centre disc 50 %"].success == pytest.approx(34.1, abs=0.02)
    assert disc["centre disc 50 %"].iiou == pytest.approx(7.01, abs=0.01)
    assert disc["whole image"].iiou == pytest.approx(2.10, abs=0.01)
