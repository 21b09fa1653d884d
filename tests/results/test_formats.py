from __future__ import annotations

import json

import numpy as np
import pytest

from app.errors import InvalidRequest
from app.results.formats import FORMATS, write_result
from app.settings import Settings


def test_names_files_and_media_types():
    listed = {name: (entry.media_type, entry.file_name) for name, entry in FORMATS.items()}
    assert listed == {
        "json": ("application/json", "result.json"),
        "ndjson": ("application/x-ndjson", "result.ndjson"),
        "npz": ("application/x-npz", "heatmaps.npz"),
        "coco": ("application/vnd.coco+json", "detections.coco.json"),
        "vtt": ("text/vtt", "sounds.vtt"),
        "overlay": ("video/mp4", "overlay.mp4"),
    }
    assert all(name == entry.name for name, entry in FORMATS.items())


def _write(result, path, name):
    write_result(
        result, path, format=FORMATS[name], source=path.with_name("clip.mp4"), audio=None, settings=Settings()
    )


def test_only_boxes_need_detection():
    assert {name for name, entry in FORMATS.items() if entry.needs} == {"coco"}
    FORMATS["coco"].check_tasks(("localize", "detect"))
    FORMATS["vtt"].check_tasks(("localize",))
    with pytest.raises(InvalidRequest, match="the format coco needs the task detect"):
        FORMATS["coco"].check_tasks(("localize",))


def test_documents_are_written_to_their_files(small_result, tmp_path):
    for name in ("json", "ndjson", "npz", "vtt"):
        _write(small_result, tmp_path / FORMATS[name].file_name, name)
    assert json.loads((tmp_path / "result.json").read_bytes())["schema"] == "earsight.result/1"
    assert len((tmp_path / "result.ndjson").read_bytes().splitlines()) == 4
    with np.load(tmp_path / "heatmaps.npz", allow_pickle=False) as archive:
        assert archive["heatmap"].shape == (2, 2, 2)
    assert (tmp_path / "sounds.vtt").read_text().startswith("WEBVTT\n")
    assert len(list(tmp_path.iterdir())) == 4


def test_document_that_cannot_be_written_keeps_the_old_one(make_result, tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="JSON"):
        _write(make_result(np.zeros((1, 2, 2)), presence=[float("inf")]), path, "json")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_overlay_is_rendered_from_the_source(small_result, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "app.results.overlay.write_overlay", lambda *args, **keywords: calls.append((args, keywords))
    )
    _write(small_result, tmp_path / "overlay.mp4", "overlay")
    ((args, keywords),) = calls
    assert args == (small_result, tmp_path / "overlay.mp4")
    assert keywords["source"] == tmp_path / "clip.mp4"
    assert keywords["overlay"] == Settings().overlay
