"""A browser shows the subtitles that we write over the clip they were made of."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from app.media.clip import SourceInfo
from app.results.model import Detection, FrameResults, Heard, ModelInfo, Result, SoundLevel, Thresholds
from app.results.vtt import cues, write_vtt

SAMPLE = Path(__file__).parents[2] / "app" / "samples" / "sample.mp4"
# The clip is loaded whole: to seek in one that streams, the browser asks for byte ranges.
PAGE = """<!doctype html><meta charset="utf-8"><video muted>
<track kind="captions" srclang="en" label="Sounds" src="sounds.vtt" default></video>
<script>
  window.failures = [];
  const note = (event) => window.failures.push(`${event.target.nodeName} ${event.type}`);
  document.querySelector("video").addEventListener("error", note);
  document.querySelector("track").addEventListener("error", note);
  fetch("sample.mp4").then((answer) => answer.blob()).then((clip) => {
    document.querySelector("video").src = URL.createObjectURL(clip);
  });
</script>"""
CUES = """() => [...document.querySelector("track").track.cues].map(
  (cue) => [cue.startTime, cue.endTime, cue.getCueAsHTML().textContent])"""
ACTIVE = """(time) => new Promise((done) => {
  const video = document.querySelector("video");
  video.addEventListener("seeked", () => requestAnimationFrame(() => requestAnimationFrame(() => done(
    [...document.querySelector("track").track.activeCues].map((cue) => cue.text)))), {once: true});
  video.currentTime = time;
})"""

pytestmark = pytest.mark.browser


@pytest.fixture
def result() -> Result:
    """Nine seconds: a guitar on the left, then something with a difficult name, then silence."""
    times_s = np.arange(36) / 4
    guitar = Detection((0.0, 0.1, 0.4, 0.9), "acoustic guitar", 0.9, 0.8, 1)
    heard = [(Heard("Guitar", 0.9),)] * 12 + [(Heard("R&B <i>--> horn", 0.8),)] * 12 + [()] * 12
    return Result(
        source=SourceInfo(
            kind="video",
            width=640,
            height=360,
            rotation_deg=0,
            duration_s=9.0,
            fps=25.0,
            container="mp4",
            video_codec="h264",
            audio_codec="aac",
            has_audio=True,
            size_bytes=SAMPLE.stat().st_size,
            sha256="ab" * 32,
        ),
        model=ModelInfo("tiny", "1.0", "cd" * 32, "CPUExecutionProvider"),
        sampling_fps=4.0,
        thresholds=Thresholds(),
        frames=FrameResults(
            times_s,
            np.arange(36, dtype=np.int64),
            np.zeros((36, 2, 2), np.float32),
            np.full(36, 0.9, np.float32),
            tuple(heard),
            ((guitar,),) * 12 + ((),) * 24,
        ),
        sound=SoundLevel(0.0, 50.0, np.zeros(0, np.float32)),
    )


@pytest.fixture
def page(chromium_page, site, tmp_path, result):
    """The page, once its clip and its subtitles have loaded."""
    shutil.copy(SAMPLE, tmp_path / "sample.mp4")
    (tmp_path / "index.html").write_text(PAGE, encoding="utf-8")
    with (tmp_path / "sounds.vtt").open("wb") as stream:
        write_vtt(result, stream)
    chromium_page.goto(f"{site}/index.html")
    chromium_page.wait_for_function(
        """() => document.querySelector("track").readyState >= 2
          && (document.querySelector("video").readyState >= 2 || failures.length)"""
    )
    return chromium_page


def test_browser_reads_every_cue_as_it_was_meant(page, result):
    assert page.evaluate("failures") == []
    assert page.evaluate('() => document.querySelector("track").readyState') == 2
    expected = [[cue.start_s, cue.end_s, cue.text] for cue in cues(result)]
    assert len(expected) == 2
    assert page.evaluate(CUES) == expected


@pytest.mark.parametrize(
    ("time_s", "shown"),
    [
        (1.0, ["Guitar (acoustic guitar, left)"]),
        (4.5, ["R&amp;B &lt;i&gt;--&gt; horn (in view)"]),
        (7.5, []),
    ],
)
def test_browser_shows_the_cue_of_the_moment(page, time_s, shown):
    assert page.evaluate(ACTIVE, time_s) == shown
    assert page.evaluate("failures") == []
