"""A contact sheet of an evaluation: the best, the middling and the worst cases, to be looked at.

Each tile shows the frame with the heatmap on it, as the service draws it, beside the outline of the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from app.media.encode import YuvConverter
from app.results.heat_layer import HeatLayer
from app.results.replacing import replacing
from app.results.text import fit, font
from app.settings import OverlaySettings
from training.evaluation.cases import Encoded
from training.evaluation.report import CaseScore, Report
from training.metrics.localization import THRESHOLD, Rule

PICTURE_PX = 224
CAPTION_PX = 36
GAP_PX = 8
HEADING_PX = 30
COLUMNS = 3
MOST = 6  # tiles of a section

TILE_WIDTH = 2 * PICTURE_PX
TILE_HEIGHT = PICTURE_PX + CAPTION_PX

_TEXT_PX = 13
_HEADING_TEXT_PX = 18
_QUALITY = 88
_OUTLINE = (0, 255, 120)

Pixels = npt.NDArray[np.uint8]


def sections(report: Report) -> dict[str, list[int]]:
    """Indices of the cases to be shown, by heading: at most `MOST` each, none twice.

    They are ranked by IoU at the absolute threshold, equal ones by IoU at the size of the truth. With fewer
    than three scored cases all of them are "best".
    """
    ious = {
        index: (case.iou[Rule.ABSOLUTE], case.iou[Rule.AREA])
        for index, case in enumerate(report.cases)
        if case.iou is not None
    }
    ranked = sorted(ious, key=lambda index: ious[index], reverse=True)
    n = len(ranked)
    if n < 3:
        return {"best": ranked}
    count = min(MOST, n // 3)
    middle = (n - count) // 2
    return {"best": ranked[:count], "median": ranked[middle : middle + count], "worst": ranked[-count:]}


def write_sheet(
    report: Report,
    encoded: Encoded,
    heatmaps: npt.NDArray[np.floating],
    path: Path,
    *,
    overlay: OverlaySettings,
) -> None:
    """Write the sheet as a JPEG, replacing what is there.

    Args:
        report: of these cases.
        encoded: the cases with their frames and truths.
        heatmaps: (n, G, G) of the cases.
        path: of the JPEG.
        overlay: colours of the heatmap.

    Raises:
        OSError: the file cannot be written.
    """
    shown = sections(report)
    width = COLUMNS * (TILE_WIDTH + GAP_PX) + GAP_PX
    height = sum(HEADING_PX + _rows(members) * (TILE_HEIGHT + GAP_PX) for members in shown.values()) + GAP_PX
    sheet = Image.new("RGB", (width, height), "white")
    draw, top = ImageDraw.Draw(sheet), 0
    for heading, members in shown.items():
        draw.text((GAP_PX, top + 4), heading, fill="black", font=font(_HEADING_TEXT_PX))
        top += HEADING_PX
        for place, index in enumerate(members):
            row, column = divmod(place, COLUMNS)
            left = GAP_PX + column * (TILE_WIDTH + GAP_PX)
            frame = np.asarray(encoded.pictures.frames[index])
            tile = _tile(
                report.cases[index],
                frame,
                heatmaps[index],
                encoded.pictures.truth(index) > 0,
                overlay=overlay,
            )
            sheet.paste(tile, (left, top + row * (TILE_HEIGHT + GAP_PX)))
        top += _rows(members) * (TILE_HEIGHT + GAP_PX)
    with replacing(path) as part:
        sheet.save(part, format="JPEG", quality=_QUALITY)


def _rows(members: Sequence[int]) -> int:
    return -(-len(members) // COLUMNS)


def _tile(
    case: CaseScore,
    frame: Pixels,
    heatmap: npt.NDArray[np.floating],
    truth: npt.NDArray[np.bool_],
    *,
    overlay: OverlaySettings,
) -> Image.Image:
    picture = np.asarray(Image.fromarray(frame).resize((PICTURE_PX, PICTURE_PX), Image.Resampling.BICUBIC))
    tile = Image.new("RGB", (TILE_WIDTH, TILE_HEIGHT), "white")
    tile.paste(Image.fromarray(_heated(picture, heatmap, overlay=overlay)), (0, 0))
    tile.paste(Image.fromarray(_outlined(picture, truth)), (PICTURE_PX, 0))
    iou = case.iou[Rule.ABSOLUTE] if case.iou is not None else 0.0
    verdict = "hit" if iou >= THRESHOLD else "miss"
    pointing = "points right" if case.pointing else "points elsewhere"
    lines = (
        f"{case.id}  {case.label}",
        f"{verdict}, IoU {iou:.2f}, {pointing}, presence {case.presence:.2f}",
    )
    draw, face = ImageDraw.Draw(tile), font(_TEXT_PX)
    for number, text in enumerate(lines):
        top = PICTURE_PX + 1 + number * (CAPTION_PX // 2)
        draw.text((1, top), fit(text, face, TILE_WIDTH - 2), fill="black", font=face)
    return tile


def _heated(picture: Pixels, heatmap: npt.NDArray[np.floating], *, overlay: OverlaySettings) -> Pixels:
    layer = HeatLayer(
        PICTURE_PX, PICTURE_PX, colormap=overlay.colormap, opacity=overlay.opacity, threshold=THRESHOLD
    )
    frame = YuvConverter().convert(np.ascontiguousarray(picture))
    layer.paint(frame, np.asarray(heatmap, np.float32))
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def _outlined(picture: Pixels, truth: npt.NDArray[np.bool_]) -> Pixels:
    """The pixels of the truth (224, 224) that have a neighbour outside it, two pixels wide."""
    inner = truth
    for _ in range(2):
        padded = np.pad(inner, 1)
        inner = inner & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    drawn = picture.copy()
    drawn[truth & ~inner] = _OUTLINE
    return drawn
