"""The site that mkdocs makes of docs/: every link and anchor leads somewhere, and no other host is asked."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "mkdocs.yml"
LOADS = {"href": ("link", "image", "use"), "src": None, "srcset": None, "poster": None, "data": ("object",)}
FOREIGN = re.compile(r"(?:https?:)?//", re.IGNORECASE)
FOREIGN_STYLE = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])(?:https?:)?//", re.IGNORECASE)
BLOCKS = ("p", "li", "td", "th")
RAW = re.compile(r"^(?:[*-] |#{1,6} |\d+\. )|\|\s*-{3,}|```|\]\(|\*\*", re.MULTILINE)
"""Markdown that is left in a text: a list, table or fence that GitHub understands and mkdocs does not."""


class Page(HTMLParser):
    """What a page loads, and the texts of its paragraphs, lists and tables without code."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.styles: list[str] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in LOADS and value and tag in (LOADS[name] or (tag,)):
                self.loads.append(value)
            if name == "style" and value:
                self.styles.append(value)
        if tag in (*BLOCKS, "code", "style"):
            self._open.append(tag)
        if tag in BLOCKS:
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open:
            return
        if self._open[-1] in BLOCKS:
            self.texts[-1] += data
        elif self._open[-1] == "style":
            self.styles.append(data)


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(site)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("docs") / "site"
    built = build(CONFIG, directory)
    assert built.returncode == 0, built.stderr
    return directory


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {str(path.relative_to(site)): Page(path.read_text()) for path in site.rglob("*.html")}


def test_each_page_is_on_the_site(pages: dict[str, Page]) -> None:
    written = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert {str(path) for path in written} <= set(pages)


def test_no_page_loads_anything_from_another_host(pages: dict[str, Page]) -> None:
    assert any(page.loads for page in pages.values())
    loads = [(name, each) for name, page in pages.items() for each in page.loads if FOREIGN.match(each)]
    styles = [
        (name, each) for name, page in pages.items() for each in page.styles if FOREIGN_STYLE.search(each)
    ]
    assert (loads, styles) == ([], [])


def test_no_style_sheet_loads_anything_from_another_host(site: Path) -> None:
    sheets = list(site.rglob("*.css"))
    assert sheets
    assert [sheet for sheet in sheets if FOREIGN_STYLE.search(sheet.read_text())] == []


def test_no_page_asks_for_diagrams_which_the_theme_would_fetch_from_elsewhere(site: Path) -> None:
    assert [page for page in site.rglob("*.html") if 'class="mermaid"' in page.read_text()] == []


def test_no_text_holds_markdown_that_was_not_understood(pages: dict[str, Page]) -> None:
    raw = [(name, text) for name, page in pages.items() for text in page.texts if RAW.search(text)]
    assert raw == []


def test_links_that_lead_nowhere_stop_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    text = "# Page\n\n[page](gone.md), [file](../gone.py), [place](#gone), [root](/gone.md)\n"
    (tmp_path / "docs" / "index.md").write_text(text)
    configuration = {**yaml.safe_load(CONFIG.read_text()), "nav": [{"Page": "index.md"}]}
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(configuration))
    built = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert built.returncode == 1
    for target in ("gone.md", "../gone.py", "#gone", "/gone.md"):
        assert f"'{target}'" in built.stderr
