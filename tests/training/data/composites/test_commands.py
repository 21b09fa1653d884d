"""`earsight-train data composites` as a user runs it."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from app.media.stream import read_clip
from app.settings import DecodeSettings, LimitSettings
from training.data.composites.cli import app


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def folders(cutouts, sounds):
    return ("--no-package", "--cutouts", cutouts, "--sounds", sounds)


def test_the_list_shows_how_each_kind_is_split(folders):
    result = run("list", *folders)
    assert result.exit_code == 0
    rows = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in result.output.splitlines()]
    # Five of each in the shares 60, 15 and 25 % with at least one in every split.
    assert ["bell", "other", "recorded", "3 / 3", "1 / 1", "1 / 1"] in rows
    assert ["stone", "other", "-", "3", "1", "1"] in rows
    assert ["sounding objects", "", "", "9", "3", "3"] in rows


def test_scenes_are_written_as_clips_with_truth_and_masks(tmp_path, folders, photos):
    options = ("--split", "test", "--n", 3, "--size", 90, "--fps", 5, "--backgrounds", photos)
    result = run("write", tmp_path / "out", *options, *folders)
    assert result.exit_code == 0, result.output
    assert "3 scenes" in result.output
    written = sorted((tmp_path / "out").iterdir())
    assert len(written) == 3
    for folder in written:
        truth = json.loads((folder / "truth.json").read_text())
        assert truth["id"] == folder.name
        assert truth["split"] == "test"
        clip = read_clip(folder / "clip.mp4", size=64, fps=5, limits=LimitSettings(), decode=DecodeSettings())
        assert len(clip.frame_times_s) == len(truth["times_s"]) == 20
        assert clip.source.height == 90
        masks = sorted((folder / "masks").iterdir())
        assert len(masks) == 20
        values = {value for path in masks for value in np.unique(np.asarray(Image.open(path)))}
        assert values - {0} <= {item["mask"] for item in truth["objects"]}
        assert len(values) > 1


def test_the_written_sound_is_that_of_the_scene(tmp_path, folders):
    run("write", tmp_path, "--n", 4, "--size", 64, "--fps", 2, *folders)
    for folder in tmp_path.iterdir():
        truth = json.loads((folder / "truth.json").read_text())
        heard = [item for item in truth["objects"] + truth["not_in_sight"] if item["sounds_s"]]
        clip = read_clip(folder / "clip.mp4", size=64, fps=2, limits=LimitSettings(), decode=DecodeSettings())
        assert (np.abs(clip.waveform).max() > 0.02) == bool(heard)


def test_interactive_scenes_are_written_in_pairs(tmp_path, folders):
    result = run("write", tmp_path, "--n", 1, "--size", 64, "--fps", 2, "--interactive", *folders)
    assert result.exit_code == 0, result.output
    first, second = (json.loads((folder / "truth.json").read_text()) for folder in sorted(tmp_path.iterdir()))
    assert first["scene"] == second["scene"] != ""
    sounding = [[bool(item["sounds_s"]) for item in truth["objects"]] for truth in (first, second)]
    assert sounding == [[True, False], [False, True]]


def test_a_sheet_shows_every_scene(tmp_path, folders, photos):
    result = run("sheet", tmp_path / "sheet.jpg", "--n", 8, "--backgrounds", photos, *folders)
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.size == (6 * 224, 2 * 240)
        pixels = np.asarray(sheet, float)
    outlined = (np.abs(pixels - (255, 40, 200)).max(axis=2) < 60).sum()
    assert outlined > 200


@pytest.mark.parametrize("command", ["list", "write", "sheet"])
def test_an_empty_folder_is_one_line_and_exit_code_1(tmp_path, command):
    (tmp_path / "empty").mkdir()
    out = [] if command == "list" else [tmp_path / "out"]
    result = run(command, *out, "--no-package", "--cutouts", tmp_path / "empty")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "error:" in result.stderr
    assert "cut-outs are expected as KIND/NAME.png" in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_odd_height_is_refused(tmp_path, folders):
    result = run("write", tmp_path, "--size", 91, *folders)
    assert result.exit_code == 2
    assert "must be even" in result.stderr
