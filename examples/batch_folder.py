"""Analyses every video below a folder with a running Earsight service. Started again, it goes on.

    python examples/batch_folder.py VIDEOS OUT --url http://127.0.0.1:8000 --at-once 4

OUT gets the result of each video as JSON, `summary.csv` with what sounds when in all of them, and
`summary.json` with the same and why videos failed. Those that failed are tried again in the next run. Take
another OUT for another `--fps`. Exit codes: 0 all are analysed, 1 some videos failed, 2 wrong use, 3 the
service failed.
"""

from __future__ import annotations

import asyncio
import csv
import json
import uuid
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from app.client import AsyncEarsight, EarsightApiError, EarsightClientError, JobFailed, ResultDocument

SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"}
BAD_FILE = {413, 415, 422}  # too large, no video, broken: the next file may be good
FIELDS = ["video", "start_s", "end_s", "sound", "score", "in_sight", "objects"]


def key_of(video: Path, fps: float) -> str:
    """The same in the next run: a job that this one leaves behind is found again instead of made twice."""
    about = video.stat()
    name = f"{video.absolute()} {about.st_size} {about.st_mtime_ns} {fps}"
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


async def analyze_one(earsight: AsyncEarsight, video: Path, target: Path, fps: float) -> None:
    """Write the result of a video to `target`, which is never there in parts."""
    job = await earsight.submit(video, formats=["json"], fps=fps, idempotency_key=key_of(video, fps))
    try:
        await job.wait()
    except JobFailed:
        await job.delete()  # and its key with it, so the next run tries again
        raise
    result = await job.result()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_text(result.model_dump_json(by_alias=True), encoding="utf-8")
    part.replace(target)
    await job.delete()


async def analyze_all(
    earsight: AsyncEarsight, todo: dict[Path, Path], *, at_once: int, fps: float, failed: dict[Path, str]
) -> None:
    """Fill `failed` with the reasons. Raises a group of EarsightClientErrors if the service is at fault."""
    waiting = iter(todo.items())  # shared: each worker takes the next one

    async def work() -> None:
        for video, target in waiting:
            try:
                await analyze_one(earsight, video, target, fps)
            except (JobFailed, EarsightApiError, OSError) as error:
                if isinstance(error, EarsightApiError) and error.status not in BAD_FILE:
                    raise
                failed[video] = str(error)
                progress.console.print(f"{video}: {error}", style="red", markup=False, soft_wrap=True)
            progress.advance(bar)

    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task(f"{len(todo)} videos", total=len(todo))
        async with earsight, asyncio.TaskGroup() as workers:
            for _ in range(at_once):
                workers.create_task(work())


def sounds_of(result: ResultDocument) -> Iterator[dict[str, Any]]:
    """A row for each stretch of frames in which the same name is heard most."""
    least = result.thresholds
    for name, stretch in groupby(result.frames, lambda frame: frame.heard[0].label if frame.heard else None):
        frames = list(stretch)
        if name is None:
            continue
        seen = [each for frame in frames for each in frame.detections or ()]
        yield {
            "start_s": round(frames[0].time_s, 3),
            "end_s": round(min(frames[-1].time_s + 1 / result.sampling.fps, result.source.duration_s), 3),
            "sound": name,
            "score": max(frame.heard[0].score for frame in frames),
            "in_sight": any(frame.presence >= least.presence for frame in frames),
            "objects": ", ".join(sorted({each.label for each in seen if each.sounding >= least.sounding})),
        }


def write_summary(out: Path, results: dict[Path, Path], failed: dict[Path, str]) -> None:
    rows = [
        {"video": str(video), **row}
        for video, path in results.items()
        if path.exists() and video not in failed
        for row in sounds_of(ResultDocument.model_validate_json(path.read_bytes(), extra="ignore"))
    ]
    with (out / "summary.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, FIELDS)
        table.writeheader()
        table.writerows(rows)
    document = {"sounds": rows, "failed": {str(video): reason for video, reason in failed.items()}}
    (out / "summary.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def main(
    videos: Annotated[Path, typer.Argument(exists=True, file_okay=False)],
    out: Annotated[Path, typer.Argument(file_okay=False)],
    url: Annotated[str, typer.Option(envvar="EARSIGHT_URL")] = "http://127.0.0.1:8000",
    api_key: Annotated[str | None, typer.Option(envvar="EARSIGHT_API_KEY")] = None,
    at_once: Annotated[int, typer.Option(min=1, help="Videos at the service at a time.")] = 4,
    fps: Annotated[float, typer.Option(min=0.001, max=60, help="Frames analysed per second.")] = 4.0,
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    found = sorted(path for path in videos.rglob("*") if path.suffix.lower() in SUFFIXES)
    results = {video: out / f"{video.relative_to(videos)}.json" for video in found}
    todo = {v: r for v, r in results.items() if not r.exists() or r.stat().st_mtime < v.stat().st_mtime}
    failed: dict[Path, str] = {}
    code = 0
    try:
        earsight = AsyncEarsight(url, api_key=api_key)
        asyncio.run(analyze_all(earsight, todo, at_once=at_once, fps=fps, failed=failed))
    except* EarsightClientError as group:
        print(f"The service failed: {group.exceptions[0]}. The same command goes on later.")
        code = 3
    write_summary(out, results, failed)
    print(f"{len(todo)} to do, {len(found) - len(todo)} done before, {len(failed)} failed")
    raise SystemExit(code or bool(failed))


if __name__ == "__main__":
    typer.run(main)
