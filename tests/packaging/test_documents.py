"""What the README and the pages in docs/ say can be found where they say it."""

import re
from pathlib import Path

import pytest

from app.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "NOTICE", *sorted((ROOT / "docs").rglob("*.md"))]
MIB = 1024 * 1024


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_the_readme_opens_with_a_picture():
    lines = [line for line in (ROOT / "README.md").read_text().splitlines() if line]
    assert lines[2].startswith("![")


def test_the_limits_that_are_listed_are_the_defaults():
    page = (ROOT / "docs" / "api.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| `EARSIGHT_(\w+?)__(\w+)` \|$", page, re.M)
    defaults = Settings().model_dump()
    assert len(rows) >= 5
    for shown, group, field in rows:
        number, _, unit = shown.strip().partition(" ")
        assert int(number) * (MIB if unit == "MiB" else 1) == defaults[group.lower()][field.lower()], field


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_is_named_exists(page):
    defaults = Settings().model_dump()
    for group, field in re.findall(r"EARSIGHT_([A-Z]+)__([A-Z_]+)", page.read_text()):
        assert field.lower() in defaults[group.lower()], f"EARSIGHT_{group}__{field}"


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert {name for name in pages if f"({name})" not in index} == set()
