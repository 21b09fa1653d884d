"""A server of our own to measure from outside: how soon it is ready, and how fast it answers."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.bench.clips import FPS, HEIGHT, HEIGHTS, Clips
from app.bench.environment import environment
from app.bench.figures import Figure
from app.errors import InternalError
from app.settings import Settings

TIMEOUT_S = 600.0  # of an answer

_HOST = "127.0.0.1"
_POLL_S = 0.02
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 30.0
_TURNS = 3


@dataclass(frozen=True, slots=True)
class Running:
    """A server process. Attributes: ready_s: seconds it took to be ready."""

    pid: int
    port: int
    ready_s: float

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self.port}"


def open_to_many(settings: Settings, scratch: Path) -> Settings:
    """The settings with a place of their own for the jobs, and without a limit of requests: here many clients
    have one address."""
    jobs = settings.jobs.model_copy(update={"directory": scratch / "jobs", "database_url": None})
    auth = settings.auth.model_copy(update={"requests_per_minute": 0, "keys_file": None})
    return settings.model_copy(update={"jobs": jobs, "auth": auth})


def server_figures(clips: Clips, length_s: float, settings: Settings) -> list[Figure]:
    """Cold start of `earsight serve` until `/readyz` says yes, and clips of each size sent to it by turns."""
    paths = {height: clips.get(length_s, height=height) for height in HEIGHTS}
    answers_s: dict[tuple[int, float | None], list[float]] = {}
    ready_s = []
    for _ in range(_TURNS - 1):
        with running_server(settings) as server:
            ready_s.append(server.ready_s)
    with running_server(settings) as server:
        ready_s.append(server.ready_s)
        post_clip(server, paths[HEIGHTS[0]])  # the first request finds cold caches
        for _ in range(_TURNS):
            for height, path in paths.items():
                for fps in (None, FPS):
                    started_s = time.perf_counter()
                    post_clip(server, path, fps=fps)
                    answers_s.setdefault((height, fps), []).append(time.perf_counter() - started_s)
    start_on = f"`earsight serve` to the first 200 of /readyz; {_TURNS} times"
    figures = [Figure.over("cold start to ready", ready_s, "s", start_on, most=2.0)]
    for (height, fps), taken in answers_s.items():
        rate = "the rate of the bundle" if fps is None else f"{fps:g} fps"
        name = f"{length_s:g} s of {height}p over HTTP"
        on = f"{clips.content}, JSON, at {rate}; {_TURNS} times by turns, warm"
        if fps is None:
            figures.append(Figure.over(name, taken, "s", on, most=3.0 if height == HEIGHT else None))
        else:
            factors = [length_s / seconds for seconds in taken]
            figures.append(Figure.over(f"{name}, real-time factor", factors, "x", on, least=1.0))
    return figures


def post_clip(
    server: Running,
    clip: Path,
    *,
    path: str = "/v1/localize",
    fps: float | None = None,
    accept: str = "application/json",
) -> bytes:
    """The answer to a clip. Raises InternalError if its status is not 200."""
    answer = httpx.post(
        server.url + path,
        files={"file": ("clip.mp4", clip.read_bytes(), "video/mp4")},
        data={} if fps is None else {"fps": f"{fps:g}"},
        headers={"Accept": accept},
        timeout=TIMEOUT_S,
        trust_env=False,
    )
    if answer.status_code != 200:
        raise InternalError(f"{path} answered {answer.status_code}: {answer.text[:500]}")
    return answer.content


@contextmanager
def running_server(settings: Settings) -> Iterator[Running]:
    """A fresh `earsight serve`. Raises InternalError if it does not start."""

    def command(port: int) -> list[str]:
        return ["app.cli", "serve", "--host", _HOST, "--port", str(port)]

    with running(command, ready="/readyz", variables=environment(settings)) as server:
        yield server


@contextmanager
def running(
    command: Callable[[int], list[str]], *, ready: str, variables: Mapping[str, str]
) -> Iterator[Running]:
    """A fresh Python process that serves.

    Args:
        command: module and arguments for a port.
        ready: path that answers with 200 as soon as the server can work.
        variables: its environment.

    Raises InternalError if it does not start.
    """
    port = _free_port()
    started_s = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", *command(port)], env=variables, stdout=subprocess.DEVNULL
    ) as process:
        try:
            while not _is_ready(f"http://{_HOST}:{port}{ready}"):
                if process.poll() is not None:
                    raise InternalError(f"the server ended with {process.returncode} before it was ready")
                if time.perf_counter() - started_s > _START_TIMEOUT_S:
                    raise InternalError(f"the server was not ready after {_START_TIMEOUT_S:.0f} s")
                time.sleep(_POLL_S)
            yield Running(process.pid, port, time.perf_counter() - started_s)
        finally:
            process.send_signal(signal.SIGINT)  # LitServe, at SIGTERM, leaves its children behind
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=_START_TIMEOUT_S, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
