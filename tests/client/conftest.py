"""A server that answers from a script, a clock that only sleeping moves, and both clients behind one face."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.client import AsyncEarsight, AsyncJob, Earsight

JOB_ID = "job_01JDG1Z9T7RZ3E4W2VNB8X5KQM"


class BrokenBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Some bytes, then the connection breaks."""

    def __init__(self, *blocks: bytes) -> None:
        self.blocks = blocks

    def __iter__(self):
        yield from self.blocks
        raise httpx.ReadError("connection reset")

    async def __aiter__(self):
        for block in self.blocks:
            yield block
        raise httpx.ReadError("connection reset")


class Script:
    """Answers in turn, the last one for ever; an exception is raised instead, a function asked."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        answer = step(request) if callable(step) else step
        # A client uses an answer up, and the same one may be given again.
        return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)


class Answers:
    """What servers and gateways say."""

    id = JOB_ID
    broken = staticmethod(BrokenBody)
    reset = httpx.ReadError("connection reset")

    @staticmethod
    def page(status: int, **headers: str) -> httpx.Response:
        return httpx.Response(status, html="<h1>Nginx</h1>", headers=headers)

    @staticmethod
    def problem(
        status: int, code: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        document = {"type": f"urn:earsight:problem:{code}", "title": "T", "detail": "D", "request_id": "r1"}
        text = json.dumps({**document, "status": status, "code": code, **more})
        return httpx.Response(
            status, content=text, headers={"Content-Type": "application/problem+json", **(headers or {})}
        )

    @staticmethod
    def job_json(status: str = "queued", **more: Any) -> dict[str, Any]:
        path = f"/v1/jobs/{JOB_ID}"
        return {
            "id": JOB_ID,
            "status": status,
            "progress": {"stage": "analyze", "fraction": 0.5, "frames_done": 4, "frames_total": 8},
            "created_at": "2026-01-02T03:04:05Z",
            "started_at": None,
            "finished_at": None,
            "expires_at": None,
            "attempt": 1,
            "tasks": ["localize"],
            "formats": ["json"],
            "input": {
                "bytes": 1,
                "sha256": "00",
                **dict.fromkeys(("duration_s", "width", "height", "fps", "has_audio")),
            },
            "model": None,
            "error": None,
            "artifacts": [],
            "links": {"self": path, "events": path, "result": path, "cancel": path},
            **more,
        }

    @classmethod
    def job(cls, status: str = "queued", **more: Any) -> httpx.Response:
        return httpx.Response(200, json=cls.job_json(status, **more))

    @staticmethod
    def result() -> httpx.Response:
        source = {
            "kind": "video",
            "width": 64,
            "height": 48,
            "rotation_deg": 0,
            "duration_s": 1.0,
            "fps": 8.0,
        }
        coded = {"container": "mp4", "video_codec": "h264", "audio_codec": None, "has_audio": False}
        model = {"name": "tiny", "version": "1", "sha256": "00", "provider": "CPUExecutionProvider"}
        document = {
            "schema": "earsight.result/1",
            "source": {**source, **coded, "size_bytes": 1, "sha256": "00"},
            "model": model,
            "sampling": {"fps": 8.0, "frames": 0},
            "thresholds": {"heatmap": 0.5, "presence": 0.5, "sounding": 0.5},
            "warnings": [],
            "frames": [],
            "explanations": None,
        }
        return httpx.Response(200, json=document)


class Clock:
    """Seconds slept so far, one after the other."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)

    @property
    def now_s(self) -> float:
        return 1000.0 + sum(self.slept_s)


class _Awaited:
    """An asynchronous object used like a synchronous one."""

    def __init__(self, runner: asyncio.Runner, target: Any) -> None:
        self._runner, self._target = runner, target

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        return self._call(value) if inspect.ismethod(value) else value

    def _call(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def result_of(*positional: Any, **named: Any) -> Any:
            result = method(*positional, **named)
            return [self._wrap(item) async for item in result] if inspect.isasyncgen(result) else await result

        return lambda *positional, **named: self._wrap(self._runner.run(result_of(*positional, **named)))

    def _wrap(self, value: Any) -> Any:
        return _Awaited(self._runner, value) if isinstance(value, AsyncJob) else value


@pytest.fixture
def say() -> type[Answers]:
    return Answers


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "sleep", clock.sleep)
    monkeypatch.setattr(asyncio, "sleep", clock.sleep_async)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now_s)
    return clock


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Callable[..., tuple[Any, Script]]]:
    """`connect(answer, answer, ...)` gives a client and the script that it talks to."""
    opened: list[Any] = []
    with asyncio.Runner() as runner:

        def make(*steps: Any, url: str = "http://test", **arguments: Any) -> tuple[Any, Script]:
            script = Script(*steps)
            arguments["transport"] = httpx.MockTransport(script)
            if request.param == "sync":
                client: Any = Earsight(url, **arguments)
            else:
                client = _Awaited(runner, AsyncEarsight(url, **arguments))
            opened.append(client)
            return client, script

        yield make
        for client in opened:
            client.close()


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "holiday.mp4"
    path.write_bytes(b"\x00\x01clip" * 1000)
    return path
