"""A PostgreSQL server of the tests' own, where its programs are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A database of a PostgreSQL cluster that listens on a socket in a temporary directory only."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    pytest.importorskip("psycopg")
    # Not below the directory of pytest: the path of a socket is short, and another user must reach it.
    directory = Path(tempfile.mkdtemp(prefix="earsight-pg-"))
    user = _unprivileged()
    if user is not None:
        shutil.chown(directory, user)
    data = directory / "data"

    def run(*command: str) -> None:
        with (directory / "log").open("ab") as log:
            # LANG says a locale that may be missing here.
            environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
            subprocess.run(
                command, check=True, cwd=directory, user=user, env=environment, stdout=log, stderr=log
            )

    try:
        run(initdb, "-D", str(data), "-U", "earsight", "-A", "trust", "-E", "UTF8", "--no-sync")
        run(pg_ctl, "-D", str(data), "-w", "-o", f"-F -k {directory} -c listen_addresses=", "start")
        try:
            yield f"postgresql://earsight@/postgres?host={directory}"
        finally:
            run(pg_ctl, "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory)


def _program(name: str) -> str:
    """One of the server's, which Debian keeps off the PATH."""
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    path = os.pathsep.join([os.environ["PATH"], *map(str, versions)])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"PostgreSQL is not installed: there is no {name}")
    return found


def _unprivileged() -> str | None:
    """Whom to run PostgreSQL as, which refuses root; None for whoever runs this."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    found = next((name for name in ("postgres", "nobody") if name in names), None)
    if found is None:
        pytest.skip("PostgreSQL does not run as root, and there is no user for it")
    return found
