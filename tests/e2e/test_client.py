"""The Python client against a real server."""

import asyncio
import json

import av
import pytest

from app.client import AsyncEarsight, DownloadCorrupt, Earsight, EarsightApiError, JobFailed, WaitTimeout


@pytest.fixture
def client(server):
    with Earsight(server.url, trust_env=False) as client:
        yield client


@pytest.fixture
def clip(make_clip):
    return make_clip(bursts=((0.0, 2.0),))


def test_a_result_at_once(client, clip):
    result = client.analyze(clip, fps=4)
    assert result.source.kind == "video"
    assert result.sampling.frames == len(result.frames) == 8


def test_a_job_from_its_submission_to_its_files(client, clip, tmp_path):
    job = client.submit(clip, formats=["json", "overlay"], tasks=["localize"], fps=2)
    told = []
    document = job.wait(progress=told.append)
    assert document.status == "succeeded"
    assert told[-1].status == "succeeded"
    assert job.result().sampling.frames == 4
    assert job.result("zip")[:2] == b"PK"
    film = job.download("overlay.mp4", tmp_path)
    with av.open(str(film)) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_events_up_to_the_end_and_none_after_it(client, clip):
    job = client.submit(clip)
    events = list(job.events())
    numbers = [event.number for event in events]
    assert numbers == sorted(set(numbers))  # those of its progress are gone once the job has ended
    assert events[0].kind == "state"
    assert events[-1].kind == "done"
    assert list(job.events(after=events[-3].number)) == events[-2:]
    assert list(job.events(after=events[-1].number)) == []


def test_a_download_goes_on_with_what_is_here(client, clip, tmp_path):
    job = client.submit(clip, formats=["json"])
    (artifact,) = job.wait().artifacts
    part = tmp_path / f".result.json.{artifact.sha256[:16]}.part"
    part.write_bytes(b"{")
    assert json.loads(job.download("result.json", tmp_path).read_bytes())["schema"] == "earsight.result/1"
    part.write_bytes(b"?")  # only a server that sent no more than the rest leaves this in
    with pytest.raises(DownloadCorrupt):
        job.download("result.json", tmp_path)


def test_the_same_key_gives_the_same_job(client, clip):
    first = client.submit(clip, idempotency_key="client-test")
    assert client.submit(clip, idempotency_key="client-test").id == first.id
    with pytest.raises(EarsightApiError, match="idempotency_mismatch"):
        client.submit(clip, idempotency_key="client-test", fps=1)


def test_a_job_that_cannot_work_tells_why(client, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"\x00\x00\x00\x18ftypisom" + bytes(100))
    job = client.submit(bad)
    with pytest.raises(JobFailed) as caught:
        job.wait()
    assert caught.value.code == "media_corrupt"


def test_a_canceled_job_is_found_again_and_deleted(start_server, clip):
    idle = start_server(JOBS__WORKERS=0)
    with Earsight(idle.url, trust_env=False) as first:
        job_id = first.submit(clip).id
    with Earsight(idle.url, trust_env=False) as client:
        job = client.job(job_id)
        with pytest.raises(WaitTimeout):
            job.wait(timeout_s=0.2)
        assert [each.id for each in client.jobs(status="queued")] == [job_id]
        job.cancel()
        with pytest.raises(JobFailed, match="canceled"):
            job.wait()
        job.delete()
        with pytest.raises(EarsightApiError, match="not_found"):
            client.job(job_id)


def test_waiting_spans_a_restart_of_the_server(start_server, clip, tmp_path):
    with_work = {"SERVER__PORT": 0, "JOBS__DIRECTORY": tmp_path / "state"}
    first = start_server(**with_work, JOBS__WORKERS=0)
    with Earsight(first.url, trust_env=False) as client:
        job = client.submit(clip)
        first.terminate()
        first.wait()
        start_server(**{**with_work, "SERVER__PORT": first.port})
        assert job.wait(timeout_s=120).status == "succeeded"


def test_the_same_with_an_event_loop(server, clip, tmp_path):
    async def scenario():
        async with AsyncEarsight(server.url, trust_env=False) as client:
            job = await client.submit(clip, formats=["json", "vtt"])
            kinds = [event.kind async for event in job.events()]
            await job.wait()
            path = await job.download("sounds.vtt", tmp_path)
            return kinds, await job.result(), path, [each.id async for each in client.jobs()], job.id

    kinds, result, path, ids, job_id = asyncio.run(scenario())
    assert kinds[-1] == "done"
    assert result.sampling.frames == 8
    assert path.read_text().startswith("WEBVTT")
    assert job_id in ids
