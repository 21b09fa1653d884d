import asyncio
import json
import math
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from app.api.figures import figures_of
from app.api.service import build_service
from app.errors import StoreUnavailable
from app.inference.registry import BundleRegistry
from app.media import spool
from app.metrics_page import metrics_page
from app.settings import WebhookSettings
from tests.api.job_steps import Hold, ended, submit, upload

DOCUMENTED = re.findall(r"^\| `(earsight_\w+)` \|", metrics_page(), re.MULTILINE)


@pytest.fixture
def clip(make_clip):
    return make_clip(bursts=((0.0, 2.0),))


@pytest.fixture
def broken(tmp_path):
    path = tmp_path / "clients-own-name.mp4"
    path.write_bytes(b"no clip at all")
    return path


async def figures(client):
    """What /metrics answers: values by name and labels."""
    text = (await client.get("/metrics")).text
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def figures_with(client, name, at_least=1):
    """The same, once there is a series of that name and value."""
    for _ in range(100):
        found = await figures(client)
        if any(key[0] == name and value >= at_least for key, value in found.items()):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"no {name}")


def test_every_metric_of_the_page_is_filled_and_holds_no_text_of_a_client(play, clip, broken, settings):
    settings = settings.model_copy(
        update={
            "webhooks": WebhookSettings(
                secrets=(SecretStr("whsec_" + "A" * 43 + "="),), allow_private=True, max_attempts=1
            )
        }
    )
    told = {"fps": "7.25", "webhook": "https://127.0.0.1:1/clients-own-path"}

    async def scenario(client):
        job = await submit(client, clip, data=told, headers={"X-Request-ID": "clients-own-id"})
        assert (await ended(client, job))["status"] == "succeeded"
        failed = await ended(client, await submit(client, broken))
        await client.post("/v1/localize", files=upload(clip))
        await client.get("/v1/clients-own-page")
        return job["id"], failed, await figures_with(client, "earsight_webhook_deliveries_total")

    job_id, failed, found = play(scenario, settings=settings)
    names = {key[0].removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for key in found}
    assert set(DOCUMENTED) - names == {"earsight_child_killed_total"}  # no child had to be killed
    assert found["earsight_jobs_total", ("reason", ""), ("status", "succeeded")] == 1
    assert failed["error"]["code"] == "unsupported_media"
    assert found["earsight_jobs_total", ("reason", "unsupported_media"), ("status", "failed")] == 1
    assert found["earsight_decode_failures_total", ("code", "unsupported_media")] == 1
    assert found["earsight_webhook_deliveries_total", ("outcome", "given_up")] == 1
    assert found[("earsight_job_queue_wait_seconds_count",)] == 2
    assert found[("earsight_job_queue_depth",)] == found[("earsight_jobs_in_progress",)] == 0
    assert found["earsight_stage_seconds_count", ("stage", "encode")] == 5  # four of the job, one at once
    assert found["earsight_stage_seconds_count", ("stage", "probe")] == 3
    assert found["earsight_stage_seconds_count", ("stage", "infer")] == 2
    visual = ("graph", "visual")
    assert found["earsight_infer_runs_total", visual] == found["earsight_batch_items_count", visual] > 0
    assert found["earsight_infer_items_total", visual] == found["earsight_batch_items_sum", visual]
    for text in ("clients-own", "127.0.0.1", "7.25", job_id):
        assert not [key for key in found if text in json.dumps(key)], text


def test_jobs_that_wait_and_run_are_seen_and_a_canceled_one_is_counted_once(
    play, clip, settings, monkeypatch
):
    settings = settings.model_copy(update={"jobs": settings.jobs.model_copy(update={"workers": 1})})

    async def scenario(client):
        with Hold().installed(monkeypatch) as hold:
            running, waiting, deleted = [await submit(client, clip) for _ in range(3)]
            await asyncio.to_thread(hold.begun.acquire, timeout=10)
            before = await figures(client)
            for job in (waiting, waiting, running, running):
                await client.post(job["links"]["cancel"])
            await client.delete(deleted["links"]["self"])
            await ended(client, running)
        return before, await figures_with(client, "earsight_jobs_total", 3)

    before, after = play(scenario, settings=settings)
    assert before[("earsight_jobs_in_progress",)] == 1
    assert before[("earsight_job_queue_depth",)] == 2
    assert after["earsight_jobs_total", ("reason", ""), ("status", "canceled")] == 3
    assert after[("earsight_jobs_in_progress",)] == after[("earsight_job_queue_depth",)] == 0


@pytest.fixture
def service(settings):
    service = build_service(settings, BundleRegistry(settings))
    yield service
    service.gate.close()
    service.store.close()


def value_of(service, name):
    figures_of(service)
    return service.metrics.registry.get_sample_value(name)


def test_files_of_running_work_are_measured(service, settings):
    assert value_of(service, "earsight_scratch_bytes") == 0
    with spool.scratch(settings.scratch_dir) as one, spool.scratch(service.places.uploads) as other:
        (one / "file").write_bytes(bytes(300))
        (other / "file").write_bytes(bytes(4000))
        assert 4300 <= value_of(service, "earsight_scratch_bytes") < 4300 + 3 * 4096
    assert value_of(service, "earsight_scratch_bytes") == 0


def test_depth_of_a_queue_that_cannot_be_asked_is_not_a_number(service, monkeypatch):
    def fail():
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(service.store, "counts", fail)
    assert math.isnan(value_of(service, "earsight_job_queue_depth"))
