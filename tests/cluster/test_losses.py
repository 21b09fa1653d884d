"""Nodes that die, and workers that hang, in the middle of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from app.jobs.cluster import pool
from tests.cluster.conftest import N_NODES, Nodes, OpenSites
from tests.cluster.site import Site, until, workers

REQUEST = {"fps": 30.0, "formats": ("json", "ndjson", "npz")}
PART_S = 2.0


@pytest.fixture(scope="module")
def expected(open_sites: OpenSites, long_clip: Path) -> dict[str, bytes]:
    """What the job makes in one process."""
    with open_sites() as open_site:
        site = open_site("local")
        return site.files(site.end_of(site.submit(long_clip, **REQUEST)))


@pytest.fixture
def site(open_site: Callable[..., Site], expected: dict[str, bytes], nodes: Nodes) -> Iterator[Site]:
    yield open_site("ray", lease_s=5.0, ray_part_s=PART_S)
    nodes.restore()


def _begun(site: Site, nodes: Nodes, clip: Path) -> tuple[str, str]:
    """A job whose parts are looked at, and the node that works on it, which is one that can be removed."""
    for _ in range(len(nodes.ids)):
        job_id = site.submit(clip, **REQUEST)
        until(partial(nodes.logged, "part_done", job_id), "nobody looks at a part")
        lead = nodes.logged("work_begun", job_id)[0]["node"]
        if lead != nodes.head_id:
            return job_id, lead
        site.service.intake.cancel(job_id, owner=None)
        site.end_of(job_id)
        site.until_idle()
    raise AssertionError("every job begins on the node that cannot be removed")


def test_parts_of_a_node_that_dies_are_looked_at_elsewhere(
    site: Site, nodes: Nodes, long_clip: Path, expected: dict[str, bytes]
) -> None:
    job_id, lead = _begun(site, nodes, long_clip)
    nodes.kill(next(iter(nodes.ids - {nodes.head_id, lead})))
    job = site.end_of(job_id)
    assert (job.status, job.attempt) == ("succeeded", 1)
    assert site.files(job) == expected
    assert nodes.logged("part_lost", job_id)


def test_a_job_whose_node_dies_is_begun_again_elsewhere(
    site: Site, nodes: Nodes, long_clip: Path, expected: dict[str, bytes]
) -> None:
    job_id, lead = _begun(site, nodes, long_clip)
    nodes.kill(lead)
    until(lambda: site.service.backend.capacity().workers == 2, "the worker is not missed")
    job = site.end_of(job_id)
    assert (job.status, job.attempt) == ("succeeded", 2)
    assert site.files(job) == expected
    nodes.restore()
    until(lambda: site.service.backend.capacity().workers == 3, "no worker on the new node")


def test_a_worker_that_hangs_is_replaced(
    site: Site, long_clip: Path, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_SILENT_S", 3.0)
    hung = workers()[0]
    hung.suspend()
    until(lambda: not hung.is_running(), "the worker is not killed")
    until(lambda: site.service.backend.capacity().workers == N_NODES, "the worker is not replaced")
    job = site.end_of(site.submit(long_clip, **REQUEST))
    assert job.status == "succeeded"
    assert site.files(job) == expected
