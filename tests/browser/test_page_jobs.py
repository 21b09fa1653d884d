"""What the page does with a job that it has: files, links, keys, a second bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.auth.key_file import create_key
from tests.browser.page_steps import SAMPLE, analyze, is_painted, result_of, seek, wait_until
from tests.fixtures_server import ServerProcess

pytestmark = pytest.mark.browser
HOSTILE = '<img src=x onerror="window.hacked = true">'


def test_every_format_can_be_downloaded(shown):
    names = shown.locator("#files a").evaluate_all("(links) => links.map((link) => link.download)")
    assert names == [
        "result.json",
        "result.ndjson",
        "heatmaps.npz",
        "detections.coco.json",
        "sounds.vtt",
        "earsight.zip",
    ]
    with shown.expect_download() as download:
        shown.click("#files a >> nth=0")
    assert json.loads(Path(download.value.path()).read_text()) == result_of(shown)


def test_the_overlay_video_is_made_on_demand_and_can_be_watched(shown):
    shown.click("#make-overlay")
    shown.wait_for_selector("#files a[download='overlay.mp4']")
    shown.click("#watch")
    wait_until(shown, "document.querySelector('#video').videoHeight > 96")  # with its lane below
    assert not is_painted(shown, "#stage .heat")


def test_a_key_is_asked_for_and_used_for_everything(open_page, page_environment, tmp_path, sounding_square):
    key, _ = create_key(tmp_path / "keys.json", label="lab", scopes=("analyze",))
    environment = {**page_environment, "EARSIGHT_AUTH__KEYS_FILE": str(tmp_path / "keys.json")}
    server = ServerProcess(tmp_path / "scratch", environment)
    try:
        page = open_page(server.url, refused=True)
        page.fill("#key", "esk_wrong")
        page.click("text=Use key")
        wait_until(page, "document.querySelector('#key').value === ''")
        page.fill("#key", key)
        page.click("text=Use key")
        analyze(page, sounding_square)
        with page.expect_download() as download:
            page.click("#files a >> nth=0")
        assert json.loads(Path(download.value.path()).read_text())["schema"] == "earsight.result/1"
        curl = page.text_content("#curl")
        assert '-H "Authorization: Bearer $EARSIGHT_KEY"' in curl
        assert key not in page.content()
        assert page.evaluate("localStorage.length") == 0
    finally:
        server.close()


def test_a_link_shows_the_job_again_and_takes_only_its_own_clip(
    open_page, page_server, shown, sounding_square
):
    page = open_page(shown.url)
    page.wait_for_selector("#files li")
    assert page.is_visible("#missing")
    track = page.locator("#track")
    track.press("PageUp")
    track.press("PageUp")
    track.press("ArrowRight")
    assert is_painted(page, "#stage .heat")  # on nothing but black
    page.set_input_files("#attached", SAMPLE)
    page.wait_for_selector("#alert >> text=another clip")
    page.set_input_files("#attached", sounding_square)
    wait_until(page, "document.querySelector('#video').videoWidth === 128")
    assert not page.is_visible("#missing")


def test_another_bundle_is_shown_beside(open_page, shown):
    shown.select_option("#other", "tiny-small")
    shown.wait_for_selector("#caption-two >> text=tiny-small")
    wait_until(shown, "document.querySelector('#other-status').textContent === ''")
    seek(shown, 1.0)
    assert is_painted(shown, "#stage-two .heat")
    assert is_painted(shown, "#stage-two .picture")
    again = open_page(shown.url)
    again.wait_for_selector("#caption-two >> text=tiny-small")


def test_names_of_strangers_stay_text(open_page, page_server, sounding_square, tmp_path):
    page = open_page(page_server.url)

    def rename(route):
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace('"Tone"', json.dumps(HOSTILE)))

    page.route("**/result?format=ndjson", rename)
    clip = {"name": f"{HOSTILE}';$(id).mp4", "mimeType": "video/mp4", "buffer": sounding_square.read_bytes()}
    analyze(page, clip)
    assert page.locator("#sources button").nth(2).text_content() == HOSTILE
    assert HOSTILE in page.text_content("#why-list")
    assert page.locator("img").count() == 2  # the page's own
    assert page.evaluate("window.hacked") is None
    # What a shell makes of the command is the name again.
    assert r"""'file=@"<img src=x onerror=\"window.hacked = true\">'\'';$(id).mp4"'""" in page.text_content(
        "#curl"
    )
