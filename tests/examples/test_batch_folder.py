"""examples/batch_folder.py, as a command, against a real server."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.client import EarsightApiError, ResultDocument
from examples import batch_folder

PROGRAM = Path(batch_folder.__file__)


@pytest.fixture
def videos(tmp_path, sounding_square):
    """A folder with a clip and, below, another one."""
    folder = tmp_path / "videos"
    (folder / "more").mkdir(parents=True)
    shutil.copy(sounding_square, folder / "square.mp4")
    shutil.copy(sounding_square, folder / "more" / "square.mp4")
    (folder / "notes.txt").write_text("no video")
    return folder


@pytest.fixture
def run(server, videos, tmp_path, monkeypatch):
    """`run(...)` runs the program on the folder; gives its exit code and what it printed."""
    monkeypatch.setenv("PYTHONPATH", str(PROGRAM.parents[1]))

    def run_program(*arguments):
        command = [sys.executable, PROGRAM, videos, tmp_path / "out", *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return ran.returncode, ran.stdout + ran.stderr

    return run_program


def test_each_video_below_the_folder_has_a_result_and_rows(run, client, videos, tmp_path):
    code, printed = run()
    assert code == 0, printed
    out = tmp_path / "out"
    for name in ("square.mp4.json", "more/square.mp4.json"):
        assert len(ResultDocument.model_validate_json((out / name).read_bytes()).frames) == 16
    with (out / "summary.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["video"] for row in rows} == {str(videos / "square.mp4"), str(videos / "more" / "square.mp4")}
    tones = [row for row in rows if row["sound"] == "Tone" and row["video"] == str(videos / "square.mp4")]
    times_s = [(float(row["start_s"]), float(row["end_s"])) for row in tones]
    for (start_s, end_s), expected in zip(times_s, [(0.5, 1.5), (2.5, 3.0)], strict=True):
        assert (start_s, end_s) == pytest.approx(expected, abs=0.5)
    assert {(row["in_sight"], row["objects"]) for row in tones} == {("True", "plain")}
    summary = json.loads((out / "summary.json").read_text())
    assert len(summary["sounds"]) == len(rows)
    assert summary["failed"] == {}
    assert list(client.jobs()) == []


def test_bad_file_is_reported_and_stops_no_other_one(run, client, videos, tmp_path, bad_clip):
    shutil.copy(bad_clip, videos / "a.mp4")
    (videos / "b.mp4").write_bytes(b"")
    code, printed = run("--at-once", "1")
    assert code == 1
    failed = json.loads((tmp_path / "out" / "summary.json").read_text())["failed"]
    assert set(failed) == {str(videos / "a.mp4"), str(videos / "b.mp4")}
    assert "media_corrupt" in failed[str(videos / "a.mp4")]
    assert str(videos / "a.mp4") in printed
    assert (tmp_path / "out" / "square.mp4.json").exists()
    assert list(client.jobs()) == []  # a failed one that stayed would answer for its key in the next run


def test_next_run_does_what_is_left_or_new(run, videos, tmp_path, bad_clip, sounding_square):
    shutil.copy(bad_clip, videos / "a.mp4")
    assert run()[0] == 1
    shutil.copy(sounding_square, videos / "a.mp4")
    before = (tmp_path / "out" / "square.mp4.json").stat().st_mtime_ns
    code, printed = run()
    assert code == 0
    assert "1 to do, 2 done before, 0 failed" in printed
    assert (tmp_path / "out" / "square.mp4.json").stat().st_mtime_ns == before
    assert (tmp_path / "out" / "a.mp4.json").exists()


def test_job_that_an_interrupted_run_left_is_the_one_that_is_fetched(run, client, videos):
    video = videos / "square.mp4"
    key = batch_folder.key_of(video, 4.0)
    left = client.submit(video, formats=["json"], fps=4.0, idempotency_key=key)
    assert run()[0] == 0
    with pytest.raises(EarsightApiError, match="not_found"):  # removed after it was fetched
        client.job(left.id)


def test_service_that_refuses_everything_ends_the_run(run, server):
    code, printed = run("--url", f"{server.url}/nowhere")
    assert code == 3
    assert "not_found" in printed


def test_missing_folder_is_wrong_use(run, videos):
    shutil.rmtree(videos)
    assert run()[0] == 2


def test_no_more_videos_are_at_the_service_than_allowed(monkeypatch):
    at_work, most = 0, 0

    async def analyze_one(*_):
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.01)
        at_work -= 1

    monkeypatch.setattr(batch_folder, "analyze_one", analyze_one)
    todo = {Path(f"{number}.mp4"): Path(f"{number}.json") for number in range(9)}
    earsight = batch_folder.AsyncEarsight("http://127.0.0.1:9")
    asyncio.run(batch_folder.analyze_all(earsight, todo, at_once=3, fps=4.0, failed={}))
    assert most == 3
