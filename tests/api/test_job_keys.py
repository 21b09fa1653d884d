"""Idempotency-Key."""

import asyncio

import pytest

from app.auth.key_file import create_key
from app.settings import AuthSettings
from tests.api.job_steps import HEAD, MULTIPART, ended, submit, upload

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


@pytest.fixture
def clip(make_clip):
    return make_clip(bursts=((0.0, 2.0),))


@pytest.fixture
def other_clip(make_clip):
    return make_clip(frames=10)


def test_same_key_with_same_files_and_options_gives_the_same_job(play, clip, settings):
    async def scenario(client):
        job = await submit(client, clip, headers=KEY, data={"formats": "json"})
        queued = await client.post("/v1/jobs?formats=json", files=upload(clip), headers=KEY)
        await ended(client, job)
        late = await client.post("/v1/jobs", files=upload(clip), headers=KEY, data={"formats": "json"})
        listed = (await client.get("/v1/jobs")).json()["jobs"]
        return job, queued, late, listed

    job, queued, late, listed = play(scenario)
    for replay in (queued, late):
        assert (replay.status_code, replay.json()["id"]) == (200, job["id"])
        assert replay.headers["idempotency-replayed"] == "true"
        assert replay.headers["location"] == job["links"]["self"]
    assert late.json()["status"] == "succeeded"
    assert len(listed) == 1
    artifacts = settings.jobs.directory / "artifacts"
    assert [path.name for path in artifacts.iterdir()] == [job["id"]]


@pytest.mark.parametrize("change", ["clip", "audio", "options", "route"])
def test_same_key_with_anything_else_is_422(play, clip, other_clip, change):
    async def scenario(client):
        await submit(client, clip, headers=KEY)
        path, files, data, headers = "/v1/jobs", upload(clip), {}, KEY
        if change == "clip":
            files = upload(other_clip)
        if change == "audio":
            files = {**files, **upload(other_clip, "audio")}
        if change == "options":
            data = {"fps": "2"}
        if change == "route":
            path, headers = "/v1/localize", {**KEY, "Prefer": "respond-async"}
        refused = await client.post(path, files=files, data=data, headers=headers)
        return refused, (await client.get("/v1/jobs")).json()

    refused, listed = play(scenario)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_mismatch")
    assert len(listed["jobs"]) == 1


def test_same_key_while_the_first_upload_is_under_way_is_409_and_works_afterwards(play, clip):
    async def scenario(client):
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def body():
            yield HEAD
            begun.set()
            await go_on.wait()
            yield clip.read_bytes() + b"\r\n--x--\r\n"

        first = asyncio.ensure_future(client.post("/v1/jobs", content=body(), headers={**MULTIPART, **KEY}))
        await begun.wait()
        second = await client.post("/v1/jobs", files=upload(clip), headers=KEY)
        go_on.set()
        return second, await first, await client.post("/v1/jobs", files=upload(clip), headers=KEY)

    second, first, third = play(scenario)
    assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_progress")
    assert first.status_code == 202
    assert (third.status_code, third.json()["id"]) == (200, first.json()["id"])


def test_an_upload_that_fails_does_not_use_the_key_up(play, clip):
    async def scenario(client):
        refused = await client.post("/v1/jobs", files=upload(clip), headers=KEY, data={"formats": "gif"})
        assert refused.status_code == 422
        await submit(client, clip, headers=KEY)

    play(scenario)


def test_a_key_belongs_to_its_owner(play, settings, clip, other_clip, tmp_path):
    file = tmp_path / "keys.json"
    keys = [create_key(file, label=name, scopes=("analyze",))[0] for name in ("ann", "bob")]
    chosen = settings.model_copy(update={"auth": AuthSettings(keys_file=file)})

    async def scenario(client):
        jobs = [
            await submit(client, path, headers={**KEY, "X-API-Key": key})
            for key, path in zip(keys, (clip, other_clip), strict=True)
        ]
        return jobs[0]["id"] != jobs[1]["id"]

    assert play(scenario, settings=chosen)


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ü".encode()])
def test_a_key_is_visible_ascii_of_bounded_length(play, clip, key):
    async def scenario(client):
        return await client.post("/v1/jobs", files=upload(clip), headers={"Idempotency-Key": key})

    response = play(scenario)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert "Idempotency-Key" in response.json()["detail"]


def test_synchronous_job_and_route_share_a_key(play, clip):
    async def scenario(client):
        headers = {**KEY, "Prefer": "respond-async"}
        first = await client.post("/v1/localize?format=vtt", files=upload(clip), headers=headers)
        options = {"tasks": "localize", "formats": "vtt"}
        second = await client.post("/v1/jobs", files=upload(clip), headers=KEY, data=options)
        return first, second

    first, second = play(scenario)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]
