"""Whole data sets through the command, as published and as composed, with the tiny bundle."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from tests.training.made_up import Block
from training.data.composites import Options, Sources, composing
from training.evaluation.benchmarks import draw


@pytest.fixture(scope="module")
def cutouts(tmp_path_factory):
    """Two kinds of white squares, each with sounds of its own."""
    root = tmp_path_factory.mktemp("objects")
    times_s = np.arange(16_000) / 16_000
    for kind, tone_hz in (("dog", 500), ("violin", 900)):
        (root / "cutouts" / kind).mkdir(parents=True)
        (root / "sounds" / kind).mkdir(parents=True)
        for number in range(8):
            picture = np.zeros((60, 60, 4), np.uint8)
            picture[5:55, 5:55] = 255 - number
            Image.fromarray(picture).save(root / "cutouts" / kind / f"{number}.png")
            tone = (16_000 * np.sin(2 * np.pi * (tone_hz + number) * times_s)).astype(np.int16)
            wavfile.write(root / "sounds" / kind / f"{number}.wav", 16_000, tone)
    return root


@pytest.mark.parametrize(("name", "n_scenes"), [("composites", None), ("composites-pairs", 2)])
def test_composed_scenes_are_a_benchmark(name, n_scenes, cutouts, evaluate, tmp_path, monkeypatch):
    sources = Sources(package=False, cutouts=cutouts / "cutouts", sounds=cutouts / "sounds")
    options = Options(sources=sources, silence=0.3)
    monkeypatch.setattr(composing, "Options", lambda: options)
    result = evaluate(name, "--limit", 5 if n_scenes is None else 4, "--json", tmp_path / "report.json")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["report"]
    if n_scenes is None:
        assert report["n_scored"] + report["n_negatives"] == 5
        assert "new pictures of known kinds" in result.output
    else:
        assert (report["n_scored"], report["n_groups"]) == (4, 2)
        assert report["scenes"]["n"] == n_scenes
    assert report["left_out"] == []


@pytest.fixture
def is3(tmp_path):
    """A picture of two white squares, each with its own box and sound; laid out as published."""
    entries = []
    for folder in ("images", "audio_waw"):
        (tmp_path / folder).mkdir()
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32, :32] = picture[32:, 32:] = 255
    tone = (16_000 * np.sin(np.arange(16_000) / 6)).astype(np.int16)
    for thing, box in (("dog", [0, 0, 112, 112]), ("violin", [112, 112, 224, 224])):
        name = f"dog_violin_1_{thing}"
        Image.fromarray(picture).save(tmp_path / "images" / f"{name}.jpg", quality=95)
        wavfile.write(tmp_path / "audio_waw" / f"{name}.wav", 16_000, tone)
        entries.append({"image": f"/a/images/{name}.jpg", "audio": f"/a/audio_waw/{name}.wav", "gt_box": box})
    (tmp_path / "synthetic3240_bbox.json").write_text(json.dumps(entries), encoding="utf-8")
    return tmp_path


def test_a_published_layout_of_pictures_and_sounds_is_a_benchmark(is3, evaluate):
    result = evaluate("is3", is3, "--json", is3 / "report.json")
    assert result.exit_code == 0, result.output
    report = json.loads((is3 / "report.json").read_text(encoding="utf-8"))["report"]
    ours = report["rows"][0]["everywhere"]
    # The tiny bundle marks both squares whatever is heard: half of what it marks is right.
    assert ours["mean_iou"]["value"] == pytest.approx(50, abs=3)
    assert (report["scenes"]["n"], report["n_groups"]) == (1, 1)
    assert report["scenes"]["pointing_all"]["value"] == 0  # its maximum lies in one place for both sounds


def test_a_draw_keeps_scenes_whole_and_the_order():
    blocks = [Block(str(k), scene=f"s{k // 2}") for k in range(20)]
    drawn = draw(blocks, 5)
    assert [int(block.id) for block in drawn] == sorted(int(block.id) for block in drawn)
    assert len(drawn) == 6
    assert all(
        (f"{2 * k}" in ids) == (f"{2 * k + 1}" in ids)
        for ids in [{block.id for block in drawn}]
        for k in range(10)
    )
    assert draw(blocks, 5) == drawn
    assert draw(blocks, 99) == blocks
    assert len(draw([Block(str(k)) for k in range(20)], 5)) == 5
