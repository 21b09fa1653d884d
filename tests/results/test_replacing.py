from __future__ import annotations

import pytest

from app.results.replacing import replacing


def test_file_appears_only_when_all_is_written(tmp_path):
    target = tmp_path / "result.json"
    with replacing(target) as part:
        part.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_failure_keeps_the_old_file_and_leaves_no_other(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")

    def fail() -> None:
        with replacing(target) as part:
            part.write_text("half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_failure_before_anything_was_written_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "result.json"):
        pass
    assert list(tmp_path.iterdir()) == []
