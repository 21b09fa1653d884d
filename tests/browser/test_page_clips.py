"""How clips come onto the page, in a real browser and against the real service."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser.page_steps import (
    analyze,
    is_painted,
    opacity_of_cells,
    result_of,
    seek,
    wait_until,
    write_text_clip,
)
from tests.fixtures_server import ServerProcess

pytestmark = pytest.mark.browser


def test_a_clip_that_comes_early_waits_for_what_the_server_offers(page, sounding_square):
    held = []
    page.route("**/v1/models", lambda route: held.append(route))
    with page.expect_request("**/v1/models"):
        page.reload()
    page.set_input_files("#file", sounding_square)
    page.wait_for_selector("#status:text-is('Asking the server')")
    page.wait_for_timeout(1000)
    assert page.text_content("#status") == "Asking the server"
    held[0].continue_()
    page.wait_for_selector("#files a[download='detections.coco.json']")


def test_what_the_server_offers_is_asked_for_again_if_that_failed(open_page, page_server, sounding_square):
    page = open_page(page_server.url, refused=True)
    busy = {"code": "overloaded", "detail": "The queue is full"}
    failures = [lambda route: route.abort(), lambda route: route.fulfill(status=503, json=busy)]
    page.route("**/v1/models", lambda route: failures.pop(0)(route), times=2)
    page.reload()
    page.wait_for_selector("#alert >> text=The server does not answer.")
    page.set_input_files("#file", sounding_square)
    page.wait_for_selector("#alert >> text=The queue is full. Wait a moment and try again.")
    assert page.is_visible("#drop")
    page.set_input_files("#file", sounding_square)
    page.wait_for_selector("#files a[download='detections.coco.json']")
    names = page.locator("#model option").all_text_contents()
    assert page.input_value("#model") == "tiny"
    assert len(names) == len(set(names))


def test_what_is_no_video_is_refused_in_sentences(open_page, page_server, tmp_path):
    page = open_page(page_server.url, refused=True)
    page.set_input_files("#file", write_text_clip(tmp_path))
    page.wait_for_selector("#alert:visible")
    assert (
        "Take a video (MP4, MOV, WebM, Matroska, AVI) or a picture with a sound file."
        in page.text_content("#alert")
    )
    assert page.is_visible("#drop")


def test_what_is_too_large_is_refused_before_it_is_sent(
    open_page, page_environment, tmp_path, sounding_square
):
    environment = {**page_environment, "EARSIGHT_LIMITS__MAX_UPLOAD_BYTES": "2048"}
    server = ServerProcess(tmp_path / "scratch", environment)
    try:
        page = open_page(server.url)
        page.set_input_files("#file", sounding_square)
        page.wait_for_selector("#alert:visible")
        text = page.text_content("#alert")
        assert "more than this server takes. Cut the clip or lower its quality." in text
        assert text.endswith("with EARSIGHT_LIMITS__MAX_UPLOAD_BYTES, now 2,048.")
        assert page.is_visible("#limits >> text=up to 2 KiB")
    finally:
        server.close()


def test_the_camera_is_recorded_and_analysed(page):
    page.click("#record")
    page.wait_for_selector("#record-go:enabled")
    page.click("#record-go")
    recorded = "document.querySelector('#preview').currentTime"
    start_s = page.evaluate(recorded)
    wait_until(page, f"{recorded} - {start_s} > 1.5")
    page.click("#record-go")
    page.wait_for_selector("#files li")
    assert result_of(page)["source"]["has_audio"] is True


def test_a_picture_is_analysed_with_its_sound_file(page, tmp_path):
    picture, sound = tmp_path / "still.png", tmp_path / "tone.wav"
    write_white_cell(picture)
    write_late_tone(sound)
    page.set_input_files("#audio", sound)
    analyze(page, picture)
    assert page.evaluate("document.querySelector('#still').naturalWidth") == 128
    seek(page, 0.4)
    assert not is_painted(page, "#stage .heat")
    seek(page, 1.5)
    seen = opacity_of_cells(page, 4, 4)
    assert np.unravel_index(seen.argmax(), seen.shape) == (1, 2)
    assert seen.max() > 0.5
    page.wait_for_selector("#labels >> text=Sound")  # its waveform
    assert """-F 'file=@"still.png"' -F 'audio=@"tone.wav"'""" in page.text_content("#curl")


@pytest.mark.parametrize(
    ("container", "sound"), [("avi", "libmp3lame"), ("mp4", "aac")], ids=["not-at-all", "but-for-its-sound"]
)
def test_a_clip_that_the_browser_cannot_show_is_shown_as_heat_over_time(page, make_clip, container, sound):
    clip = make_clip(
        container=container,
        video="mjpeg",
        audio=sound,
        pix_fmt="yuvj420p",
        size=(128, 96),
        fps=10,
        bursts=((2.0, 2.0),),
    )
    analyze(page, clip)
    page.wait_for_selector("#missing >> text=This browser cannot show the pictures of this clip.")
    assert not page.is_visible("#attach")
    for _ in range(5):
        page.locator("#track").press("PageUp")  # 0.6 s each
    clock = "document.querySelector('#clock').textContent"
    wait_until(page, f"{clock} >= '0:03.0'")
    assert is_painted(page, "#stage .heat")
    box = page.locator("#stage .heat").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(128 / 96, rel=0.01)
    page.click("#play")
    wait_until(page, f"{clock} >= '0:03.5'")


def write_white_cell(path: Path) -> None:
    """White in the cell (row 1, column 2) of 4 by 4 on black."""
    image = np.zeros((96, 128, 3), np.uint8)
    image[24:48, 64:96] = 255
    Image.fromarray(image).save(path)


def write_late_tone(path: Path) -> None:
    """2 s of sound: silence, then a tone from 1 s on."""
    rate_hz = 16_000
    times_s = np.arange(2 * rate_hz) / rate_hz
    tone = 0.6 * (times_s >= 1) * np.sin(2 * np.pi * 500 * times_s)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((tone * 32767).astype("<i2").tobytes())
