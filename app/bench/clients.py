"""The clients of a load test."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import httpx

from app.bench.clips import Clips

REFUSALS = (429, 503)

CLIP_LENGTHS_S = (1.0, 2.0, 4.0)
SYNC_SHARE = 0.25

_WAIT_S = 20


@dataclass(slots=True)
class Tally:
    """Attributes: done: when a clip was answered for, and how many seconds it lasts."""

    done: list[tuple[float, float]] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def throughput(self, begin_s: float, end_s: float) -> float:
        """Seconds of clips that were answered for per second."""
        return sum(length_s for at_s, length_s in self.done if begin_s <= at_s < end_s) / (end_s - begin_s)


@dataclass(frozen=True, slots=True)
class Clip:
    length_s: float
    content: bytes


def short_clips(clips: Clips) -> list[Clip]:
    return [Clip(length_s, clips.get(length_s).read_bytes()) for length_s in CLIP_LENGTHS_S]


def _dice(number: int) -> random.Random:
    return random.Random(number)  # noqa: S311 - repeatable, not secret


class _Refused(Exception):
    """No error: the service has no room now and says when to come again."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class Client:
    """Brings clips and waits for their results."""

    def __init__(self, http: httpx.AsyncClient, clips: list[Clip], tally: Tally) -> None:
        self._http = http
        self._clips = clips
        self._tally = tally

    async def work(self, number: int, *, until_s: float, sync_share: float) -> None:
        """Bring one clip after the other; the same number brings the same ones."""
        dice = _dice(number)
        while time.monotonic() < until_s:
            await self._bring(dice.choice(self._clips), dice, until_s=until_s, sync_share=sync_share)

    async def share(self, number: int, clips: Iterator[Clip], *, sync_share: float) -> None:
        """Bring clips until there are no more, which other clients take from as well."""
        dice = _dice(number)
        for clip in clips:
            await self._bring(clip, dice, until_s=math.inf, sync_share=sync_share)

    async def _bring(self, clip: Clip, dice: random.Random, *, until_s: float, sync_share: float) -> None:
        bring = self._analyze if dice.random() < sync_share else self._run_job
        try:
            await self._insist(bring, clip, dice, until_s)
        except httpx.HTTPError as error:
            self._tally.errors[type(error).__name__] += 1

    async def _insist(
        self,
        bring: Callable[[Clip], Awaitable[bool]],
        clip: Clip,
        dice: random.Random,
        until_s: float,
    ) -> None:
        while time.monotonic() < until_s:
            try:
                if await bring(clip):
                    self._tally.done.append((time.monotonic(), clip.length_s))
                return
            except _Refused as refused:
                await asyncio.sleep(refused.retry_after_s * dice.uniform(1.0, 1.5))

    async def _analyze(self, clip: Clip) -> bool:
        answer = await self._http.post("/v1/localize", files={"file": ("clip.mp4", clip.content)})
        return self._is_good(answer)

    async def _run_job(self, clip: Clip) -> bool:
        files = {"file": ("clip.mp4", clip.content)}
        answer = await self._http.post("/v1/jobs", files=files, data={"formats": "json"})
        if not self._is_good(answer):
            return False
        link = answer.json()["links"]["self"]
        while (job := answer.json())["status"] in ("queued", "running"):
            answer = await self._http.get(link, params={"wait": _WAIT_S})
            if not self._is_good(answer):
                return False
        if job["status"] != "succeeded":
            self._tally.errors[f"job {job['status']}: {(job['error'] or {}).get('code')}"] += 1
            return False
        return self._is_good(await self._http.get(job["links"]["result"]))

    def _is_good(self, answer: httpx.Response) -> bool:
        if answer.status_code in REFUSALS and "Retry-After" in answer.headers:
            self._tally.refused[answer.status_code] += 1
            raise _Refused(float(answer.headers["Retry-After"]))
        if answer.is_success:
            return True
        self._tally.errors[str(answer.status_code)] += 1
        return False
