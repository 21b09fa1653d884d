import gzip
import subprocess

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from training.data import stamps as module
from training.data.cli import app
from training.data.sample_scene import Placement, stand, upright, yard
from training.data.stamps import PACKAGE, Stamp, StampError, object_box, open_stamp, stamps_root

CHANGELOG = """2014.August.13
  * New stamps
    + free.png

    The Open Clipart Library http://www.openclipart.org/
    Curated by somebody

    + owned.png

    Somebody else
"""
SQUARE = """<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10">{licence}
<rect x="5" y="0" width="10" height="10" fill="#ff0000"/></svg>"""
PUBLIC_DOMAIN = "<metadata>http://creativecommons.org/licenses/publicdomain/</metadata>"


@pytest.fixture
def root(tmp_path):
    """A package in miniature."""
    folder = tmp_path / "usr/share/tuxpaint/stamps"
    folder.mkdir(parents=True)
    for name in ("free.png", "owned.png"):
        Image.new("RGBA", (20, 10), (255, 0, 0, 255)).save(folder / name)
    (folder / "free.svg").write_text(SQUARE.format(licence=PUBLIC_DOMAIN))
    (folder / "owned.svg").write_text(SQUARE.format(licence=""))
    documents = tmp_path / "usr/share/doc" / PACKAGE
    documents.mkdir(parents=True)
    (documents / "changelog.gz").write_bytes(gzip.compress(CHANGELOG.encode()))
    return tmp_path


def test_a_picture_that_the_changelog_puts_in_the_public_domain_opens(root):
    picture = open_stamp(root, Stamp("free.png", "", "changelog"), width=40)
    assert (picture.mode, picture.size) == ("RGBA", (40, 20))


def test_a_drawing_whose_metadata_put_it_in_the_public_domain_opens(root):
    picture = open_stamp(root, Stamp("free.svg", "", "metadata"), width=40)
    assert picture.size == (40, 20)
    assert object_box(picture) == (10, 0, 30, 20)


@pytest.mark.parametrize("stamp", [Stamp("owned.png", "", "changelog"), Stamp("owned.svg", "", "metadata")])
def test_a_stamp_with_an_owner_is_refused(root, stamp):
    with pytest.raises(StampError, match="public domain"):
        open_stamp(root, stamp, width=40)


def test_a_missing_stamp_is_named(root):
    with pytest.raises(StampError, match=r"no stamp gone\.png"):
        open_stamp(root, Stamp("gone.png", "", "changelog"), width=40)


def test_a_folder_without_stamps_is_refused(tmp_path):
    with pytest.raises(StampError, match=PACKAGE):
        stamps_root(tmp_path, tmp_path / "cache")


def test_a_failed_download_says_how_to_help_oneself(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise subprocess.CalledProcessError(100, "apt-get")

    monkeypatch.setattr(module.subprocess, "run", fail)
    with pytest.raises(StampError, match="--stamps"):
        stamps_root(None, tmp_path)


def test_the_command_reports_missing_stamps_and_fails(tmp_path):
    ran = CliRunner().invoke(app, ["sample", "--stamps", str(tmp_path), "--out", str(tmp_path / "out")])
    assert ran.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_the_command_knows_its_pairs(tmp_path):
    ran = CliRunner().invoke(app, ["sample", "--pair", "cat-dog"])
    assert ran.exit_code == 2


def test_a_cutout_stands_where_it_was_put():
    before = yard(320, 180)
    scene = before.copy()
    placement = Placement(centre_x=0.25, foot_y=0.9, height=0.5)
    red = Image.new("RGBA", (100, 100), (255, 0, 0, 255))
    stand(scene, upright(red, placement, frame_height=180), centre_x=80, foot_y=162)
    changed = np.abs(scene - before).max(2) > 60
    rows, columns = np.nonzero(changed)
    assert (columns.min(), columns.max()) == pytest.approx((35, 124), abs=2)
    assert (rows.min(), rows.max()) == pytest.approx((72, 161), abs=8)  # the shadow reaches below the foot
