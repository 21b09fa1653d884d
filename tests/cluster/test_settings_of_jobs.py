"""What the settings of jobs and the end of a service mean, for every backend."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import OpenSites
from tests.cluster.site import BACKENDS, QUICK_S, SLOW, Site, until


@pytest.fixture(params=BACKENDS)
def open_one(request: pytest.FixtureRequest, open_sites: OpenSites) -> Iterator[Callable[..., Site]]:
    """Starts a service of its own with these settings of jobs."""
    with open_sites() as open_site:
        yield lambda **changes: open_site(request.param, **changes)


def test_a_job_that_runs_for_too_long_fails(open_one: Callable[..., Site], long_clip: Path) -> None:
    site = open_one(deadline_s=1.0)
    job = site.end_of(site.submit(long_clip, **SLOW))
    assert job.status == "failed"
    assert job.error is not None
    assert (job.error["code"], job.error["limit"]) == ("deadline_exceeded", 1.0)


def test_long_clips_leave_a_place_to_short_ones(
    open_one: Callable[..., Site], long_clip: Path, sounding_square: Path
) -> None:
    site = open_one(long_s=20.0)
    places = site.service.backend.capacity().workers
    long_ones = [site.submit(long_clip, **SLOW) for _ in range(places)]

    def waiting() -> list[str]:
        jobs = [site.job(job_id) for job_id in long_ones]
        return [job.id for job in jobs if job.long and job.status == "queued"]

    until(waiting, "no long clip was put back")
    found = waiting()
    assert site.end_of(site.submit(sounding_square)).status == "succeeded"
    assert waiting() == found
    assert len(found) == 1


def test_what_runs_at_the_end_goes_back_into_the_queue(
    open_one: Callable[..., Site], long_clip: Path
) -> None:
    site = open_one()
    first = site.running(site.submit(long_clip, **SLOW))
    backend = site.service.backend
    backend.drain()
    waiting = site.submit(long_clip, formats=("json",))
    time.sleep(1.5)
    assert site.job(waiting).status == "queued"
    begin_s = time.monotonic()
    backend.stop()
    assert time.monotonic() - begin_s < QUICK_S
    assert [(job.status, job.attempt) for job in (site.job(first.id), site.job(waiting))] == [
        ("queued", 0)
    ] * 2
    again = open_one()
    assert [again.end_of(each).status for each in (first.id, waiting)] == ["succeeded"] * 2
    assert again.job(first.id).attempt == 1
