"""The function of examples/gradio_app.py against a real server; Gradio's own server is not started.

It runs in a process of its own, as Gradio leaves an event loop open in the one that imports it.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from examples.gradio_app import HEADERS, analyze, gr
told = []
try:
    overlay, rows = analyze(sys.argv[1] or None, progress=lambda part, desc: told.append([part, desc]))
    print(json.dumps({"overlay": overlay, "rows": rows, "told": told, "headers": HEADERS}))
except gr.Error as error:
    print(json.dumps({"error": error.message}))
"""

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gradio") is None, reason="Gradio is no dependency: pip install 'gradio>=6'"
)


@pytest.fixture
def analyze(server, tmp_path):
    """`analyze(path)` gives what the function gives, or the error that it raises."""

    def run(path):
        command = [sys.executable, "-c", PROGRAM, path]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return run


def test_a_video_gives_the_overlay_and_a_table(analyze, client, sounding_square, tmp_path):
    upload = shutil.copy(sounding_square, tmp_path / "square.mp4")
    answer = analyze(upload)
    assert Path(answer["overlay"]) == tmp_path / "square-overlay.mp4"
    with av.open(answer["overlay"]) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    assert {len(row) for row in answer["rows"]} == {len(answer["headers"])}
    assert [row[3] for row in answer["rows"] if row[2] == "Tone"] == ["yes", "yes"]
    assert answer["told"][-1] == [1.0, "done"]
    assert list(client.jobs()) == []


def test_what_goes_wrong_is_told_on_the_page(analyze, bad_clip):
    assert analyze("") == {"error": "Choose a video first."}
    assert "cannot be" in analyze(bad_clip)["error"]
