"""What is let in, and what is left of what is not."""

import pytest

from app.api.schemas import Problem
from app.api.service import service_of
from app.errors import NoSpace, StoreUnavailable
from app.settings import JobSettings, WebhookSettings
from tests.api.job_steps import HEAD, MULTIPART, finished, jobs_with, submit, upload


@pytest.fixture
def clip(make_clip):
    """Two seconds; the square goes from left to right, the tone is heard throughout."""
    return make_clip(bursts=((0.0, 2.0),))


@pytest.mark.parametrize(
    ("options", "status", "part"),
    [
        ({"tasks": "localize,dance"}, 422, "tasks"),
        ({"tasks": ""}, 422, "tasks"),
        ({"tasks": "detect"}, 422, "the bundle tiny offers localize"),
        ({"formats": "json,gif"}, 422, "no format 'gif'"),
        ({"formats": "coco"}, 422, "needs the task detect"),
        ({"format": "json"}, 422, "unknown form field 'format'"),
        ({"target": "Tone"}, 422, "target needs the task explain"),
        ({"fps": "0"}, 422, "fps"),
        ({"model": "huge"}, 404, "tiny-detect"),
        ({"webhook": "https://example.com/"}, 422, "no secret"),
    ],
)
def test_what_cannot_be_done_is_refused_before_it_is_accepted(play, clip, kept, options, status, part):
    async def scenario(client):
        refused = await client.post("/v1/jobs", files=upload(clip), data=options)
        return refused, (await client.get("/v1/jobs")).json()

    refused, listed = play(scenario)
    problem = Problem.model_validate_json(refused.content)
    assert problem.status == status
    assert part in problem.detail
    assert listed["jobs"] == []
    assert kept() == []


def test_webhooks_are_off_without_a_secret_and_their_targets_checked_with_one(play, settings, clip):
    off = play(lambda client: client.post("/v1/jobs?webhook=https://a.example/", files=upload(clip)))
    assert off.json()["setting"] == "EARSIGHT_WEBHOOKS__SECRETS"
    on = settings.model_copy(update={"webhooks": WebhookSettings(secrets=("whsec_" + "YWJj" * 8,))})
    for url, status in (("https://a.example/", 202), ("http://a.example/", 422), ("https://10.0.0.1/", 422)):
        sent = play(
            lambda client, url=url: client.post("/v1/jobs", files=upload(clip), data={"webhook": url}),
            settings=on,
        )
        assert sent.status_code == status, url


@pytest.mark.parametrize(
    ("changes", "status", "code", "setting"),
    [
        ({"max_queued": 1}, 503, "overloaded", "EARSIGHT_JOBS__MAX_QUEUED"),
        ({"max_queued_per_key": 1}, 429, "rate_limited", "EARSIGHT_JOBS__MAX_QUEUED_PER_KEY"),
    ],
)
def test_more_than_may_wait_is_refused_before_the_upload_is_read(
    play, settings, clip, changes, status, code, setting
):
    read = []

    async def body():
        read.append(True)
        yield HEAD

    async def scenario(client):
        await submit(client, clip, headers={"Idempotency-Key": "k"})
        refused = await client.post("/v1/jobs", content=body(), headers=MULTIPART)
        known = await client.post("/v1/jobs", files=upload(clip), headers={"Idempotency-Key": "k"})
        return refused, known

    refused, known = play(scenario, settings=jobs_with(settings, workers=0, **changes))
    problem = Problem.model_validate_json(refused.content)
    assert (problem.status, problem.code, problem.setting, problem.limit) == (status, code, setting, 1)
    assert int(refused.headers["retry-after"]) > 0
    assert not read
    assert known.status_code == 200, "what is known already needs no room"


def test_no_job_is_accepted_while_the_service_shuts_down(play, clip, kept):
    async def scenario(client):
        service_of(client._transport.app).gate.drain()
        return await client.post("/v1/jobs", files=upload(clip))

    response = play(scenario)
    assert (response.status_code, response.json()["code"]) == (503, "overloaded")
    assert kept() == []


def test_upload_that_ends_early_leaves_nothing(play, kept):
    async def body():
        yield HEAD + b"half a cl"

    async def scenario(client):
        response = await client.post("/v1/jobs", content=body(), headers=MULTIPART)
        return response, (await client.get("/v1/jobs")).json()

    response, listed = play(scenario)
    assert response.status_code == 422
    assert listed["jobs"] == []
    assert kept() == []


@pytest.mark.parametrize(
    ("place", "error", "code"),
    [
        ("artifacts.ArtifactStore.keep_input", NoSpace("the disk is full"), "no_space"),
        ("store.JobStore.add", StoreUnavailable("the database is locked"), "store_unavailable"),
        ("store.JobStore.check_room", StoreUnavailable("the database is locked"), "store_unavailable"),
    ],
)
def test_what_cannot_be_kept_is_503_and_leaves_nothing(play, clip, kept, monkeypatch, place, error, code):
    def fail(*args, **kwargs):
        raise error

    async def scenario(client):
        with monkeypatch.context() as patch:
            patch.setattr(f"app.jobs.{place}", fail)
            refused = await client.post("/v1/jobs", files=upload(clip))
        return refused, (await client.get("/v1/jobs")).json(), kept()

    refused, listed, left = play(scenario)
    assert (refused.status_code, refused.json()["code"]) == (503, code)
    assert int(refused.headers["retry-after"]) > 0
    assert listed["jobs"] == []
    assert left == []


def test_commit_whose_answer_got_lost_is_acknowledged(play, clip, monkeypatch):
    from app.jobs.store import JobStore

    add = JobStore.add

    def lose(self, *args, **kwargs):
        add(self, *args, **kwargs)
        raise StoreUnavailable("the connection was lost")

    monkeypatch.setattr(JobStore, "add", lose)
    assert play(lambda client: finished(client, clip))["status"] == "succeeded"


def test_directory_that_cannot_be_used_is_named_with_its_setting(settings, tmp_path):
    from app.api.application import create_app
    from app.errors import InvalidRequest

    (tmp_path / "file").touch()
    chosen = settings.model_copy(update={"jobs": JobSettings(directory=tmp_path / "file" / "jobs")})
    with pytest.raises(InvalidRequest, match="cannot be used") as caught:
        create_app(chosen)
    assert caught.value.setting == "EARSIGHT_JOBS__DIRECTORY"
