"""Fixtures around a real `earsight serve` process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

PROGRAM = "from app.cli import main; main()"
START_S = 60.0
STOP_S = 30.0


class ServerProcess:
    """The process, its log lines as they come, its scratch directory, and that of its jobs beside it."""

    def __init__(self, scratch: Path, environment: dict[str, str], *, program: str = PROGRAM) -> None:
        """`program` is Python that ends in the command line of Earsight."""
        self.scratch = scratch
        self.jobs = scratch.with_name(f"{scratch.name}-jobs")
        directories = {"EARSIGHT_SCRATCH_DIR": str(scratch), "EARSIGHT_JOBS__DIRECTORY": str(self.jobs)}
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, "serve"],
            env={**_clean_environment(), **directories, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            address = self.wait_for_event("listening", timeout_s=START_S)
        except BaseException:
            self.close()
            raise
        self.host, self.port = address["host"], address["port"]
        self.url = f"http://{self.host}:{self.port}"

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in list(self.lines) if line.startswith("{")]

    def wait_for_event(self, name: str, *, timeout_s: float = 20.0, **fields: Any) -> dict[str, Any]:
        """The first log line of that event with these fields."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            for event in self.events:
                if event["event"] == name and fields.items() <= event.items():
                    return event
            if self.process.poll() is not None:
                self._reader.join(5)
                break
            time.sleep(0.02)
        raise AssertionError(f"no {name} {fields} among:\n" + "".join(self.lines[-40:]))

    def client(self, **arguments: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=120, trust_env=False, **arguments)

    def connect(self, *headers: str, path: str = "/v1/localize") -> socket.socket:
        """A connection on which the head of a POST request was sent."""
        connection = socket.create_connection((self.host, self.port), timeout=30)
        lines = [f"POST {path} HTTP/1.1", "Host: test", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        return connection

    def scratch_entries(self) -> list[str]:
        """All that lies in the scratch directory now; what vanishes meanwhile is no error."""
        return [name for _, directories, files in os.walk(self.scratch) for name in directories + files]

    def leftovers(self, *, patience_s: float = 10.0) -> list[str]:
        """What lies in the scratch directory, once it is empty or patience ends."""
        end = time.monotonic() + patience_s
        while True:
            found = self.scratch_entries()
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.02)

    def rss_bytes(self) -> int:
        return psutil.Process(self.process.pid).memory_info().rss

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return self.process.wait(STOP_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.terminate()
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("EARSIGHT_")}


@pytest.fixture(scope="session")
def tiny_environment(tiny_bundles: Path) -> dict[str, str]:
    return {
        "EARSIGHT_SERVER__PORT": "0",
        "EARSIGHT_AUTH__REQUESTS_PER_MINUTE": "0",  # tests ask again and again, all from one address
        "EARSIGHT_INFERENCE__BUNDLE": "tiny",
        "EARSIGHT_INFERENCE__BUNDLE_DIRS": json.dumps([str(tiny_bundles)]),
        "EARSIGHT_INFERENCE__DEVICE": "cpu",
        "EARSIGHT_INFERENCE__THREADS": "1",
        "EARSIGHT_TELEMETRY__LOG_LEVEL": "debug",
    }


@pytest.fixture
def start_server(tmp_path: Path, tiny_environment: dict[str, str]) -> Iterator[Callable[..., ServerProcess]]:
    """`start_server(SERVER__DRAIN_S=1)` starts a server of its own with these settings."""
    started: list[ServerProcess] = []

    def start(**settings: Any) -> ServerProcess:
        chosen = {f"EARSIGHT_{name}": str(value) for name, value in settings.items()}
        server = ServerProcess(tmp_path / f"scratch-{len(started)}", {**tiny_environment, **chosen})
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()
