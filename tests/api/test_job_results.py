import asyncio
import hashlib
import io
import json
import zipfile

import pytest

from app.api.schemas import Frame, Problem, ResultDocument, ResultHead
from app.settings import JobSettings
from tests.api.job_steps import ended, submit


@pytest.fixture
def clip(make_clip):
    return make_clip(bursts=((0.0, 2.0),))


@pytest.fixture
def result(play, clip):
    """`result(get)` calls `get(client, job)` with a job that has succeeded."""

    def run(get, **options):
        async def scenario(client):
            job = await ended(client, await submit(client, clip, data=options))
            assert job["status"] == "succeeded", job
            return await get(client, job)

        return play(scenario)

    return run


@pytest.mark.parametrize(
    ("accept", "wanted", "media_type"),
    [
        (None, None, "application/json"),
        ("*/*", None, "application/json"),
        ("text/vtt", None, "text/vtt"),
        ("text/vtt;q=0.4, application/x-npz", None, "application/x-npz"),
        ("text/vtt", "npz", "application/x-npz"),
        ("application/jsonl", None, "application/x-ndjson"),
        ("application/zip", None, "application/zip"),
    ],
)
def test_result_is_negotiated_like_that_of_the_synchronous_form(result, accept, wanted, media_type):
    async def get(client, job):
        query = {} if wanted is None else {"format": wanted}
        headers = {} if accept is None else {"Accept": accept}
        client.headers.pop("accept")
        return await client.get(job["links"]["result"], params=query, headers=headers)

    response = result(get)
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == media_type
    assert response.headers["vary"] == "Accept"
    assert int(response.headers["content-length"]) == len(response.content)


def test_job_without_json_gives_what_it_has_to_those_who_do_not_care(result):
    async def get(client, job):
        client.headers.pop("accept")
        return await client.get(job["links"]["result"])

    assert result(get, formats="vtt").text.startswith("WEBVTT")


@pytest.mark.parametrize("wanted", ["overlay", "coco", "gif"])
def test_format_that_the_job_did_not_make_is_406_and_tells_how_to_get_it(result, wanted):
    response = result(lambda client, job: client.get(f"{job['links']['result']}?format={wanted}"))
    problem = Problem.model_validate_json(response.content)
    assert (problem.status, problem.code) == (406, "not_acceptable")
    assert "json (application/json)" in problem.detail
    assert "`formats` of POST /v1/jobs" in problem.detail


def test_artifacts_are_what_the_document_says(result):
    async def get(client, job):
        return [(each, await client.get(each["href"])) for each in job["artifacts"]]

    for entry, response in result(get, formats="json,npz,overlay"):
        assert response.status_code == 200
        assert len(response.content) == entry["bytes"]
        assert hashlib.sha256(response.content).hexdigest() == entry["sha256"]
        assert response.headers["etag"] == f'"{entry["sha256"]}"'
        assert response.headers["content-type"] == entry["media_type"]
        attached = f'attachment; filename="{entry["name"]}"'
        expected = None if entry["name"] == "result.json" else attached
        assert response.headers.get("content-disposition") == expected


@pytest.mark.parametrize("name", ["detections.coco.json", "file", "..%2Finput%2Ffile", "x"])
def test_other_names_are_no_artifacts(result, name):
    response = result(lambda client, job: client.get(f"{job['links']['self']}/artifacts/{name}"))
    assert response.status_code == 404


def test_client_that_has_the_result_gets_304(result):
    async def get(client, job):
        path = job["links"]["result"]
        etag = (await client.get(path)).headers["etag"]
        tags = (etag, f'"other", W/{etag}', "*", '"other"')
        return [await client.get(path, headers={"If-None-Match": tag}) for tag in tags]

    *same, other = result(get)
    for response in same:
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["vary"] == "Accept"
        assert "etag" in response.headers
    assert other.status_code == 200


def test_ranges_of_artifact_and_result_give_the_parts_of_the_whole(result):
    async def get(client, job):
        path = job["artifacts"][0]["href"]
        whole = await client.get(path)
        head = await client.get(path, headers={"Range": "bytes=0-99"})
        resume = {"Range": "bytes=100-", "If-Range": whole.headers["etag"]}
        tail = await client.get(job["links"]["result"], headers=resume)
        changed = await client.get(path, headers={"Range": "bytes=100-", "If-Range": '"other"'})
        outside = await client.get(path, headers={"Range": "bytes=99999999-"})
        return whole, head, tail, changed, outside

    whole, head, tail, changed, outside = result(get)
    size = len(whole.content)
    assert whole.headers["accept-ranges"] == "bytes"
    assert head.status_code == tail.status_code == 206
    assert head.headers["content-range"] == f"bytes 0-99/{size}"
    assert head.content + tail.content == whole.content
    assert (changed.status_code, changed.content) == (200, whole.content)
    assert (outside.status_code, outside.json()["code"]) == (416, "range_not_satisfiable")
    assert outside.headers["content-range"] == f"bytes */{size}"


def test_zip_holds_all_artifacts(result):
    response = result(lambda client, job: client.get(f"{job['links']['result']}?format=zip"))
    assert response.headers["content-disposition"].startswith('attachment; filename="job_')
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.testzip() is None
    assert archive.namelist() == ["result.json", "result.ndjson", "heatmaps.npz", "sounds.vtt"]
    assert ResultDocument.model_validate_json(archive.read("result.json")).frames


def test_remote_artifacts_are_answered_alike(result, settings, clip, play):
    chosen = settings.model_copy(
        update={"jobs": JobSettings(directory=settings.jobs.directory, artifacts_url="memory://jobs")}
    )

    async def scenario(client):
        job = await ended(client, await submit(client, clip))
        assert job["status"] == "succeeded", job
        path = job["links"]["result"]
        return (
            await client.get(path),
            await client.get(path, headers={"Range": "bytes=-10"}),
            await client.get(f"{path}?format=zip"),
        )

    whole, tail, archive = play(scenario, settings=chosen)
    assert whole.json()["schema"] == "earsight.result/1"
    assert (tail.status_code, tail.content) == (206, whole.content[-10:])
    assert zipfile.ZipFile(io.BytesIO(archive.content)).testzip() is None


def test_result_of_a_job_that_has_not_ended_is_409_with_retry_after(play, clip, hold):
    async def scenario(client):
        job = await submit(client, clip)
        paths = ("result", "result?format=zip", "result?format=ndjson", "artifacts/result.json")
        return [await client.get(f"{job['links']['self']}/{path}") for path in paths]

    for response in play(scenario):
        assert (response.status_code, response.json()["code"]) == (409, "result_not_ready")
        assert response.headers["retry-after"] == "1"


def test_result_of_a_failed_job_quotes_its_error(play, tmp_path):
    (tmp_path / "empty.mp4").touch()

    async def scenario(client):
        job = await ended(client, await submit(client, tmp_path / "empty.mp4"))
        return job, [await client.get(f"{job['links']['self']}/{end}") for end in ("result", "artifacts/x")]

    job, answers = play(scenario)
    for response in answers:
        assert (response.status_code, response.json()["code"]) == (409, "no_result")
        assert f"media_corrupt: {job['error']['detail']}" in response.json()["detail"]


def test_result_of_a_canceled_job_says_so(play, clip, hold):
    async def scenario(client):
        job = await submit(client, clip)
        await client.post(job["links"]["cancel"])
        await ended(client, job)
        return await client.get(job["links"]["result"])

    response = play(scenario)
    assert (response.status_code, response.json()["code"]) == (409, "no_result")
    assert "canceled" in response.json()["detail"]


def test_result_that_was_kept_for_long_enough_is_410(play, settings, clip):
    chosen = settings.model_copy(update={"jobs": JobSettings(directory=settings.jobs.directory, keep_s=0.2)})

    async def scenario(client):
        job = await submit(client, clip)
        for _ in range(100):
            document = (await client.get(job["links"]["self"])).json()
            if document["status"] == "expired":
                break
            await asyncio.sleep(0.1)
        return document, await client.get(job["links"]["result"])

    document, response = play(scenario, settings=chosen)
    assert (document["status"], document["artifacts"]) == ("expired", [])
    assert (response.status_code, response.json()["code"]) == (410, "result_expired")
    assert not list((settings.jobs.directory / "artifacts").iterdir())


def test_lines_of_a_running_job_are_those_of_its_result(play, clip, monkeypatch):
    """They are asked for as soon as there is one; what was written before comes first."""
    from app.results import ndjson

    reached, go_on = asyncio.Event(), asyncio.Event()

    async def scenario(client):
        loop = asyncio.get_running_loop()
        original = ndjson.frame_lines

        def pause(frames, **arguments):
            loop.call_soon_threadsafe(reached.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(20)
            return original(frames, **arguments)

        with monkeypatch.context() as patch:
            patch.setattr("app.jobs.analyst.frame_lines", pause)
            job = await submit(client, clip)
            await reached.wait()
            live = asyncio.ensure_future(client.get(f"{job['links']['result']}?format=ndjson"))
            await asyncio.sleep(0.3)
            go_on.set()
            live = await live
        await ended(client, job)
        return live, await client.get(f"{job['links']['result']}?format=ndjson")

    live, final = play(scenario)
    assert live.status_code == 200
    assert live.headers["content-type"] == "application/x-ndjson"
    head, *frames, _ = live.text.splitlines()
    assert ResultHead.model_validate_json(head).sampling.frames is None
    assert len([Frame.model_validate_json(line) for line in frames]) == 8
    assert live.text.splitlines()[1:] == final.text.splitlines()[1:]
    assert "etag" not in live.headers


@pytest.mark.parametrize("end", ["cancel", "delete"])
def test_lines_of_a_job_that_is_ended_end_with_a_problem(play, clip, monkeypatch, end):
    async def scenario(client):
        reached = asyncio.Event()
        loop = asyncio.get_running_loop()
        from app.jobs.analyst import Analyst

        def hold(self, order, cancel, *, lines, on_source, **_):
            from app.errors import Canceled

            lines.append(b"{}\n")
            on_source(_Source())
            loop.call_soon_threadsafe(reached.set)
            assert cancel.wait(20)
            raise Canceled("stopped")

        monkeypatch.setattr(Analyst, "analyze", hold)
        job = await submit(client, clip)
        await reached.wait()
        live = asyncio.ensure_future(client.get(f"{job['links']['result']}?format=ndjson"))
        await asyncio.sleep(0.2)
        if end == "cancel":
            await client.post(job["links"]["cancel"])
        else:
            await client.delete(job["links"]["self"])
        return await live

    first, last = play(scenario).text.splitlines()
    assert json.loads(first) == {}
    problem = Problem.model_validate_json(last)
    assert problem.code == ("no_result" if end == "cancel" else "not_found")


class _Source:
    """The facts about a clip that a job keeps."""

    duration_s, width, height, fps, has_audio = 2.0, 160, 120, 30.0, True
