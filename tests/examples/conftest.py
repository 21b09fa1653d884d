"""A real server with a bundle that detects, which signs webhooks and may call this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from app.client import Earsight
from tests.fixtures_server import ServerProcess
from tests.webhooks.made_messages import SECRET


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="session")
def example_server(
    tmp_path_factory: pytest.TempPathFactory, tiny_environment: dict[str, str], authority: trustme.CA
) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("examples")
    authority.cert_pem.write_to_path(directory / "authority.pem")
    environment = {
        **tiny_environment,
        "EARSIGHT_INFERENCE__BUNDLE": "tiny-detect",
        "EARSIGHT_WEBHOOKS__SECRETS": json.dumps([SECRET]),
        "EARSIGHT_WEBHOOKS__ALLOW_PRIVATE": "true",
        "SSL_CERT_FILE": str(directory / "authority.pem"),
    }
    server = ServerProcess(directory / "scratch", environment)
    yield server
    server.close()


@pytest.fixture
def server(example_server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> ServerProcess:
    """The one that examples call, as they find it in the environment."""
    monkeypatch.setenv("EARSIGHT_URL", example_server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return example_server


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Earsight]:
    with Earsight(server.url, trust_env=False) as client:
        yield client


@pytest.fixture
def bad_clip(tmp_path: Path) -> Path:
    path = tmp_path / "bad.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypisom" + bytes(100))
    return path
