"""A Ray cluster of three nodes on this machine, and services whose jobs are done there or in threads."""

from __future__ import annotations

import itertools
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

pytest.register_assert_rewrite("tests.cluster.site")

from app.settings import JobSettings, Settings  # noqa: E402 - after the line above
from tests.cluster.site import Site  # noqa: E402 - after the line above

OBJECT_STORE_BYTES = 150 * 2**20
N_NODES = 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("cluster")


@dataclass(frozen=True, slots=True)
class Nodes:
    """Attributes: cluster: of Ray."""

    cluster: Any

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    @property
    def ids(self) -> set[str]:
        """Of the nodes that live."""
        return {node.node_id for node in self.cluster.list_all_nodes()}

    @property
    def head_id(self) -> str:
        """Of the one that cannot be removed."""
        return str(self.cluster.head_node.node_id)

    def restore(self) -> None:
        """Have three nodes again."""
        for _ in range(N_NODES - len(self.ids)):
            self.cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES)

    def kill(self, node_id: str) -> None:
        node = next(node for node in self.cluster.list_all_nodes() if node.node_id == node_id)
        self.cluster.remove_node(node, allow_graceful=False)

    def logged(self, event: str, job_id: str) -> list[dict[str, Any]]:
        """The lines of all workers about a job."""
        directory = Path(self.cluster.head_node.get_session_dir_path()) / "logs"
        lines = [line for path in directory.glob("worker-*.out") for line in path.read_text().splitlines()]
        found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [each for each in found if each["event"] == event and each.get("job_id") == job_id]


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """URL of an empty place in an S3 store on this machine, which nodes that begin later can reach."""
    from moto.server import ThreadedMotoServer
    from s3fs import S3FileSystem

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else each request is a line
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        S3FileSystem().mkdir("/earsight")
        yield "s3://earsight"
    server.stop()


@pytest.fixture(scope="session")
def nodes(bucket: str) -> Iterator[Nodes]:
    """Three nodes with one CPU each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Else whatever else runs here starves the workers.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - Ray reads it so
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        nodes = Nodes(cluster)
        nodes.restore()
        yield nodes
    finally:
        cluster.shutdown()


OpenSites = Callable[[], AbstractContextManager[Callable[..., Site]]]


@pytest.fixture(scope="session")
def open_sites(
    request: pytest.FixtureRequest, tiny_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> OpenSites:
    """`with open_sites() as open_site`: within the block `open_site("ray", lease_s=1)` starts a service with
    these settings of jobs. All share one store and its files."""

    @contextmanager
    def open_all() -> Iterator[Callable[..., Site]]:
        places, opened = tmp_path_factory.mktemp("site"), []

        def open_one(backend: str, *, settings: Settings = tiny_settings, **changes: Any) -> Site:
            address = request.getfixturevalue("nodes").address if backend == "ray" else None
            jobs = {"directory": places / "jobs", "backend": backend, "ray_address": address, **changes}
            chosen = {"jobs": JobSettings(**jobs), "scratch_dir": places / "scratch"}
            n_places = N_NODES if backend == "ray" else JobSettings().workers
            opened.append(Site.start(settings.model_copy(update=chosen), places=n_places))
            return opened[-1]

        try:
            yield open_one
        finally:
            for site in opened:
                site.stop()

    return open_all


MakePlaces = Callable[[], dict[str, str]]


@pytest.fixture(scope="session")
def make_places(postgresql_url: str, bucket: str) -> MakePlaces:
    """Each call gives the settings of jobs for an empty store on PostgreSQL and an empty place in S3."""
    url = sa.make_url(postgresql_url).set(drivername="postgresql+psycopg")
    numbers = itertools.count()

    def make() -> dict[str, str]:
        name = f"jobs{next(numbers)}"
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return {
            "database_url": url.set(database=name).render_as_string(hide_password=False),
            "artifacts_url": f"{bucket}/{name}",
        }

    return make


@pytest.fixture
def open_site(open_sites: OpenSites) -> Iterator[Callable[..., Site]]:
    with open_sites() as open_one:
        yield open_one


@pytest.fixture(scope="session")
def long_clip(make_clip: Callable[..., Path]) -> Path:
    """Half a minute, on which somebody works for seconds."""
    return make_clip(size=(640, 480), fps=30, frames=900, bursts=((0.0, 30.0),))
