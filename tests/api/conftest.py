from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api.application import create_app
from app.settings import JobSettings, Settings
from tests.api.job_steps import Hold

Scenario = Callable[[httpx.AsyncClient], Awaitable[Any]]


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    """A log line that cannot be made is an error of its own, so make them all."""
    caplog.set_level(logging.DEBUG, "app")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def settings(tiny_settings: Settings, scratch: Path, tmp_path: Path) -> Settings:
    """The tiny bundle answers, and uploads and jobs are kept where a test can look."""
    jobs = JobSettings(directory=tmp_path / "jobs")
    return tiny_settings.model_copy(update={"scratch_dir": scratch, "jobs": jobs})


@pytest.fixture
def play(settings: Settings) -> Callable[..., Any]:
    """`play(scenario)` calls `scenario(client)` with a client of a running application, in the process."""

    def run(scenario: Scenario, *, settings: Settings = settings) -> Any:
        async def session() -> Any:
            app = create_app(settings)
            async with app.router.lifespan_context(app):
                transport = httpx.ASGITransport(app)
                async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                    return await asyncio.wait_for(scenario(client), 60)

        return asyncio.run(session())

    return run


@pytest.fixture
def ask(play: Callable[..., Any]) -> Callable[..., httpx.Response]:
    """`ask(method, path, ...)` sends one request to an application of its own."""

    def send(method: str, path: str, *, settings: Settings | None = None, **arguments: Any) -> httpx.Response:
        chosen = {} if settings is None else {"settings": settings}
        return play(lambda client: client.request(method, path, **arguments), **chosen)

    return send


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hold]:
    """Every analysis begins and waits until it is let go: `hold.begun`, `hold.release`."""
    with Hold().installed(monkeypatch) as hold:
        yield hold


@pytest.fixture
def kept(settings: Settings) -> Callable[[], list[str]]:
    """`kept()` gives the names of all files of jobs there are, and of what is left of uploads."""

    def look() -> list[str]:
        root = settings.jobs.directory
        assert root is not None
        return sorted(path.name for place in ("artifacts", "uploads") for path in (root / place).rglob("*"))

    return look
