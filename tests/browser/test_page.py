"""The page at `/` in a real browser, against the real service: the picture, the lane, the controls."""

from __future__ import annotations

import numpy as np
import pytest

from tests.browser.page_steps import (
    SETTLE,
    analyze,
    heat_at,
    is_painted,
    opacity_of_cells,
    result_of,
    seek,
    wait_until,
)

pytestmark = pytest.mark.browser
OPACITY, FLOOR = 0.65, 0.04  # how the page begins; below the floor there is no colour
WITHOUT_WEBGL = """
  const original = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    return kind === "webgl2" ? null : original.call(this, kind, options);
  };"""


@pytest.mark.parametrize("script", ["", WITHOUT_WEBGL], ids=["webgl", "2d"])
def test_the_heat_on_the_canvas_is_that_of_the_result(open_page, page_server, sounding_square, script):
    page = open_page(page_server.url, script=script)
    analyze(page, sounding_square)
    page.uncheck("[name=contour]")
    result = result_of(page)
    for time_s, brightest in [(1.0, (1, 2)), (2.75, (2, 0)), (3.7, None)]:
        seek(page, time_s)
        seen, values = opacity_of_cells(page, 4, 4), heat_at(result, time_s)
        expected = OPACITY * np.clip((values - FLOOR) / (1 - FLOOR), 0, 1)
        assert np.abs(seen - expected).max() < 0.03, time_s
        if brightest is None:
            assert seen.max() < 0.03
        else:
            assert np.unravel_index(seen.argmax(), seen.shape) == brightest
            assert seen.max() > 0.5


def test_the_canvas_lies_on_the_picture_on_a_screen_of_many_pixels(open_page, page_server, sounding_square):
    page = open_page(page_server.url, device_scale_factor=2)
    analyze(page, sounding_square)
    canvas, stage = page.locator("#stage .heat"), page.locator("#stage").bounding_box()
    box = canvas.bounding_box()
    assert box["width"] / box["height"] == pytest.approx(128 / 96, rel=0.01)
    assert box["x"] + box["width"] / 2 == pytest.approx(stage["x"] + stage["width"] / 2, abs=1)
    marks = page.locator("#stage .marks")
    assert marks.bounding_box() == box
    assert marks.evaluate("(canvas) => canvas.width") == pytest.approx(2 * box["width"], abs=1)


def test_the_lane_scrubs_by_pointer_and_by_keys(shown):
    track = shown.locator("#track")
    box = track.bounding_box()
    shown.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20)
    shown.mouse.down()
    shown.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20, steps=4)
    shown.mouse.up()
    time_of = "document.querySelector('#video').currentTime"
    wait_until(shown, f"Math.abs({time_of} - 2) < 0.1")
    fps = result_of(shown)["sampling"]["fps"]
    track.press("ArrowRight")
    wait_until(shown, f"Math.abs({time_of} - 2 - 1 / {fps}) < 0.1")
    track.press("Home")
    wait_until(shown, f"{time_of} === 0")
    track.press("End")
    wait_until(shown, f"Math.abs({time_of} - 4) < 0.1")
    shown.wait_for_selector("#track[aria-valuetext='0:04.0 of 0:04.0']")


def test_play_and_the_space_bar_run_the_clip(shown):
    shown.click("#play")
    wait_until(shown, "document.querySelector('#video').currentTime > 0.2")
    shown.locator("#track").press(" ")
    wait_until(shown, "document.querySelector('#video').paused")  # the events of a busy browser come late
    shown.wait_for_selector("#play[aria-label='Play']")
    time_s = shown.evaluate("document.querySelector('#video').currentTime")
    shown.wait_for_timeout(200)
    assert shown.evaluate("document.querySelector('#video').currentTime") == time_s


def test_layers_can_be_switched(shown):
    seek(shown, 1.0)
    assert is_painted(shown, "#stage .heat")
    assert is_painted(shown, "#stage .marks")
    for name in ("heat", "contour", "boxes"):
        shown.uncheck(f"[name={name}]")
    assert not is_painted(shown, "#stage .heat")
    assert not is_painted(shown, "#stage .marks")
    shown.check("[name=why]")
    assert is_painted(shown, "#stage .heat")
    assert not is_painted(shown, "#stage .marks")


def test_opacity_threshold_and_colours_change_the_heat(shown):
    shown.uncheck("[name=contour]")
    seek(shown, 1.0)
    shown.fill("[name=opacity]", "1")
    strongest = heat_at(result_of(shown), 1.0).max()
    expected = (strongest - FLOOR) / (1 - FLOOR)
    assert opacity_of_cells(shown, 4, 4).max() == pytest.approx(expected, abs=0.02)
    before = shown.locator("#stage .heat").screenshot()
    shown.select_option("[name=map]", "viridis")
    shown.evaluate(SETTLE)
    assert shown.locator("#stage .heat").screenshot() != before
    shown.fill("[name=threshold]", "0.9")
    kept = opacity_of_cells(shown, 4, 4)
    assert (kept > 0).sum() == 1


def test_a_click_on_the_picture_shows_the_curve_of_that_place(shown):
    seek(shown, 1.0)
    box = shown.locator("#stage .heat").bounding_box()
    shown.mouse.click(box["x"] + box["width"] * 2.5 / 4, box["y"] + box["height"] * 1.5 / 4)
    shown.wait_for_selector(
        "#hint >> text=The curve is that of the place at 63 % from the left and 38 % from the top."
    )
    shown.wait_for_selector("#labels >> text=This place")
    shown.wait_for_selector("#now:text-is('This place sounds with a probability of 93 %')")
    seek(shown, 2.75)  # the square has gone elsewhere
    shown.wait_for_selector("#now:text-is('This place sounds with a probability of 0 %')")
    shown.click("#unpick")
    shown.wait_for_selector("#labels >> text=Source in view")
    shown.click("#peak")
    shown.wait_for_selector(
        "#hint >> text=The curve is that of the place at 13 % from the left and 63 % from the top."
    )


def test_a_name_shows_only_that_source(shown):
    seek(shown, 1.0)
    chips = shown.locator("#sources button")
    assert chips.all_text_contents() == ["plain", "plain", "Tone", "Music"]
    chips.nth(1).click()  # the square's later place, not seen at this time
    assert chips.nth(1).get_attribute("aria-pressed") == "true"
    assert not is_painted(shown, "#stage .heat")
    seek(shown, 2.75)
    assert is_painted(shown, "#stage .heat")
    shown.click("#labels >> text=Music")
    assert chips.nth(1).get_attribute("aria-pressed") == "false"
    assert chips.nth(3).get_attribute("aria-pressed") == "true"
    assert is_painted(shown, "#stage .heat")
    seek(shown, 3.7)
    assert not is_painted(shown, "#stage .heat")


def test_the_explanation_is_told_and_leads_to_its_moment(shown):
    text = shown.text_content("#why-list")
    assert text.startswith("Tone (")
    shown.click("#why-list button >> nth=0")
    why = result_of(shown)["explanations"][0]
    most_s = why["time_s"][int(np.argmax(why["when_audio"]))]
    wait_until(shown, f"Math.abs(document.querySelector('#video').currentTime - {most_s}) < 0.05")
