"""The pictures of the model cards can be made again, and are those that the cards show."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile
from typer.testing import CliRunner

from training.data import failures as module
from training.data.cli import app
from training.data.failures import DURATION_S, FAILURES, compose, guitar_in_hiss, write_still
from training.data.sample import HEIGHT, WIDTH
from training.data.sample_sounds import PEAK, RATE_HZ, guitar
from training.data.stamps import PACKAGE

ROOT = Path(__file__).parents[3]
PICTURES = ROOT / "docs" / "images" / "failures"
STILLS = {name: failure.still for name, failure in FAILURES.items() if failure.still is not None}
RED_SQUARE = """<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">
<metadata>http://creativecommons.org/licenses/publicdomain/</metadata>
<rect width="20" height="20" fill="#ff0000"/></svg>"""


@pytest.fixture
def stamps(tmp_path):
    """The package in miniature: a red square for every thing, all in the public domain."""
    folder, documents = tmp_path / "usr/share/tuxpaint/stamps", tmp_path / "usr/share/doc" / PACKAGE
    documents.mkdir(parents=True)
    listed = []
    for stamp, _ in (thing for still in STILLS.values() for thing in still.things):
        path = folder / stamp.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".svg":
            path.write_text(RED_SQUARE)
        else:
            Image.new("RGBA", (20, 20), (255, 0, 0, 255)).save(path)
            listed.append(f"    + {path.name}\n")
    changelog = "".join(listed) + "\n    The Open Clipart Library\n"
    (documents / "changelog.gz").write_bytes(gzip.compress(changelog.encode()))
    return tmp_path


def test_things_stand_where_the_still_says_and_nowhere_else(stamps):
    still = STILLS["default-hiss"]
    picture = compose(still, stamps=stamps).astype(np.int16)
    changed = picture[..., 0] - picture[..., 1] > 120
    assert picture.shape == (HEIGHT, WIDTH, 3)
    for _, placement in still.things:
        row = round((placement.foot_y - placement.height / 2) * HEIGHT)
        assert changed[row, round(placement.centre_x * WIDTH)]
    assert not changed[:, 340].any()  # between the two


def test_a_still_is_written_with_its_sound(stamps, tmp_path):
    picture, sound = write_still(STILLS["default-small"], tmp_path / "small", stamps=stamps)
    with Image.open(picture) as opened:
        assert opened.size == (WIDTH, HEIGHT)
    rate_hz, wave = wavfile.read(sound)
    assert (rate_hz, len(wave)) == (RATE_HZ, round(DURATION_S * RATE_HZ))
    assert np.abs(wave).max() == pytest.approx(PEAK, abs=1e-6)


def test_the_hiss_is_as_loud_as_the_guitar():
    both, played = guitar_in_hiss(1.0), guitar(1.0)
    assert np.abs(both).max() == pytest.approx(PEAK)
    share = (both @ played) / (
        played @ played
    )  # of the guitar in both; the noise has nothing in common with it
    rest = both - share * played
    assert np.square(rest).mean() == pytest.approx(np.square(share * played).mean(), rel=0.05)


def test_the_command_shows_what_a_bundle_makes_of_a_still(stamps, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FAILURES", {"fast-lorry": FAILURES["fast-lorry"]})
    ran = CliRunner().invoke(app, ["failures", "--stamps", str(stamps), "--out", str(tmp_path / "out")])
    assert ran.exit_code == 0, ran.output
    with Image.open(tmp_path / "out" / "fast-lorry.jpg") as picture:
        assert picture.width == WIDTH
        assert picture.height > HEIGHT  # the time lane is below
    assert "fast-lorry.jpg" in ran.output


def test_the_command_reports_missing_stamps_and_fails(tmp_path):
    ran = CliRunner().invoke(app, ["failures", "--stamps", str(tmp_path), "--out", str(tmp_path / "out")])
    assert ran.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_the_pictures_are_those_that_the_cards_show():
    shown = {
        name
        for card in ("default", "fast")
        for name in re.findall(
            r"images/failures/([\w-]+)\.jpg", (ROOT / f"docs/models/{card}.md").read_text()
        )
    }
    assert shown == set(FAILURES) == {path.stem for path in PICTURES.glob("*.jpg")}


def test_the_pictures_are_small():
    sizes = [path.stat().st_size for path in PICTURES.glob("*.jpg")]
    assert max(sizes) < 150_000
    assert sum(sizes) < 1_000_000
