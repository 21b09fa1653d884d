import asyncio

import pytest

from app.api.job_schemas import JobDocument
from app.auth.key_file import create_key
from app.settings import AuthSettings
from tests.api.job_steps import ended, finished, jobs_with, submit, upload


@pytest.fixture
def clip(make_clip):
    """Two seconds; the square goes from left to right, the tone is heard throughout."""
    return make_clip(bursts=((0.0, 2.0),))


def test_job_goes_from_its_upload_to_the_same_result_that_the_synchronous_form_gives(play, clip):
    async def scenario(client):
        accepted = await client.post("/v1/jobs", files=upload(clip), data={"tasks": "localize"})
        job = accepted.json()
        document = await ended(client, job)
        got = await client.get(job["links"]["result"])
        at_once = await client.post("/v1/localize", files=upload(clip))
        return accepted, document, got.json(), at_once.json()

    accepted, document, result, at_once = play(scenario)
    assert accepted.status_code == 202
    assert accepted.headers["location"] == f"/v1/jobs/{accepted.json()['id']}"
    assert accepted.headers["retry-after"] == "1"
    first, last = JobDocument.model_validate(accepted.json()), JobDocument.model_validate(document)
    assert (first.status, first.attempt, first.model, first.input.width) == ("queued", 0, None, None)
    assert (last.status, last.attempt, last.model.name) == ("succeeded", 1, "tiny")
    assert (last.input.width, last.input.height, last.input.has_audio) == (160, 120, True)
    assert last.input.bytes == clip.stat().st_size
    assert first.input.sha256 == last.input.sha256 == result["source"]["sha256"]
    assert last.created_at <= last.started_at <= last.finished_at < last.expires_at
    assert document["created_at"].endswith("Z")
    assert [artifact.name for artifact in last.artifacts] == [
        "result.json",
        "result.ndjson",
        "heatmaps.npz",
        "sounds.vtt",
    ]
    assert result == at_once


def test_formats_and_tasks_default_to_what_the_bundle_offers_but_no_overlay(play, clip):
    job = play(lambda client: submit(client, clip, data={"model": "tiny-detect"}))
    assert job["tasks"] == ["localize", "detect"]
    assert job["formats"] == ["json", "ndjson", "npz", "coco", "vtt"]


def test_input_is_gone_once_the_job_has_ended_and_results_stay(play, clip, kept):
    play(lambda client: finished(client, clip, formats="json"))
    left = [name.split("-")[-1] for name in kept() if not name.startswith("job_")]
    assert sorted(left) == ["out", "result.json"]


def test_media_that_cannot_be_used_is_the_error_of_the_job(play, tmp_path):
    (tmp_path / "empty.mp4").touch()
    document = play(lambda client: finished(client, tmp_path / "empty.mp4"))
    assert document["status"] == "failed"
    assert document["error"]["code"] == "media_corrupt"
    assert document["error"]["type"] == "urn:earsight:problem:media_corrupt"
    assert document["artifacts"] == []


def test_list_is_newest_first_in_pages_that_lead_on(play, clip, hold):
    async def scenario(client):
        jobs = [await submit(client, clip) for _ in range(3)]
        first = (await client.get("/v1/jobs?limit=2")).json()
        second = (await client.get(first["links"]["next"])).json()
        succeeded = (await client.get("/v1/jobs?status=succeeded")).json()
        return [job["id"] for job in jobs], first, second, succeeded

    ids, first, second, succeeded = play(scenario)
    assert [job["id"] for job in first["jobs"]] == [ids[2], ids[1]]
    assert [job["id"] for job in second["jobs"]] == [ids[0]]
    assert second["links"]["next"] is None
    assert succeeded["jobs"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "status=lost"])
def test_list_refuses_what_does_not_fit(ask, query):
    assert ask("GET", f"/v1/jobs?{query}").status_code == 422


@pytest.mark.parametrize("job_id", ["job_1", "job_" + "0" * 26, "job_" + "0" * 25 + "%00"])
@pytest.mark.parametrize(
    ("method", "end"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("GET", "/result"),
        ("GET", "/artifacts/result.json"),
        ("GET", "/events"),
    ],
)
def test_a_job_that_is_not_there_is_404(ask, method, end, job_id):
    assert ask(method, f"/v1/jobs/{job_id}{end}").status_code == 404


def test_wait_ends_when_the_job_does_and_otherwise_after_its_time(play, clip, hold):
    async def scenario(client):
        job = await submit(client, clip)
        path = job["links"]["self"]
        loop = asyncio.get_running_loop()
        begin = loop.time()
        early = await client.get(f"{path}?wait=0.4")
        waited_s = loop.time() - begin
        late = asyncio.ensure_future(client.get(f"{path}?wait=30"))
        await asyncio.sleep(0.2)
        hold.release.set()
        return early, waited_s, await late

    early, waited_s, late = play(scenario)
    assert early.json()["status"] == "running"
    assert early.headers["retry-after"] == "1"
    assert 0.4 <= waited_s < 3
    assert late.json()["status"] == "succeeded"
    assert "retry-after" not in late.headers


@pytest.mark.parametrize("wait", ["31", "-1", "nan"])
def test_wait_is_bounded(play, clip, hold, wait):
    async def scenario(client):
        job = await submit(client, clip)
        return await client.get(f"{job['links']['self']}?wait={wait}")

    assert play(scenario).status_code == 422


def test_prefer_wait_answers_with_the_ended_job(play, clip):
    async def scenario(client):
        return await client.post("/v1/jobs", files=upload(clip), headers={"Prefer": "wait=20"})

    response = play(scenario)
    assert response.status_code == 200
    assert response.json()["status"] == "succeeded"
    assert response.headers["preference-applied"] == "wait=20"


def test_prefer_wait_that_is_too_short_answers_with_the_running_job(play, clip, hold):
    async def scenario(client):
        return await client.post("/v1/jobs", files=upload(clip), headers={"Prefer": "wait=0"})

    response = play(scenario)
    assert (response.status_code, response.json()["status"]) == (202, "queued")
    assert response.headers["preference-applied"] == "wait=0"


def test_synchronous_route_makes_a_job_if_the_client_prefers_that(play, clip):
    async def scenario(client):
        response = await client.post(
            "/v1/localize?format=npz",
            files=upload(clip),
            data={"fps": "2"},
            headers={"Prefer": "respond-async, wait=20"},
        )
        return response, await client.get(response.json()["links"]["result"])

    response, result = play(scenario)
    assert (response.status_code, response.json()["status"]) == (200, "succeeded")
    assert response.headers["preference-applied"] == "respond-async, wait=20"
    assert (response.json()["tasks"], response.json()["formats"]) == (["localize"], ["npz"])
    assert result.headers["content-type"] == "application/x-npz"


def test_synchronous_route_takes_the_format_of_a_job_from_accept(play, clip):
    async def scenario(client):
        headers = {"Prefer": "respond-async", "Accept": "text/vtt"}
        return await client.post("/v1/analyze", files=upload(clip), headers=headers)

    response = play(scenario)
    assert (response.status_code, response.json()["formats"]) == (202, ["vtt"])
    assert response.headers["preference-applied"] == "respond-async"


def test_synchronous_clips_that_are_too_long_are_sent_to_the_jobs(ask, clip, settings):
    limits = settings.limits.model_copy(update={"max_sync_duration_s": 1.0})
    chosen = settings.model_copy(update={"limits": limits})
    problem = ask("POST", "/v1/localize", files=upload(clip), settings=chosen).json()
    assert (problem["status"], problem["code"], problem["limit"]) == (422, "limits_exceeded", 1.0)
    assert "POST /v1/jobs" in problem["detail"]
    job = ask("POST", "/v1/jobs", files=upload(clip), settings=chosen, headers={"Prefer": "wait=20"})
    assert job.json()["status"] == "succeeded"


def test_cancel_ends_a_running_job_and_may_be_repeated(play, clip, hold, kept):
    async def scenario(client):
        job = await submit(client, clip)
        await asyncio.to_thread(hold.begun.acquire, timeout=10)
        first = await client.post(job["links"]["cancel"])
        document = await ended(client, job)
        second = await client.post(job["links"]["cancel"])
        return first, document, second

    first, document, second = play(scenario)
    assert first.status_code == second.status_code == 202
    assert document["status"] == second.json()["status"] == "canceled"
    assert document["error"] is None
    assert [name for name in kept() if not name.startswith("job_")] == []


def test_cancel_of_a_job_that_waits_ends_it_at_once_and_drops_its_input(play, settings, clip, hold, kept):
    async def scenario(client):
        busy = [await submit(client, clip) for _ in range(2)]
        for _ in busy:
            await asyncio.to_thread(hold.begun.acquire, timeout=10)
        waiting = await submit(client, clip)
        answer = await client.post(waiting["links"]["cancel"])
        inputs = kept().count("input")
        return answer.json(), inputs

    document, inputs = play(scenario)
    assert (document["status"], document["attempt"]) == ("canceled", 0)
    assert inputs == 2


def test_delete_ends_the_job_and_removes_all_of_it(play, clip, hold, kept):
    async def scenario(client):
        job = await submit(client, clip, headers={"Idempotency-Key": "k"})
        await asyncio.to_thread(hold.begun.acquire, timeout=10)
        deleted = await client.delete(job["links"]["self"])
        again = await client.delete(job["links"]["self"])
        gone = await client.get(job["links"]["self"])
        hold.release.set()
        new = await submit(client, clip, headers={"Idempotency-Key": "k"})
        assert new["id"] != job["id"]
        await ended(client, new)
        await client.delete(new["links"]["self"])
        return deleted, again, gone

    deleted, again, gone = play(scenario)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert again.status_code == gone.status_code == 404
    assert kept() == []


def test_keys_see_their_own_jobs_only_and_admins_all(play, settings, clip, tmp_path):
    file = tmp_path / "keys.json"
    names = {"ann": ("analyze",), "bob": ("analyze",), "root": ("admin",)}
    keys = {name: create_key(file, label=name, scopes=scopes)[0] for name, scopes in names.items()}
    chosen = settings.model_copy(update={"auth": AuthSettings(keys_file=file)})

    async def scenario(client):
        def of(name):
            return {"Authorization": f"Bearer {keys[name]}"}

        job = await submit(client, clip, headers=of("ann"))
        path = job["links"]["self"]
        await ended(client, job, headers=of("ann"))
        statuses = {name: (await client.get(path, headers=of(name))).status_code for name in names}
        listed = {
            name: len((await client.get("/v1/jobs", headers=of(name))).json()["jobs"]) for name in names
        }
        foreign = [
            (await client.request(method, path + end, headers=of("bob"))).status_code
            for method, end in (
                ("DELETE", ""),
                ("POST", "/cancel"),
                ("GET", "/result"),
                ("GET", "/events"),
                ("GET", "/artifacts/result.json"),
            )
        ]
        nobody = (await client.get(path)).status_code
        return statuses, listed, foreign, nobody

    statuses, listed, foreign, nobody = play(scenario, settings=chosen)
    assert statuses == {"ann": 200, "bob": 404, "root": 200}
    assert listed == {"ann": 1, "bob": 0, "root": 1}
    assert foreign == [404] * 5
    assert nobody == 401


def test_jobs_that_wait_at_a_shutdown_go_on_at_the_next_start(play, settings, clip, hold):
    job = play(lambda client: submit(client, clip), settings=jobs_with(settings, workers=0))
    hold.release.set()
    document = play(lambda client: ended(client, job))
    assert (document["status"], document["attempt"]) == ("succeeded", 1)
