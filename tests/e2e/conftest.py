"""A real `earsight serve` process for the tests that share one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures_server import ServerProcess


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, tiny_environment: dict[str, str]
) -> Iterator[ServerProcess]:
    """One server for all tests that neither stop it nor need other settings."""
    scratch = tmp_path_factory.mktemp("server") / "scratch"
    server = ServerProcess(scratch, {**tiny_environment, "EARSIGHT_SERVER__UPLOAD_TIMEOUT_S": "1.5"})
    yield server
    server.close()
