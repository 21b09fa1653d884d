"""Small good files of every container that is accepted, with every codec that can be encoded here, and a
server to send their mutants to."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fixtures_server import ServerProcess

CLIPS = (
    {"container": "mp4"},
    {"container": "mp4", "muxer_options": (("movflags", "frag_keyframe+empty_moov"),)},
    {"container": "mp4", "video": "libx265"},
    {"container": "mp4", "rotation_deg": 90, "audio": "alac"},
    {"container": "mov", "audio": "pcm_s16le"},
    {"container": "mov", "video": "mjpeg", "pix_fmt": "yuvj420p", "audio": None},
    {"container": "mkv", "audio": "flac"},
    {"container": "mkv", "video": "libsvtav1", "audio": "libopus"},
    {"container": "webm", "video": "libvpx", "audio": "libopus"},
    {"container": "webm", "video": "libvpx-vp9", "audio": "libopus"},
    {"container": "avi", "video": "mpeg4", "audio": "libmp3lame"},
)
SOUNDS = (
    {"container": "wav", "audio": "pcm_s16le"},
    {"container": "flac", "audio": "flac"},
    {"container": "ogg", "audio": "libopus"},
    {"container": "mp3", "audio": "libmp3lame"},
    {"container": "aac", "audio": "aac"},
    {"container": "m4a", "audio": "aac"},
)
PICTURES = ("png", "jpeg", "webp")


@pytest.fixture(scope="session")
def clips(make_clip: Callable[..., Path]) -> tuple[bytes, ...]:
    """What may come as `file`."""
    small = {"size": (64, 48), "fps": 8, "frames": 6, "bursts": ((0.0, 0.5),)}
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    return (
        *(make_clip(**small, **options).read_bytes() for options in CLIPS),
        *(_encoded(Image.fromarray(pixels), form) for form in PICTURES),
    )


@pytest.fixture(scope="session")
def sounds(make_clip: Callable[..., Path]) -> tuple[bytes, ...]:
    """What may come as `audio`."""
    length = {"frames": 0, "audio_s": 0.5, "bursts": ((0.0, 0.5),)}
    return tuple(make_clip(**length, **options).read_bytes() for options in SOUNDS)


@pytest.fixture
def start(tmp_path: Path, tiny_environment: dict[str, str]) -> Iterator[Callable[..., ServerProcess]]:
    """Starts a server with little patience, so that no mutant takes long, and with the settings given."""
    patience = {
        "SERVER__MAX_CONCURRENT_ANALYSES": 2,
        "DECODE__CPU_S": 10,
        "DECODE__STALL_S": 5,
        "JOBS__MAX_ATTEMPTS": 1,
        "TELEMETRY__LOG_LEVEL": "info",
    }
    started = []

    def start(**settings: object) -> ServerProcess:
        chosen = {f"EARSIGHT_{name}": str(value) for name, value in {**patience, **settings}.items()}
        started.append(ServerProcess(tmp_path / "scratch", {**tiny_environment, **chosen}))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def server(start: Callable[..., ServerProcess]) -> ServerProcess:
    return start()


def _encoded(picture: Image.Image, form: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form)
    return stream.getvalue()
