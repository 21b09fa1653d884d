"""Any folder of still pictures, for what is trained without sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from app.errors import MediaCorrupt
from training.data.examples import Facts, Footage
from training.data.readers.files import PICTURES, safe_id, walk
from training.data.readers.reading import Findings, Reading
from training.data.readers.splits import split_groups
from training.metrics.masks import SIDE

# What Pillow raises for files that are no picture, are cut short, or would fill the memory.
_BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


@dataclass(frozen=True, slots=True)
class Still:
    """A picture without sound; an `Example` of one frame, whose truth is not known."""

    facts: Facts
    media: Path

    def footage(self, *, size: int, fps: float) -> Footage:
        """The picture, squashed to a square. Raises MediaCorrupt if it cannot be read."""
        del fps  # one frame, whatever the rate
        try:
            with Image.open(self.media) as image:
                image.draft("RGB", (size, size))  # a JPEG need not be decoded larger than that
                upright = ImageOps.exif_transpose(image).convert("RGB")
                frame = np.asarray(upright.resize((size, size), Image.Resampling.BILINEAR))
        except _BROKEN as error:
            raise MediaCorrupt(f"{self.media}: {error}") from error
        return Footage(
            frames=frame[None],
            times_s=np.zeros(1),
            waveform=np.zeros(0, np.float32),
            waveform_start_s=0.0,
            truth=np.zeros((1, SIDE, SIDE), np.float32),
            judged=np.zeros(1, np.bool_),
        )


class Pictures:
    """Reader of a user's own pictures."""

    name = "pictures"
    title = "any folder of pictures; no sound, no boxes"
    layout = (
        "Expected: pictures (jpg, png, webp) anywhere below the folder. About a tenth of them is split off"
        " for validation, by the hash of their names; nothing is for testing."
    )

    def read(self, root: Path) -> Reading:
        findings = Findings(root, self)
        paths = {str(path.relative_to(root)): path for path in walk(root) if path.suffix.lower() in PICTURES}
        splits = split_groups(paths)
        for name, path in paths.items():
            findings.add(Still(Facts(safe_id(name), group=name, split=splits[name]), path))
        return findings.close()
