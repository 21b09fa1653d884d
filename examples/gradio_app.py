"""A page made with Gradio: a video in, the video with its heatmap and a table of its sounds out.

    pip install 'gradio>=6'
    EARSIGHT_URL=http://127.0.0.1:8000 python examples/gradio_app.py

Earsight has a page of its own, which shows more (docs/page.md); this is for those who build one with Gradio.
"""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path

import gradio as gr

from app.client import Earsight, EarsightApiError, JobFailed, Patience, ResultDocument, Unreachable

HEADERS = ["from (s)", "to (s)", "sound", "in sight"]


def analyze(
    video: str | None,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio finds it as a default only
) -> tuple[str, list[list[object]]]:
    """The path of the overlay video, and a row for each sound."""
    if video is None:
        raise gr.Error("Choose a video first.")
    url, key = os.environ.get("EARSIGHT_URL", "http://127.0.0.1:8000"), os.environ.get("EARSIGHT_API_KEY")
    try:
        with Earsight(url, api_key=key, patience=Patience(outage_s=15)) as earsight:
            job = earsight.submit(video, formats=["json", "overlay"])
            try:
                job.wait(progress=lambda now: progress(now.progress.fraction, desc=now.progress.stage))
                # Beside the upload, in Gradio's cache, which Gradio serves and empties.
                overlay = job.download(
                    "overlay.mp4", Path(video).with_name(f"{Path(video).stem}-overlay.mp4")
                )
                return str(overlay), sounds_of(job.result())
            finally:
                job.delete()
    except (EarsightApiError, JobFailed) as error:
        raise gr.Error(error.detail or str(error), print_exception=False) from error
    except Unreachable as error:
        raise gr.Error(f"No Earsight service answers at {url}.") from error


def sounds_of(result: ResultDocument) -> list[list[object]]:
    """A row for each stretch of frames in which the same name is heard most."""
    rows: list[list[object]] = []
    for name, stretch in groupby(result.frames, lambda frame: frame.heard[0].label if frame.heard else None):
        frames = list(stretch)
        if name is not None:
            end_s = min(frames[-1].time_s + 1 / result.sampling.fps, result.source.duration_s)
            seen = any(frame.presence >= result.thresholds.presence for frame in frames)
            rows.append([round(frames[0].time_s, 1), round(end_s, 1), name, "yes" if seen else "no"])
    return rows


page = gr.Interface(
    analyze,
    inputs=gr.Video(label="Video"),
    outputs=[gr.Video(label="Where it sounds"), gr.Dataframe(headers=HEADERS, label="What sounds when")],
    title="Earsight",
    flagging_mode="never",
    delete_cache=(3600, 3600),
)

if __name__ == "__main__":
    page.launch()
