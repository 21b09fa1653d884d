"""Long clips on the page, and the bundle that ships."""

from __future__ import annotations

import pytest

from app.bench.clips import repeat_piece
from tests.browser.page_steps import SAMPLE, is_painted, opacity_of_cells, seek, wait_until
from tests.fixtures_server import ServerProcess

# Moves the pointer along the lane, once for each frame of the screen, and gives the moments drawn per second.
SCRUB = """async () => {
  const [track, clock] = ["#track", "#clock"].map((name) => document.querySelector(name));
  const {left, top, width} = track.getBoundingClientRect();
  track.setPointerCapture = () => {};  // there is no real pointer
  const send = (kind, share) => track.dispatchEvent(
    new PointerEvent(kind, {clientX: left + share * width, clientY: top + 20}));
  send("pointerdown", 0);
  let drawn = 0;
  const start = performance.now();
  for (let move = 1; move <= 60; move += 1) {
    const before = clock.textContent;
    send("pointermove", move / 60);
    await new Promise(requestAnimationFrame);
    drawn += clock.textContent !== before;
  }
  send("lostpointercapture", 1);
  return drawn / ((performance.now() - start) / 1000);
}"""
FASTEST_OF = 10  # other programs may hold the machine up

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def default_server(tiny_environment, tmp_path_factory):
    """A running service with the bundle that ships."""
    environment = {**tiny_environment, "EARSIGHT_INFERENCE__BUNDLE": "default"}
    server = ServerProcess(tmp_path_factory.mktemp("default") / "scratch", environment)
    yield server
    server.close()


def wait_for_heat(page):
    wait_until(page, "document.querySelector('#status').textContent.startsWith('Listening')")
    wait_until(page, "document.querySelectorAll('#sources button').length > 0")
    assert is_painted(page, "#stage .heat")


def test_the_sample_shows_its_first_heat_before_the_job_ends(open_page, default_server):
    page = open_page(default_server.url)
    page.click("#sample")
    wait_for_heat(page)
    assert page.is_visible("#cancel")
    assert page.locator("#files li").count() == 0
    page.click("#another")  # while its lines come
    assert page.is_visible("#drop")
    page.click("#sample")
    page.wait_for_selector("#files li", timeout=60_000)
    page.uncheck("[name=contour]")
    seek(page, 4.7)  # the car honks, on the right
    seen = opacity_of_cells(page, 16, 16)
    assert seen[9:13, 9:14].mean() > 0.4
    assert seen[:, :5].max() < 0.1


def test_a_minute_shows_its_first_heat_before_half_of_it_is_analysed(open_page, default_server, tmp_path):
    clip = tmp_path / "minute.mp4"
    repeat_piece(SAMPLE, clip, duration_s=60)
    page = open_page(default_server.url)
    page.set_input_files("#file", clip)
    wait_for_heat(page)
    assert page.evaluate("document.querySelector('#meter').value") < 0.5
    wait_until(page, "Math.abs(document.querySelector('#video').duration - 60) < 0.2")
    page.click("#cancel")
    page.wait_for_selector("#alert >> text=The analysis was ended early.")
    assert is_painted(page, "#stage .heat")  # what was found stays


def test_ten_minutes_can_be_scrubbed_at_thirty_frames_a_second(page, sounding_square, tmp_path):
    clip = tmp_path / "ten-minutes.mp4"
    repeat_piece(sounding_square, clip, duration_s=600)
    page.set_input_files("#file", clip)
    page.wait_for_selector("#files li", timeout=120_000)
    wait_until(page, "Math.abs(document.querySelector('#track').ariaValueMax - 600) < 1")
    rates = []
    while len(rates) < FASTEST_OF and max(rates, default=0) < 30:
        rates.append(page.evaluate(SCRUB))
    assert max(rates) >= 30
