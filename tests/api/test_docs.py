"""docs/api.md says what the code does."""

import re
from pathlib import Path
from typing import get_args

import pytest

from app.results.formats import FORMATS
from app.results.model import NoExplanation

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_format_is_listed_with_its_media_type():
    for entry in FORMATS.values():
        assert re.search(rf"^\| `{entry.name}` \| `{re.escape(entry.media_type)}`", PAGE, re.MULTILINE)


def test_every_route_is_listed(ask):
    document = ask("GET", "/openapi.json").json()
    routes = {f"{method.upper()} {path}" for path, ways in document["paths"].items() for method in ways}
    listed = set(re.findall(r"^\| `((?:GET|POST|DELETE) /[^`]*)` \|", PAGE, re.MULTILINE))
    assert listed == routes


def test_every_setting_that_is_named_exists():
    settings = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    for name in re.findall(r"EARSIGHT_\w+", PAGE):
        assert f"`{name}`" in settings


@pytest.mark.parametrize("page", ["api.md", "results.md"])
def test_every_reason_for_no_explanation_is_told(page):
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    assert all(f"`{reason}`" in text for reason in get_args(NoExplanation))


@pytest.mark.parametrize("word", ["0.5", "255", "base64"])
def test_meaning_of_the_heatmap_is_told(word):
    assert word in PAGE
