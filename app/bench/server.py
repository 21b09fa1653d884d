"""How soon the service is ready, and how fast it answers, measured from outside over HTTP."""

from __future__ import annotations

import http.client
import secrets
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.bench.environment import environment
from app.bench.figures import Figure
from app.errors import InternalError
from app.settings import Settings

_HOST = "127.0.0.1"
_POLL_S = 0.02
_START_TIMEOUT_S = 120.0
_ANSWER_TIMEOUT_S = 600.0
_STOP_TIMEOUT_S = 30.0
_REQUESTS = 3


def server_figures(clip: Path, *, settings: Settings, content: str) -> list[Figure]:
    """Cold start of `earsight serve` until `/readyz` says yes, and a clip sent to it once it is warm."""
    with _running(settings) as (port, ready_s):
        post_clip(port, clip)  # the first request finds cold caches
        taken = []
        for _ in range(_REQUESTS):
            started_s = time.perf_counter()
            post_clip(port, clip)
            taken.append(time.perf_counter() - started_s)
    on = f"{clip.stem} of 720p ({content}), JSON, at the rate of the bundle; median of {_REQUESTS} after 1"
    return [
        Figure("cold start to ready", ready_s, "s", "`earsight serve` to the first 200 of /readyz", most=5.0),
        Figure(f"{clip.stem} clip over HTTP, warm", statistics.median(taken), "s", on, most=3.0),
    ]


def post_clip(port: int, clip: Path) -> bytes:
    """POST the clip to `/v1/localize`. Raises InternalError if the answer is not 200."""
    boundary = secrets.token_hex(16)
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="clip.mp4"\r\n'
        "Content-Type: video/mp4\r\n\r\n"
    )
    body = head.encode() + clip.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    connection = http.client.HTTPConnection(_HOST, port, timeout=_ANSWER_TIMEOUT_S)
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Accept": "application/json",
    }
    try:
        connection.request("POST", "/v1/localize", body, headers)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise InternalError(
            f"/v1/localize answered {answer.status}: {content[:500].decode(errors='replace')}"
        )
    return content


@contextmanager
def _running(settings: Settings) -> Iterator[tuple[int, float]]:
    """A fresh server process: its port, and the seconds it took to be ready."""
    port = _free_port()
    command = [sys.executable, "-m", "app.cli", "serve", "--host", _HOST, "--port", str(port)]
    started_s = time.perf_counter()
    with subprocess.Popen(command, env=environment(settings), stdout=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            while not _ready(port):
                if process.poll() is not None:
                    raise InternalError(f"the server ended with {process.returncode} before it was ready")
                if time.perf_counter() - started_s > _START_TIMEOUT_S:
                    raise InternalError(f"the server was not ready after {_START_TIMEOUT_S:.0f} s")
                time.sleep(_POLL_S)
            yield port, time.perf_counter() - started_s
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection(_HOST, port, timeout=_START_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
