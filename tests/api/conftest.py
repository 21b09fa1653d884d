from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api.application import create_app
from app.settings import Settings

Scenario = Callable[[httpx.AsyncClient], Awaitable[Any]]


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    """A log line that cannot be made is an error of its own, so make them all."""
    caplog.set_level(logging.DEBUG, "app")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def settings(tiny_settings: Settings, scratch: Path) -> Settings:
    """The tiny bundle answers, and uploads are spooled where a test can look."""
    return tiny_settings.model_copy(update={"scratch_dir": scratch})


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
