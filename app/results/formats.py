"""Every format a result can be had in, for the command line and for HTTP alike."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from app.errors import Canceled, InvalidRequest
from app.inference.manifest import Task
from app.results.coco import write_coco
from app.results.json_writer import write_json
from app.results.model import Result
from app.results.ndjson import write_ndjson
from app.results.npz import write_npz
from app.results.replacing import replacing
from app.results.vtt import write_vtt
from app.settings import Settings

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from app.results.overlay import OverlayProgress

DocumentWriter = Callable[[Result, BinaryIO], None]


@dataclass(frozen=True, slots=True)
class Format:
    """One representation of a result.

    Attributes:
        name: what `--format` and `?format=` call it.
        media_type: its HTTP content type.
        file_name: its name inside the directory of a result.
        document: writes it to a binary stream from the result alone; None for the overlay, which also
            needs the pixels and the sound of the source and therefore goes through `write_result`.
        needs: the task without which there is nothing to write; None if any task will do.
    """

    name: str
    media_type: str
    file_name: str
    document: DocumentWriter | None
    needs: Task | None = None

    def check_tasks(self, tasks: Collection[Task]) -> None:
        """Ask this before an analysis, so that nobody waits for a result that cannot be written.

        Raises:
            InvalidRequest: the task that this format needs is not among `tasks`.
        """
        if self.needs is not None and self.needs not in tasks:
            raise InvalidRequest(f"the format {self.name} needs the task {self.needs}")


FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format("json", "application/json", "result.json", write_json),
        Format("ndjson", "application/x-ndjson", "result.ndjson", write_ndjson),
        Format("npz", "application/x-npz", "heatmaps.npz", write_npz),
        Format("coco", "application/vnd.coco+json", "detections.coco.json", write_coco, needs="detect"),
        Format("vtt", "text/vtt", "sounds.vtt", write_vtt),
        Format("overlay", "video/mp4", "overlay.mp4", None),
    )
}


def write_result(
    result: Result,
    path: Path,
    *,
    format: Format,
    source: Path,
    audio: Path | None,
    settings: Settings,
    progress: OverlayProgress | None = None,
    cancel: threading.Event | None = None,
) -> None:
    """Write the result to `path`, replacing what is there; a failure leaves no file behind.

    Args:
        format: one of `FORMATS`.
        source: the clip the result speaks of; read again for the overlay only.
        audio: its separate sound file, if there was one.
        settings: the groups `overlay`, `limits` and `decode` are used.
        progress: called while the overlay is rendered.
        cancel: set it from another thread to end the writing at once.

    Raises:
        InvalidRequest: the result lacks the task that the format needs.
        MediaError: the source could not be decoded for the overlay.
        Canceled: `cancel` was set.
        OSError: the file could not be written.
    """
    if format.document is not None:
        with replacing(path) as part, io.BufferedWriter(_StoppableFile(part, cancel)) as stream:
            format.document(result, stream)
        return
    from app.results.overlay import write_overlay  # here, since it loads what draws and encodes pictures

    write_overlay(
        result,
        path,
        source=source,
        audio=audio,
        overlay=settings.overlay,
        limits=settings.limits,
        decode=settings.decode,
        progress=progress,
        cancel=cancel,
    )


class _StoppableFile(io.FileIO):
    """A new file that refuses to grow, by Canceled, once `cancel` is set."""

    def __init__(self, path: Path, cancel: threading.Event | None) -> None:
        super().__init__(path, "wb")
        self._cancel = cancel

    def write(self, data: ReadableBuffer, /) -> int:
        if self._cancel is not None and self._cancel.is_set():
            raise Canceled("the writing was canceled")
        return super().write(data)
