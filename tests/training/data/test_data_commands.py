"""`earsight-train data readers` and `data list` as a user runs them."""

import json

import pytest
from typer.testing import CliRunner

from training.data.cli import app
from training.data.readers import READERS


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def vggss(tmp_path, put):
    """Three clips of which two are there, and one of these has no box with an area."""
    entries = [
        {"file": f"{letter * 11}_000001", "class": "dog [barking]", "bbox": [[0, 0, width, 1]]}
        for letter, width in (("a", 0.5), ("b", 0), ("c", 0.5))
    ]
    root = tmp_path / "vggss"
    put(root, "aaaaaaaaaaa_000001.mp4", "bbbbbbbbbbb_000001.mp4")
    (root / "vggss.json").write_text(json.dumps(entries))
    return root


def test_all_readers_are_listed_with_their_files():
    result = run("readers")
    assert result.exit_code == 0
    assert all(name in result.output for name in READERS)
    assert "vggss.json as published" in result.output


def test_the_contents_are_counted_and_what_is_missing_is_named(vggss, tmp_path):
    result = run("list", "vggss", vggss, "--missing", tmp_path / "missing.txt")
    assert result.exit_code == 0
    row = next(line for line in result.output.splitlines() if "test" in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == ["test", "1", "1", "0", "1", "1"]
    assert "Most common labels: dog [barking] (1)" in result.output
    assert "No box with an area, left out: bbbbbbbbbbb_000001." in result.output
    assert "Missing: 1, ccccccccccc_000001" in result.output
    assert (tmp_path / "missing.txt").read_text() == "ccccccccccc_000001\n"


def test_splits_are_listed_one_by_one_and_together(tmp_path, put):
    put(tmp_path, *(f"dog/{number}.mp4" for number in range(30)))
    output = run("list", "videos", tmp_path).output
    assert all(split in output for split in ("train", "val", "all"))
    assert "Nothing is missing." in output


def test_what_cannot_be_read_is_one_message_and_exit_code_1(tmp_path, put):
    result = run("list", "vggss", tmp_path)
    assert result.exit_code == 1
    assert f"error: {tmp_path}: no vggss.json in it." in result.stderr
    (tmp_path / "vggss.json").write_text("[1")
    assert "vggss.json is not JSON" in run("list", "vggss", tmp_path).stderr
    result = run("list", "nonsense", tmp_path)
    assert result.exit_code == 1
    assert "no reader 'nonsense'; there are videos" in result.stderr


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path):
    assert run("list", "vggss", tmp_path / "nowhere").exit_code == 2
