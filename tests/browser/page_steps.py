"""What tests of the page do and look at."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from playwright.sync_api import Page

Grid = npt.NDArray[np.float64]

SAMPLE = Path(__file__).parents[2] / "app" / "samples" / "sample.mp4"
PATIENCE_S = 30.0
SETTLE = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
SEEK = """(time) => new Promise((done) => {
  const video = document.querySelector("#video");
  video.addEventListener("seeked", done, {once: true});
  video.currentTime = time;
})"""
PIXELS = """([name, rows, columns]) => {
  const canvas = document.querySelector(`#stage .${name}`);
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const context = copy.getContext("2d");
  context.drawImage(canvas, 0, 0);
  const pixels = [];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const x = Math.floor((column + 0.5) / columns * canvas.width);
      const y = Math.floor((row + 0.5) / rows * canvas.height);
      pixels.push([...context.getImageData(x, y, 1, 1).data]);
    }
  }
  return pixels;
}"""
PAINTED = """(name) => {
  const canvas = document.querySelector(name);
  const context = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  context.drawImage(canvas, 0, 0);
  const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value, index) => index % 4 === 3 && value > 8);
}"""


def wait_until(page: Page, expression: str) -> None:
    """Wait until JavaScript is true. Playwright's own waiting evaluates text, which the policy forbids."""
    end = time.monotonic() + PATIENCE_S
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)


def analyze(page: Page, clip: Any) -> None:
    """Hand in a clip and wait for the end of its job."""
    page.set_input_files("#file", clip)
    page.wait_for_selector("#files li")


def seek(page: Page, time_s: float) -> None:
    wait_until(page, "document.querySelector('#video').readyState >= 2")
    page.evaluate(SEEK, time_s)
    page.evaluate(SETTLE)


def opacity_of_cells(page: Page, rows: int, columns: int) -> Grid:
    """Opacity of the heat in the middle of each cell, (rows, columns) in [0, 1]."""
    page.evaluate(SETTLE)
    pixels = np.array(page.evaluate(PIXELS, ["heat", rows, columns]))
    return pixels[:, 3].reshape(rows, columns) / 255


def is_painted(page: Page, canvas: str) -> bool:
    """Whether anything can be seen on a canvas."""
    page.evaluate(SETTLE)
    return bool(page.evaluate(PAINTED, canvas))


def result_of(page: Page) -> dict[str, Any]:
    """The result of the job that the page shows, as the server has it."""
    job = page.evaluate("new URLSearchParams(location.hash.slice(1)).get('job')")
    return dict(page.request.get(f"{page.url.split('#')[0]}v1/jobs/{job}/result?format=json").json())


def heat_at(result: dict[str, Any], time_s: float) -> Grid:
    """The heatmap of a moment, linear in time between its samples, in [0, 1]."""
    frames = result["frames"]
    grids = [
        np.frombuffer(base64.b64decode(frame["heatmap"]["data"]), np.uint8).reshape(frame["heatmap"]["grid"])
        for frame in frames
    ]
    times = [frame["time_s"] for frame in frames]
    stacked = np.stack(grids).reshape(len(grids), -1) / 255
    mixed = [np.interp(time_s, times, values) for values in stacked.T]
    return np.array(mixed).reshape(grids[0].shape)


def write_text_clip(directory: Path) -> Path:
    path = directory / "notes.mp4"
    path.write_text("This is no video. " * 100)
    return path
