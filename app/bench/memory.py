"""Peak memory of an analysis in a process of its own, which is `python -m app.bench.memory CLIP`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from app.bench.environment import environment
from app.bench.figures import Figure
from app.errors import InternalError
from app.settings import Settings

_MiB = 1024 * 1024
_POLL_S = 0.05
_MOST_BYTES = 1.2e9


def memory_figures(short: Path, long: Path, *, settings: Settings, content: str) -> list[Figure]:
    """Peak resident memory for a short and for a long clip, the decode child included."""
    peaks = {clip: peak_memory_bytes(clip, settings=settings) for clip in (short, long)}
    what = f"720p ({content}), at the rate of the bundle; analysing process and decode child together"
    figures = [
        Figure(
            f"peak memory, {clip.stem}",
            peak / _MiB,
            "MiB",
            f"{clip.stem} of {what}; once",
            most=_MOST_BYTES / _MiB,
        )
        for clip, peak in peaks.items()
    ]
    growth = 100 * (peaks[long] / peaks[short] - 1)
    on = f"{long.stem} against {short.stem}"
    return [*figures, Figure("growth of peak memory", growth, "%", on, most=15.0)]


def peak_memory_bytes(clip: Path, *, settings: Settings) -> int:
    """The largest sum of resident memory over a fresh process that analyses the clip and its children.

    Pages that both share count twice. Raises InternalError if the analysis fails.
    """
    command = [sys.executable, "-m", "app.bench.memory", str(clip)]
    with subprocess.Popen(command, env=environment(settings)) as process:  # noqa: S603 - our own command
        peak = 0
        while process.poll() is None:
            peak = max(peak, sum(_resident_bytes(pid) for pid in _family(process.pid)))
            time.sleep(_POLL_S)
    if process.returncode != 0:
        raise InternalError(f"the analysis of {clip.name} ended with {process.returncode}")
    return peak


def _family(pid: int) -> list[int]:
    """The process and its descendants."""
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                # The name of the program, in parentheses, may hold anything; the parent comes second after.
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            children[int(parent)].append(int(entry.name))
    family = [pid]
    for member in family:
        family.extend(children[member])
    return family


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _analyze_once(clip: Path) -> None:
    from app.inference.registry import BundleRegistry
    from app.pipeline.analyze import AnalyzeOptions, analyze

    settings = Settings()
    analyze(clip, bundle=BundleRegistry(settings).get(), settings=settings, options=AnalyzeOptions())


if __name__ == "__main__":
    _analyze_once(Path(sys.argv[1]))
