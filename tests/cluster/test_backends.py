"""What every backend must do, whoever works for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import OpenSites
from tests.cluster.site import BACKENDS, QUICK_S, SLOW, Site


@pytest.fixture(scope="module", params=[*BACKENDS, "ray, PostgreSQL and S3"])
def site(request: pytest.FixtureRequest, open_sites: OpenSites) -> Iterator[Site]:
    backend, _, shared = request.param.partition(",")
    places = request.getfixturevalue("make_places")() if shared else {}
    with open_sites() as open_site:
        yield open_site(backend, lease_s=5.0, **places)


def test_a_job_ends_with_its_files_and_what_is_known_of_it(site: Site, sounding_square: Path) -> None:
    job = site.end_of(site.submit(sounding_square, formats=("json", "ndjson", "npz", "vtt", "overlay")))
    assert (job.status, job.attempt, job.error) == ("succeeded", 1, None)
    assert list(site.files(job)) == [
        "result.json",
        "result.ndjson",
        "heatmaps.npz",
        "sounds.vtt",
        "overlay.mp4",
    ]
    assert job.input.facts is not None
    assert job.input.facts["duration_s"] == pytest.approx(4.0)
    assert job.model is not None
    assert job.model["name"] == "tiny"
    assert job.progress.stage == "done"
    events = [event.kind for event in site.service.store.events_after(job.id, 0)]
    assert events[:2] == ["state", "state"]
    assert events[-1] == "done"
    assert site.kept(job.id) == {"out"}


def test_a_clip_that_cannot_be_used_fails_with_the_reason(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 1000)
    job = site.end_of(site.submit(path))
    assert job.status == "failed"
    assert job.error is not None
    assert job.error["code"] == "media_corrupt"
    assert site.kept(job.id) == set()


def test_a_bundle_that_there_is_not_fails_with_the_reason(site: Site, sounding_square: Path) -> None:
    job = site.end_of(site.submit(sounding_square, model="nothing"))
    assert job.status == "failed"
    assert job.error is not None
    assert job.error["code"] == "not_found"


def test_the_lines_can_be_read_while_it_runs(site: Site, long_clip: Path) -> None:
    job = site.running(site.submit(long_clip, fps=30.0, formats=("ndjson",)))
    lines = site.service.backend.lines(job.id)
    assert lines is not None
    with lines.open() as stream:
        while not lines.state[1]:
            time.sleep(0.02)
        read = stream.read()
    job = site.end_of(job.id)
    assert read.count(b"\n") == lines.n_lines > 900
    # The first one is told before all is known that it says.
    told, written = read.splitlines(), site.files(job)["result.ndjson"].splitlines()
    assert told[1:] == written[1:]
    site.until_idle()
    assert site.service.backend.lines(job.id) is None


def test_a_job_that_runs_is_canceled(site: Site, long_clip: Path) -> None:
    job = site.running(site.submit(long_clip, **SLOW))
    begin_s = time.monotonic()
    site.service.intake.cancel(job.id, owner=None)
    assert site.end_of(job.id).status == "canceled"
    assert time.monotonic() - begin_s < QUICK_S
    assert site.kept(job.id) == set()


def test_a_job_that_is_deleted_while_it_runs_leaves_nothing(site: Site, long_clip: Path) -> None:
    job = site.running(site.submit(long_clip, **SLOW))
    site.service.intake.delete(job.id, owner=None)
    site.until_idle(within_s=QUICK_S)
    assert site.service.store.known([job.id]) == set()
    assert site.kept(job.id) == set()


def test_a_cancel_by_another_process_is_noticed(site: Site, long_clip: Path) -> None:
    job = site.running(site.submit(long_clip, **SLOW))
    site.service.store.request_cancel(job.id, owner=None, keep_s=60, webhook_body=None)
    assert site.end_of(job.id).status == "canceled"


def test_jobs_run_at_the_same_time(site: Site, long_clip: Path) -> None:
    jobs = [site.running(site.submit(long_clip, **SLOW)) for _ in range(2)]
    assert site.service.backend.capacity().busy == 2
    assert not site.service.backend.idle
    for job in jobs:
        site.service.intake.cancel(job.id, owner=None)
    site.until_idle()
    assert site.service.backend.capacity().busy == 0
