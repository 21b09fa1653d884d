"""The detections as a COCO file, which annotation tools and evaluators read.

One image for each sampled frame, one annotation for each detection. Boxes are pixels of the displayed frame;
beside COCO's own fields stand the time of a frame, and the score, the `sounding` probability, the name of the
sound and the track of a detection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.errors import InvalidRequest
from app.results.json_writer import Document, to_bytes
from app.results.model import SCHEMA, Detection, Result
from app.results.tracks import tracks_of

_TIME_DIGITS = 6
_SCORE_DIGITS = 4
_PIXEL_DIGITS = 2


def write_coco(result: Result, stream: BinaryIO) -> None:
    """Write the document as UTF-8, one image or annotation a line.

    Image and annotation ids count from 1 in the order of time; category ids count the labels used, from 1 in
    alphabetical order. All detections of a track have the category of the track.

    Raises:
        InvalidRequest: the result has no detections because the task `detect` was not asked for.
    """
    found = result.frames.detections
    if found is None:
        raise InvalidRequest("the format coco needs the task detect")
    labels = {track.track_id: track.label for track in tracks_of(result.frames)}
    category_ids = {label: number for number, label in enumerate(sorted(set(labels.values())), start=1)}
    categories = {track_id: category_ids[label] for track_id, label in labels.items()}
    stream.write(b'{"info":' + to_bytes(_info(result)) + b',"licenses":[]')
    _write_list(stream, "images", _images(result))
    _write_list(stream, "annotations", _annotations(result, found, categories))
    _write_list(stream, "categories", ({"id": number, "name": name} for name, number in category_ids.items()))
    stream.write(b"}\n")


def _write_list(stream: BinaryIO, name: str, entries: Iterable[Document]) -> None:
    stream.write(f',\n"{name}":['.encode())
    for number, entry in enumerate(entries):
        stream.write((b",\n" if number else b"\n") + to_bytes(entry))
    stream.write(b"]")


def _info(result: Result) -> Document:
    model = result.model
    return {
        "description": f"Objects and whether they sound, found by {model.name} {model.version} of Earsight",
        "version": SCHEMA,
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256},
        "source_sha256": result.source.sha256,
        "sounding_threshold": result.thresholds.sounding,
    }


def _images(result: Result) -> Iterator[Document]:
    frames = result.frames
    for number, (time_s, frame) in enumerate(zip(frames.time_s, frames.frame, strict=True), start=1):
        yield {
            "id": number,
            "width": result.source.width,
            "height": result.source.height,
            "file_name": f"frame-{int(frame):06d}-{float(time_s):.3f}s.png",
            "time_s": round(float(time_s), _TIME_DIGITS),
            "frame": int(frame),
        }


def _annotations(
    result: Result, found: Iterable[Iterable[Detection]], categories: dict[int, int]
) -> Iterator[Document]:
    annotation_id = 0
    for image_id, detections in enumerate(found, start=1):
        for detection in detections:
            annotation_id += 1
            x, y, width, height = _pixels(detection, result.source.width, result.source.height)
            yield {
                "id": annotation_id,
                "image_id": image_id,
                "category_id": categories[detection.track_id],
                "bbox": [x, y, width, height],
                "area": round(width * height, _PIXEL_DIGITS),
                "segmentation": [],  # boxes have no outline, but many readers expect the field
                "iscrowd": 0,
                "score": round(detection.score, _SCORE_DIGITS),
                "sounding": round(detection.sounding, _SCORE_DIGITS),
                "sound": detection.sound.label if detection.sound else None,
                "track_id": detection.track_id,
            }


def _pixels(detection: Detection, width: int, height: int) -> tuple[float, float, float, float]:
    """x, y, width and height in pixels of the displayed frame."""
    x0, y0, x1, y1 = detection.box
    edges = (x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height)
    x, y, w, h = (round(edge, _PIXEL_DIGITS) for edge in edges)
    return x, y, w, h
