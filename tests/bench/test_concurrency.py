import asyncio
import itertools
import time

import httpx

from app.bench import clips
from app.bench.clients import Client, Clip, Tally
from app.bench.clips import Clips
from app.bench.concurrency import CLIENTS, concurrency_figures


def test_clients_share_the_work():
    tally, taken = Tally(), []

    async def answer(request):
        taken.append(time.monotonic())
        await asyncio.sleep(0.05)
        return httpx.Response(200)

    async def share():
        left = itertools.repeat(Clip(2.0, b"clip"), 10)
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://test") as http:
            client = Client(http, [], tally)
            await asyncio.gather(*(client.share(number, left, sync_share=1.0) for number in range(5)))

    asyncio.run(share())
    assert len(taken) == len(tally.done) == 10
    assert max(taken) - min(taken) < 0.3  # two rounds of five at once, not ten one by one


def test_the_throughput_of_each_number_of_clients_is_measured(tiny_settings, tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "_PIECE_S", 1)
    *rates, kept = concurrency_figures(
        Clips(tmp_path / "clips", tiny_settings), tiny_settings, tmp_path, rounds=1, turns=2
    )
    assert [figure.name for figure in rates] == [f"throughput of {count} clients" for count in CLIENTS]
    assert all(figure.value > 0 for figure in rates)
    assert "3 clips of 720p of 1, 2 and 4 s" in rates[0].measured_on
    assert kept.least == 95
    assert kept.value > 0
