"""Pages in a real Chromium, and servers on this machine for what they load.

Playwright is imported in the fixture: it comes with `make test-browser` only.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.results.formats import FORMATS
from tests.browser.page_steps import analyze
from tests.fixtures_server import ServerProcess
from tests.tiny_bundle import write_sharing_bundle, write_tiny_bundle

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
TIMEOUT_MS = 30_000


class _Handler(SimpleHTTPRequestHandler):
    """Files of one directory, with the media types that the service sends."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        Path(entry.file_name).suffix: entry.media_type for entry in FORMATS.values()
    }

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Address under which the files of `tmp_path` are served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests: starting it takes seconds."""
    from playwright.sync_api import sync_playwright

    # None takes the build that `playwright install` brings.
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=(*QUIET, *CAMERA))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def chromium_page(chromium: Browser) -> Page:
    """One page for tests that leave nothing behind in it."""
    page = chromium.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    return page


@pytest.fixture(scope="session")
def page_bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of bundles with `tiny`, which does everything, and `tiny-small` beside it."""
    root = tmp_path_factory.mktemp("bundles")
    write_sharing_bundle(write_tiny_bundle(root, detects=True, explains=True))
    return root


@pytest.fixture(scope="session")
def page_environment(tiny_environment: dict[str, str], page_bundles: Path) -> dict[str, str]:
    return {**tiny_environment, "EARSIGHT_INFERENCE__BUNDLE_DIRS": json.dumps([str(page_bundles)])}


@pytest.fixture(scope="session")
def page_server(
    page_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A running service whose bundle does everything."""
    server = ServerProcess(tmp_path_factory.mktemp("server") / "scratch", page_environment)
    yield server
    server.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """`open_page(url, **options of the context)` opens a page of its own. That nothing went wrong in its
    console is checked in the end; with `refused` the server may refuse requests."""
    opened: list[tuple[Any, list[str]]] = []

    def open_one(url: str, *, script: str = "", refused: bool = False, **options: Any) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        faults: list[str] = []

        def note(message: Any) -> None:
            # A job has no lines while it writes its files, and what it had before that is soon over.
            expected = message.text.startswith("Failed to load resource") and (
                refused or "409" in message.text
            )
            if message.type == "error" and not expected:
                faults.append(message.text)

        page.on("console", note)
        page.on("pageerror", lambda error: faults.append(str(error)))
        opened.append((context, faults))
        if script:
            page.add_init_script(script)
        page.goto(url)
        return page

    yield open_one
    for context, _ in opened:
        context.close()
    assert [fault for _, faults in opened for fault in faults] == []


@pytest.fixture
def page(open_page: Callable[..., Page], page_server: ServerProcess) -> Page:
    return open_page(page_server.url)


@pytest.fixture
def shown(page: Page, sounding_square: Path) -> Page:
    """The page with the result for the sounding square."""
    analyze(page, sounding_square)
    return page
