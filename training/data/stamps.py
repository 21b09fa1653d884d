"""Cut-out pictures from the Debian package `tuxpaint-stamps-default`.

As a whole the package is under the GPL; some stamps are in the public domain. Only those are used here:
`Stamp.evidence` names the file of the package that says so, and `open_stamp` checks it.
"""

from __future__ import annotations

import gzip
import io
import re
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from PIL import Image

PACKAGE = "tuxpaint-stamps-default"

_STAMPS = Path("usr/share/tuxpaint/stamps")
_CHANGELOG = Path("usr/share/doc") / PACKAGE / "changelog.gz"
_PUBLIC_DOMAIN_MARKS = ("creativecommons.org/licenses/publicdomain", "web.resource.org/cc/PublicDomain")
_CLIP_ART_CREDIT = "The Open Clipart Library"  # as the changelog names it below a list of its pictures
_APT_TIMEOUT_S = 600
_MAX_SHADE = 250  # alpha from which a pixel belongs to the object and not to its drawn shadow or soft edge


class StampError(RuntimeError):
    """The stamps cannot be had, or a stamp is not in the public domain."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A picture of the package.

    Attributes:
        path: of the file inside the package's folder of stamps.
        author: as far as the package and its project name one.
        evidence: where the package says that the picture is in the public domain: `metadata` of the SVG file
            itself, or the `changelog`, which lists it under the Open Clip Art Library (all public domain).
    """

    path: str
    author: str
    evidence: Literal["metadata", "changelog"]


def stamps_root(given: Path | None, cache: Path) -> Path:
    """The folder that the package is unpacked in: `given`, or one in `cache` that is filled on first use.

    Nothing is installed: `apt-get download` and `dpkg-deb -x` only.

    Args:
        given: a folder that holds `usr/share/tuxpaint/stamps`, for example `/` with the package installed.
        cache: where to unpack the package when nothing is given.

    Raises:
        StampError: no stamps in `given`, or the package could not be fetched.
    """
    if given is not None:
        if not (given / _STAMPS).is_dir():
            raise StampError(f"no {_STAMPS} in {given}: give the folder that {PACKAGE} is unpacked in")
        return given
    root = cache / PACKAGE
    if not (root / _STAMPS).is_dir():
        _unpack_package(root)
    return root


def stamp_path(root: Path, path: str) -> Path:
    """Where a file of the package's folder of stamps lies; `root` as `stamps_root` gives it."""
    return root / _STAMPS / path


def open_stamp(root: Path, stamp: Stamp, *, width: int) -> Image.Image:
    """An RGBA picture `width` pixels wide, after a check that it is in the public domain.

    Raises:
        StampError: the file is missing, or the package does not say that it is in the public domain.
    """
    path = stamp_path(root, stamp.path)
    if not path.is_file():
        raise StampError(f"{PACKAGE} has no stamp {stamp.path}")
    if not _is_public_domain(root, path, stamp.evidence):
        raise StampError(f"{stamp.path}: the {stamp.evidence} does not put it in the public domain")
    if path.suffix == ".svg":
        return rasterise(path, width)
    picture = Image.open(path).convert("RGBA")
    return picture.resize((width, round(width * picture.height / picture.width)), Image.Resampling.LANCZOS)


def object_box(picture: Image.Image) -> tuple[int, int, int, int]:
    """Bounding box (left, top, right, bottom) in pixels of what is opaque, drawn shadows left out."""
    opaque = picture.getchannel("A").point(lambda alpha: 255 if alpha >= _MAX_SHADE else 0)
    box = opaque.getbbox()
    if box is None:
        raise StampError("the picture has no opaque pixel")
    return box


def _unpack_package(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            ["apt-get", "download", PACKAGE],
            cwd=root,
            check=True,
            capture_output=True,
            timeout=_APT_TIMEOUT_S,
        )
        archive = next(root.glob(f"{PACKAGE}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", archive.name, "."], cwd=root, check=True, capture_output=True)
        archive.unlink()
    except (OSError, subprocess.SubprocessError, StopIteration) as error:
        raise StampError(
            f"could not fetch the Debian package {PACKAGE} ({error}). Run `apt-get update` and try again, or "
            "unpack the package elsewhere and name that folder with --stamps."
        ) from error


def _is_public_domain(root: Path, path: Path, evidence: Literal["metadata", "changelog"]) -> bool:
    if evidence == "metadata":
        text = path.read_text(encoding="utf-8", errors="replace")
        return any(mark in text for mark in _PUBLIC_DOMAIN_MARKS)
    changelog = gzip.decompress((root / _CHANGELOG).read_bytes()).decode("utf-8", errors="replace")
    paragraphs = re.split(r"\n\s*\n", changelog)
    # A list of pictures is a paragraph of its own; the paragraph after it says whose they are.
    return any(
        f"+ {path.name}" in listed and owner.strip().startswith(_CLIP_ART_CREDIT)
        for listed, owner in pairwise(paragraphs)
    )


def rasterise(path: Path, width: int) -> Image.Image:
    """An SVG file as an RGBA picture `width` pixels wide. Raises StampError without resvg-py."""
    try:
        import resvg_py
    except ImportError as error:
        raise StampError("SVG stamps need resvg-py: pip install 'earsight[train]'") from error
    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_path=str(path), width=width)))).convert(
        "RGBA"
    )
