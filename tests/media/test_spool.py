"""Scratch directories are private, go away, and only those of the dead are swept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.media import spool


def test_scratch_is_private_and_removed_with_its_content(tmp_path: Path) -> None:
    with spool.scratch(tmp_path / "new") as directory:
        assert directory.stat().st_mode & 0o777 == 0o700
        (directory / "upload").write_bytes(b"x")
    assert list((tmp_path / "new").iterdir()) == []


def test_scratch_is_removed_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), spool.scratch(tmp_path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_sweep_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from app.media import spool\n"
        "with spool.scratch(Path(sys.argv[1])) as d:\n"
        "    (d / 'upload').write_bytes(b'x'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=60)
    assert len(list(tmp_path.iterdir())) == 1
    assert spool.sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_sweep_spares_what_is_in_use_and_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "somebody-else").mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / f"{spool.PREFIX}link").symlink_to(outside)
    with spool.scratch(tmp_path) as directory:
        assert spool.sweep(tmp_path) == 0
        assert directory.is_dir()
    assert outside.is_dir()
    assert (tmp_path / "somebody-else").is_dir()


def test_sweep_of_a_directory_that_is_not_there_yet(tmp_path: Path) -> None:
    assert spool.sweep(tmp_path / "later") == 0
