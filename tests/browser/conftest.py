"""A page in a real Chromium, and a server on this machine for what it loads.

Playwright is imported in the fixture: it comes with `make test-browser` only.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.results.formats import FORMATS

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
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
def chromium_page() -> Iterator[Page]:
    """One page for all tests: starting the browser takes seconds."""
    from playwright.sync_api import sync_playwright

    # None takes the build that `playwright install` brings.
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        page = browser.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        yield page
        browser.close()
