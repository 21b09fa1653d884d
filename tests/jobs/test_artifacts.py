"""The files of jobs, on a disk and in an fsspec file system that is none."""

import errno
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from app.errors import InvalidRequest, NoSpace, NotFound, StoreUnavailable
from app.jobs import artifacts as artifacts_module
from app.jobs.artifacts import ArtifactStore
from app.jobs.record import Artifact

RESULT = Artifact("result.json", "application/json", 2, "ab" * 32)
JOB = "job_01J9ZZZZZZZZZZZZZZZZZZZZZZ"
OTHER = "job_01J9YYYYYYYYYYYYYYYYYYYYYY"
HOSTILE = [
    "../../etc/passwd",
    "..",
    "",
    "/etc/passwd",
    "result.json/..",
    "x.json",
    "result.json\0",
    ".result.json",
]


@pytest.fixture(autouse=True)
def _empty_memory():
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch):
    """A busy disk takes long to write through, and no test pulls the plug."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def local(tmp_path):
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    return ArtifactStore(str(tmp_path / "artifacts") if request.param == "local" else "memory://bucket/jobs")


@pytest.fixture
def scratch(tmp_path):
    path = tmp_path / "scratch"
    path.mkdir()
    return path


@pytest.fixture
def make(tmp_path):
    """Writes a file as the upload or a writer would."""

    def write(content, name="made"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def _leftovers(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def _fail(code):
    """A stand-in for a system call that fails."""

    def call(*arguments, **options):
        raise OSError(code, os.strerror(code))

    return call


def test_input_comes_back_as_it_was_kept(store, make, scratch):
    clip, sound = make(b"clip", "a"), make(b"sound", "b")
    store.keep_input(JOB, clip, sound)
    assert not clip.exists()
    assert not sound.exists()
    file, audio = store.local_input(JOB, scratch)
    assert (file.read_bytes(), audio.read_bytes()) == (b"clip", b"sound")


def test_input_without_a_sound_file_has_none(store, make, scratch):
    store.keep_input(JOB, make(b"clip"), None)
    assert store.local_input(JOB, scratch)[1] is None


def test_local_input_is_not_copied(local, make, scratch, tmp_path):
    local.keep_input(JOB, make(b"clip"), None)
    assert local.local_input(JOB, scratch)[0] == tmp_path / "artifacts" / JOB / "input" / "file"


def test_input_that_is_gone_is_not_found(store, make, scratch):
    with pytest.raises(NotFound):
        store.local_input(JOB, scratch)
    store.keep_input(JOB, make(b"clip"), None)
    store.drop_input(JOB)
    with pytest.raises(NotFound):
        store.local_input(JOB, scratch)


def test_artifact_is_a_seekable_stream(store, make):
    made = make(b"0123456789")
    store.put(JOB, RESULT, made)
    assert not made.exists()
    with store.open(JOB, RESULT) as stream:
        stream.seek(7)
        assert stream.read() == b"789"


def test_a_file_url_is_a_disk_too(tmp_path, make):
    store = ArtifactStore((tmp_path / "artifacts").as_uri())
    store.put(JOB, RESULT, make(b"{}"))
    out = tmp_path / "artifacts" / JOB / "out"
    assert (out / f"{RESULT.sha256}-result.json").read_bytes() == b"{}"


def test_missing_artifact_is_not_found(store):
    with pytest.raises(NotFound):
        store.open(JOB, RESULT)


def test_what_a_late_worker_makes_does_not_replace_what_was_recorded(store, make):
    late = replace(RESULT, sha256="cd" * 32)
    store.put(JOB, RESULT, make(b"recorded"))
    store.put(JOB, late, make(b"late"))
    with store.open(JOB, RESULT) as stream:
        assert stream.read() == b"recorded"


def test_reader_of_a_replaced_artifact_goes_on_with_the_old_one(local, make):
    local.put(JOB, RESULT, make(b"old"))
    with local.open(JOB, RESULT) as stream:
        local.put(JOB, RESULT, make(b"new"))
        assert stream.read() == b"old"


def test_artifact_has_no_name_before_all_of_it_is_there(make, monkeypatch):
    """The memory file system shows a file from its first byte on, as some remote ones do."""
    store = ArtifactStore("memory://bucket/jobs")
    put_file = MemoryFileSystem.put_file
    seen = []

    def watch(self, source, target, **options):
        put_file(self, source, target, **options)
        seen.append(sorted(self.store))

    monkeypatch.setattr(MemoryFileSystem, "put_file", watch)
    store.put(JOB, RESULT, make(b"{}"))
    assert len(seen) == 1
    assert not [name for name in seen[0] if name.endswith("-result.json")]
    assert list(MemoryFileSystem.store) == [f"/bucket/jobs/{JOB}/out/{RESULT.sha256}-result.json"]


def test_failed_upload_leaves_no_part(make, monkeypatch):
    store = ArtifactStore("memory://bucket/jobs")
    monkeypatch.setattr(MemoryFileSystem, "mv", _fail(errno.ENOSPC))
    with pytest.raises(NoSpace):
        store.put(JOB, RESULT, make(b"{}"))
    assert list(MemoryFileSystem.store) == []


def test_files_move_between_disks(local, make, monkeypatch, tmp_path):
    replace = os.replace

    def other_disk(source, target):
        if Path(source).parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(source, target)

    monkeypatch.setattr(os, "replace", other_disk)
    made = make(b"clip")
    local.keep_input(JOB, made, None)
    assert not made.exists()
    assert _leftovers(tmp_path / "artifacts") == [f"{JOB}/input/file"]
    assert (tmp_path / "artifacts" / JOB / "input" / "file").read_bytes() == b"clip"


def test_full_disk_in_the_middle_of_a_copy_leaves_no_part_and_keeps_the_source(
    local, make, monkeypatch, tmp_path
):
    def fill(source, target):
        Path(target).write_bytes(b"cl")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", _fail(errno.EXDEV))
    monkeypatch.setattr(artifacts_module.shutil, "copyfile", fill)
    made = make(b"clip")
    with pytest.raises(NoSpace):
        local.keep_input(JOB, made, None)
    assert made.read_bytes() == b"clip"
    assert _leftovers(tmp_path / "artifacts") == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["replace", "fsync", "mkdir"])
def test_full_disk_is_no_space(local, make, monkeypatch, call, code):
    monkeypatch.setattr(os, call, _fail(code))
    with pytest.raises(NoSpace):
        local.keep_input(JOB, make(b"clip"), None)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EIO, errno.EACCES])
def test_disk_that_cannot_be_written_is_unavailable(local, make, monkeypatch, code):
    monkeypatch.setattr(os, "mkdir", _fail(code))
    with pytest.raises(StoreUnavailable):
        local.put(JOB, RESULT, make(b"{}"))


def test_read_only_disk_is_unavailable_for_removal(local, make, monkeypatch):
    local.put(JOB, RESULT, make(b"{}"))
    monkeypatch.setattr(artifacts_module.shutil, "rmtree", _fail(errno.EROFS))
    with pytest.raises(StoreUnavailable):
        local.remove(JOB)


def test_root_that_vanished_is_unavailable_and_not_made_anew(local, make, tmp_path):
    """It is the disk that is not mounted: what is written to the directory below would be lost."""
    (tmp_path / "artifacts").rmdir()
    with pytest.raises(StoreUnavailable):
        local.keep_input(JOB, make(b"clip"), None)
    assert not (tmp_path / "artifacts").exists()


def test_foreign_error_of_a_remote_client_is_unavailable(make, monkeypatch):
    class ClientError(Exception):
        pass

    def fail(*arguments, **options):
        raise ClientError("https://user:password@host")

    store = ArtifactStore("memory://bucket/jobs")
    monkeypatch.setattr(MemoryFileSystem, "put_file", fail)
    with pytest.raises(StoreUnavailable) as caught:
        store.put(JOB, RESULT, make(b"{}"))
    assert "ClientError" in caught.value.detail
    assert "password" not in caught.value.detail


def test_failing_fetch_of_the_sound_is_no_missing_sound(make, monkeypatch, scratch):
    store = ArtifactStore("memory://bucket/jobs")
    store.keep_input(JOB, make(b"clip", "a"), make(b"sound", "b"))
    get_file = MemoryFileSystem.get_file

    def fail_for_sound(self, source, target, **options):
        if source.endswith("audio"):
            raise TimeoutError(errno.ETIMEDOUT, "timed out")
        get_file(self, source, target, **options)

    monkeypatch.setattr(MemoryFileSystem, "get_file", fail_for_sound)
    with pytest.raises(StoreUnavailable):
        store.local_input(JOB, scratch)


def test_what_is_kept_was_written_through_to_the_disk(local, make, monkeypatch, tmp_path):
    synced = set()
    fsync = os.fsync

    def note(descriptor):
        synced.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    local.keep_input(JOB, make(b"clip"), None)
    root = tmp_path / "artifacts"
    job = root / JOB
    assert synced == {str(path) for path in (root, job, job / "input", job / "input" / "file")}


@pytest.mark.parametrize(
    "artifact",
    [
        *(replace(RESULT, name=name) for name in HOSTILE),
        *(replace(RESULT, sha256=sha256) for sha256 in ("", "../" + "ab" * 32, "AB" * 32)),
    ],
)
def test_hostile_artifact_names_reach_no_path(store, make, artifact):
    made = make(b"{}")
    for refused in (
        lambda: store.put(JOB, artifact, made),
        lambda: store.open(JOB, artifact),
    ):
        with pytest.raises(NotFound):
            refused()
    assert made.exists()


@pytest.mark.parametrize("job_id", ["..", "", ".", "job_", JOB + "/..", "../" + JOB, JOB.lower(), JOB + "\n"])
def test_hostile_job_ids_reach_no_path(store, make, job_id, scratch, tmp_path):
    made = make(b"{}")
    for refused in (
        lambda: store.keep_input(job_id, made, None),
        lambda: store.local_input(job_id, scratch),
        lambda: store.put(job_id, RESULT, made),
        lambda: store.drop_input(job_id),
        lambda: store.remove(job_id),
    ):
        with pytest.raises(NotFound):
            refused()
    assert made.exists()


def test_removal_twice_is_as_once_and_touches_no_other_job(store, make):
    for job_id in (JOB, OTHER):
        store.keep_input(job_id, make(b"clip"), None)
        store.put(job_id, RESULT, make(b"{}"))
    store.drop_input(JOB)
    store.drop_input(JOB)
    store.open(JOB, RESULT).close()
    store.remove(JOB)
    store.remove(JOB)
    store.drop_input(JOB)
    assert list(store.job_ids()) == [OTHER]
    store.open(OTHER, RESULT).close()


def test_removal_goes_on_when_somebody_else_removes_a_file_meanwhile(local, make, monkeypatch):
    local.keep_input(JOB, make(b"clip"), None)
    local.put(JOB, RESULT, make(b"{}"))
    rmtree = artifacts_module.shutil.rmtree
    calls = []

    def lose_a_race_once(path):
        calls.append(path)
        if len(calls) == 1:
            local.drop_input(JOB)
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        rmtree(path)

    monkeypatch.setattr(artifacts_module.shutil, "rmtree", lose_a_race_once)
    local.remove(JOB)
    assert list(local.job_ids()) == []


def test_only_jobs_are_listed(local, make, tmp_path):
    local.put(JOB, RESULT, make(b"{}"))
    for name in ("lost+found", "job_short", ".hidden"):
        (tmp_path / "artifacts" / name).mkdir()
    assert list(local.job_ids()) == [JOB]


def test_nothing_is_listed_where_nothing_was_kept():
    assert list(ArtifactStore("memory://bucket/never").job_ids()) == []


def test_other_users_cannot_look_inside(local, make, tmp_path):
    local.put(JOB, RESULT, make(b"{}"))
    root = tmp_path / "artifacts"
    for directory in (root, root / JOB, root / JOB / "out"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


@pytest.mark.parametrize("url", ["nonsense://bucket", "ftp://user:hunter2/3@host:port/x"])
def test_url_that_nothing_serves_is_refused_by_the_name_of_its_setting(url):
    with pytest.raises(InvalidRequest) as caught:
        ArtifactStore(url)
    assert caught.value.setting == "EARSIGHT_JOBS__ARTIFACTS_URL"
    assert "hunter2" not in caught.value.detail


def test_root_that_cannot_be_made_is_unavailable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        ArtifactStore(str(tmp_path / "file" / "below"))
