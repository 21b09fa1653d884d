"""Narrow screens, dark and light, motion, and what screen readers need."""

from __future__ import annotations

import pytest

from tests.browser.page_steps import SETTLE, analyze

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [320, 375, 768])
def test_nothing_lies_beside_a_narrow_screen(open_page, page_server, sounding_square, width):
    page = open_page(page_server.url, viewport={"width": width, "height": 800}, has_touch=True)
    analyze(page, sounding_square)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_dark_scheme_is_dark_and_the_light_one_light(open_page, page_server):
    sums = {}
    for scheme in ("dark", "light"):
        page = open_page(page_server.url, color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        sums[scheme] = sum(int(part) for part in colour.strip("rgb()").split(","))
    assert sums["dark"] < 100
    assert sums["light"] > 700


def test_who_wants_no_motion_gets_none(open_page, page_server):
    moves = "getComputedStyle(document.querySelector('#sample')).transitionDuration"
    assert open_page(page_server.url, reduced_motion="reduce").evaluate(moves) == "0s"
    assert open_page(page_server.url, reduced_motion="no-preference").evaluate(moves) != "0s"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page, page_server, sounding_square, scheme):
    from axe_playwright_python.sync_playwright import Axe

    axe = Axe()
    page = open_page(page_server.url, color_scheme=scheme)

    def findings():
        found = axe.run(page).response["violations"]
        return [
            (each["id"], [node["target"] for node in each["nodes"]])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]

    assert findings() == []
    analyze(page, sounding_square)
    page.evaluate(SETTLE)
    assert findings() == []
