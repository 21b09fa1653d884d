import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.media.encode import ClipWriter, YuvConverter
from training.data.picture import moments_of, write_picture


@pytest.fixture
def overlay(tmp_path) -> Path:
    """Three seconds: dark, then grey, then light."""
    path = tmp_path / "overlay.mp4"
    converter = YuvConverter()
    with ClipWriter(path, width=64, height=32, fps=4) as writer:
        for index in range(12):
            level = (20, 120, 220)[index // 4]
            writer.add_frame(converter.convert(np.full((32, 64, 3), level, np.uint8)), index / 4)
    return path


def test_the_moments_are_stacked_from_the_top(overlay, tmp_path):
    picture = tmp_path / "images" / "sample.jpg"
    write_picture(overlay, picture, moments_s=(0.5, 1.5, 2.5))
    pixels = np.asarray(Image.open(picture).convert("L"), np.int16)
    assert pixels.shape[1] == 64
    assert [int(row) for row in (pixels[16, 32], pixels[54, 32], pixels[92, 32])] == pytest.approx(
        [20, 120, 220], abs=6
    )


def test_an_overlay_that_is_too_short_is_refused(overlay, tmp_path):
    with pytest.raises(ValueError, match="ends before"):
        write_picture(overlay, tmp_path / "sample.jpg", moments_s=(0.5, 4.0))


def test_each_turn_is_shown_in_its_middle_and_the_silence_late(tmp_path):
    spans = {
        "turns": [{"from_s": 0, "to_s": 3}, {"from_s": 3, "to_s": 6}],
        "silence": {"from_s": 6, "to_s": 9},
    }
    path = tmp_path / "sample.json"
    path.write_text(json.dumps(spans))
    assert moments_of(path) == (1.5, 4.5, 8.25)
