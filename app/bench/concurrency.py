"""How much the service gets done for 1 to 16 clients at once."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import httpx

from app.bench.clients import SYNC_SHARE, Client, Clip, Tally, short_clips
from app.bench.clips import Clips
from app.bench.figures import Figure
from app.bench.server import TIMEOUT_S, Running, open_to_many, running_server
from app.errors import InternalError
from app.settings import Settings

CLIENTS = (1, 2, 4, 8, 16)
ROUNDS = 8
TURNS = 3


def concurrency_figures(
    clips: Clips, settings: Settings, scratch: Path, *, rounds: int = ROUNDS, turns: int = TURNS
) -> list[Figure]:
    """Seconds of video answered for per second, by the number of clients.

    So many clients share the same work: each length of `short_clips`, `rounds` times, a quarter asked for at
    once and the rest as jobs. The numbers take turns. Raises InternalError if an answer is missing.
    """
    work = short_clips(clips) * rounds
    rates: dict[int, list[float]] = {count: [] for count in CLIENTS}
    with running_server(open_to_many(settings, scratch)) as server:
        asyncio.run(_finish(server, work[: len(work) // rounds], clients=1))  # finds cold caches
        for turn in range(turns):
            for count in CLIENTS if turn % 2 == 0 else reversed(CLIENTS):
                rates[count].append(asyncio.run(_finish(server, work, clients=count)))
    on = f"{len(work)} clips of 720p of 1, 2 and 4 s ({clips.content}); {turns} times by turns"
    best = max(CLIENTS, key=lambda count: statistics.median(rates[count]))
    most = CLIENTS[-1]
    kept = [100 * rate / best_rate for rate, best_rate in zip(rates[most], rates[best], strict=True)]
    return [
        *(Figure.over(f"throughput of {count} clients", rates[count], "s/s", on) for count in CLIENTS),
        Figure.over(
            f"throughput of {most} clients against the best",
            kept,
            "%",
            f"{on}; the best: {best} clients",
            least=95.0,
        ),
    ]


async def _finish(server: Running, work: list[Clip], *, clients: int) -> float:
    """The throughput until all the work is done."""
    tally, left = Tally(), iter(work)
    async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT_S, trust_env=False) as http:
        client = Client(http, [], tally)
        begin_s = time.monotonic()
        await asyncio.gather(
            *(client.share(number, left, sync_share=SYNC_SHARE) for number in range(clients))
        )
        taken_s = time.monotonic() - begin_s
    if len(tally.done) != len(work):
        raise InternalError(f"{len(work) - len(tally.done)} clips got no result: {dict(tally.errors)}")
    return sum(clip.length_s for clip in work) / taken_s
