"""A clip that is cut and looked at on all nodes comes to the bytes that it comes to in one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.settings import InferenceSettings, Settings
from tests.cluster.conftest import N_NODES, Nodes, OpenSites
from tests.cluster.site import BACKENDS, Site

PART_S = 3.0
FORMATS = ("json", "ndjson", "npz", "vtt", "coco")
# Another number of threads adds up in another order.
DEFAULT = Settings(inference=InferenceSettings(device="cpu", threads=1))


@pytest.fixture(scope="module")
def clip(make_clip: Callable[..., Path]) -> Path:
    """24 s at 12 frames per second, with reordered frames and a key frame every second."""
    return make_clip(
        size=(320, 240),
        fps=12,
        frames=288,
        bursts=((0.5, 3.0), (5.0, 10.0), (17.0, 6.0)),
        encoder_options=(("preset", "veryfast"), ("bf", "2"), ("g", "12")),
    )


def test_the_default_bundle_gives_the_same_bytes(open_sites: OpenSites, nodes: Nodes, clip: Path) -> None:
    found = {}
    for backend in BACKENDS:
        with open_sites() as open_site:
            site = open_site(backend, settings=DEFAULT, ray_part_s=PART_S)
            job = site.end_of(site.submit(clip, formats=FORMATS, fps=6.0))
            assert (job.status, job.attempt) == ("succeeded", 1)
            found[backend] = site.files(job)
        parts = nodes.logged("part_done", job.id)
        assert (len(parts) > N_NODES) == (backend == "ray")
        assert job.started_at is not None
        assert job.finished_at is not None
        seconds = (job.finished_at - job.started_at).total_seconds()
        print(f"{backend}: {len(parts)} parts, {seconds:.1f} s")
    assert found["ray"] == found["local"]


def test_every_node_looks_at_a_part(open_site: Callable[..., Site], nodes: Nodes, clip: Path) -> None:
    site = open_site("ray", ray_part_s=PART_S)
    job = site.end_of(site.submit(clip, fps=12.0))
    assert job.status == "succeeded"
    parts = nodes.logged("part_done", job.id)
    assert {part["node"] for part in parts} == nodes.ids
