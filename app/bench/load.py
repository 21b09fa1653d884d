"""`earsight bench --load`: many clients at once, against one that sees to it that the workers never wait."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from app.bench.clients import REFUSALS, SYNC_SHARE, Client, Clip, Tally, short_clips
from app.bench.clips import Clips
from app.bench.figures import Figure, machine, tell_figures
from app.bench.processes import resident_bytes
from app.bench.server import TIMEOUT_S, Running, open_to_many, running_server
from app.inference.bundle import find_bundle
from app.inference.manifest import read_manifest
from app.settings import Settings

OUTSTANDING = 16

_MiB = 1024 * 1024
_LIVEZ_EVERY_S = 0.05
_MEMORY_WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard to press.

    Attributes:
        clients: how many there are at once.
        load_s: for how long they come, in seconds.
        single_s: for how long the single client comes, once before and once after them.
        settle_s: after it the memory must not grow any more.
    """

    clients: int = 64
    load_s: float = 600.0
    single_s: float = 120.0
    settle_s: float = 60.0


QUICK_PLAN = Plan(clients=8, load_s=10.0, single_s=3.0, settle_s=3.0)


def run_load(settings: Settings, plan: Plan, *, json_file: Path | None = None) -> list[Figure]:
    """Press the service, print the figures, and write them to `json_file` if there is one.

    Raises:
        BundleError: the bundle cannot be used.
        InternalError: the server did not start.
    """
    bundle = read_manifest(find_bundle(settings.inference.bundle, settings.inference))
    about = machine() | {"bundle": f"{bundle.name} {bundle.version}"}
    with (
        tempfile.TemporaryDirectory(dir=settings.scratch_dir, prefix="earsight-bench-") as scratch,
        Console(stderr=True).status("") as status,
    ):
        status.update("making clips")
        clips = short_clips(Clips(Path(scratch), settings))
        with running_server(open_to_many(settings, Path(scratch))) as server:
            figures = asyncio.run(_press(server, clips, plan, say=status.update))
    tell_figures(figures, about=about, json_file=json_file)
    return figures


async def _press(
    server: Running, clips: list[Clip], plan: Plan, *, say: Callable[[str], None]
) -> list[Figure]:
    """One client, then many, then one again, so that a machine that slows down meanwhile slows down both."""
    singles, many = [Tally(), Tally()], Tally()
    with _probing(server) as answers_s:
        say("one client")
        rates = [await _stage(server, clips, singles[0], length_s=plan.single_s)]
        say(f"{plan.clients} clients")
        async with _watching(server.pid) as sizes:
            begin_s = time.monotonic()
            rate = await _stage(server, clips, many, length_s=plan.load_s, clients=plan.clients)
        say("one client again")
        rates.append(await _stage(server, clips, singles[1], length_s=plan.single_s))
    single = statistics.mean(rates)
    on = f"{plan.load_s / 60:.3g} minutes of {plan.clients} clients, clips of 720p of 1, 2 and 4 s"
    errors = Counter[str]()
    for tally in (*singles, many):
        errors += tally.errors
    return [
        Figure(
            "throughput of one client", single, "s/s", f"{OUTSTANDING} jobs outstanding, before and after"
        ),
        Figure(f"throughput of {plan.clients} clients", rate, "s/s", on),
        Figure("throughput of many against one", 100 * rate / single, "%", on, least=95.0),
        Figure("errors", float(errors.total()), "", _told(errors) or "all answers", most=0.0),
        *(
            Figure(f"refused with {status} and Retry-After", float(many.refused[status]), "", on)
            for status in REFUSALS
        ),
        *_livez_figures(answers_s),
        *_memory_figures(sizes, begin_s, plan),
    ]


async def _stage(
    server: Running, clips: list[Clip], tally: Tally, *, length_s: float, clients: int | None = None
) -> float:
    """The throughput of so many clients, or of one that has many jobs outstanding."""
    async with httpx.AsyncClient(
        base_url=server.url, timeout=TIMEOUT_S, trust_env=False, limits=httpx.Limits(max_connections=None)
    ) as http:
        client = Client(http, clips, tally)
        begin_s = time.monotonic()
        share = 0.0 if clients is None else SYNC_SHARE
        await asyncio.gather(
            *(
                client.work(number, until_s=begin_s + length_s, sync_share=share)
                for number in range(clients or OUTSTANDING)
            )
        )
        return tally.throughput(begin_s, begin_s + length_s)


@contextmanager
def _probing(server: Running) -> Iterator[list[float]]:
    """Seconds that each of many probes of /livez takes, from a thread of its own."""
    seconds: list[float] = []
    stop = threading.Event()

    def probe() -> None:
        with httpx.Client(base_url=server.url, timeout=TIMEOUT_S, trust_env=False) as client:
            while not stop.wait(_LIVEZ_EVERY_S):
                begin_s = time.perf_counter()
                client.get("/livez").raise_for_status()
                seconds.append(time.perf_counter() - begin_s)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield seconds
    finally:
        stop.set()
        thread.join()


@asynccontextmanager
async def _watching(pid: int) -> AsyncIterator[list[tuple[float, int]]]:
    """The resident memory of the server without its children, every half second."""
    sizes: list[tuple[float, int]] = []

    async def watch() -> None:
        while True:
            sizes.append((time.monotonic(), resident_bytes(pid)))
            await asyncio.sleep(0.5)

    task = asyncio.create_task(watch())
    try:
        yield sizes
    finally:
        task.cancel()


def _livez_figures(answers_s: list[float]) -> list[Figure]:
    ordered = sorted(answers_s)
    on = f"{len(ordered)} probes, all along"
    return [
        Figure("/livez, median", 1000 * statistics.median(ordered), "ms", on),
        Figure("/livez, 99th percentile", 1000 * ordered[int(0.99 * len(ordered))], "ms", on, most=100.0),
    ]


def _memory_figures(sizes: list[tuple[float, int]], begin_s: float, plan: Plan) -> list[Figure]:
    window_s = min(_MEMORY_WINDOW_S, plan.settle_s)
    settled, last = (
        statistics.median(size for at_s, size in sizes if end_s - window_s <= at_s - begin_s < end_s)
        for end_s in (plan.settle_s, plan.load_s)
    )
    on = f"median of {window_s:g} s, without decode children"
    return [
        Figure(f"memory of the server after {plan.settle_s:g} s of load", settled / _MiB, "MiB", on),
        Figure("memory of the server at the end of the load", last / _MiB, "MiB", on),
        Figure("growth of the memory", 100 * (last / settled - 1), "%", on, most=5.0),
    ]


def _told(errors: Counter[str]) -> str:
    return ", ".join(f"{what}: {count}" for what, count in itertools.islice(errors.most_common(), 5))
