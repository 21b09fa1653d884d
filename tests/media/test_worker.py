"""The decode child as a process: what it may do, how it dies, and that it is always buried."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import Canceled, DecodeTimeout, LimitExceeded, MediaCorrupt
from app.media.stream import ClipStream
from app.settings import DecodeSettings

MakeClip = Callable[..., Path]
OpenStream = Callable[..., ClipStream]


def _run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60)


def _is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.fixture
def long_clip(make_clip: MakeClip) -> Path:
    """Far more frames than fit into the pipe and the queue."""
    return make_clip(frames=600, audio_rate_hz=16_000, channels=1)


@pytest.fixture
def stream(long_clip: Path, open_stream: OpenStream) -> ClipStream:
    return open_stream(long_clip, size=448, fps=30.0, chunk_frames=4)


def test_child_imports_only_the_standard_library_numpy_and_av() -> None:
    code = (
        "import sys; before = set(sys.modules); import app.media.child;"
        "print('\\n'.join(sorted(set(sys.modules) - before)))"
    )
    modules = _run(code).stdout.split()
    assert "app.media.session" in modules
    foreign = {
        name
        for name in modules
        if name.split(".")[0] not in {*sys.stdlib_module_names, "numpy", "av", "app"}
        and not name.startswith(("_cython_", "cython_runtime"))
    }
    assert foreign == set()
    ours = {name for name in modules if name.split(".")[0] == "app"}
    assert all(name in {"app", "app.errors"} or name.startswith("app.media") for name in ours)


def test_child_can_open_and_write_nothing() -> None:
    code = """
import errno, json, os, resource, socket, sys, tempfile
from app.media import sandbox
scratch = tempfile.TemporaryFile(buffering=0)
sandbox.enter(cpu_s=7, memory_bytes=256 * 2**20)
found = {}
for name, attempt in {
    "open": lambda: open("/etc/hostname"),
    "socket": lambda: socket.socket(),
    "pipe": lambda: os.pipe(),
    "memory": lambda: bytearray(512 * 2**20),
}.items():
    try:
        attempt()
        found[name] = "allowed"
    except (OSError, MemoryError) as error:
        found[name] = type(error).__name__
try:
    scratch.write(b"x")
    found["write"] = "allowed"
except OSError as error:
    found["write"] = errno.errorcode[error.errno]
found["core"] = resource.getrlimit(resource.RLIMIT_CORE)
found["cpu"] = resource.getrlimit(resource.RLIMIT_CPU)
print(json.dumps(found))
"""
    result = _run(code)
    assert json.loads(result.stdout) == {
        "open": "OSError",
        "socket": "OSError",
        "pipe": "OSError",
        "memory": "MemoryError",
        "write": "EFBIG",
        "core": [0, 0],
        "cpu": [7, 8],
    }


def test_child_that_uses_up_its_time_is_ended_by_the_system() -> None:
    result = _run(
        "from app.media import sandbox; sandbox.enter(cpu_s=1, memory_bytes=2**30)\nwhile True: pass"
    )
    assert result.returncode == -signal.SIGXCPU


def test_child_inherits_no_environment(
    stream: ClipStream, monkeypatch: pytest.MonkeyPatch, long_clip: Path, open_stream: OpenStream
) -> None:
    monkeypatch.setenv("EARSIGHT_TEST_SECRET", "hidden")
    with stream:
        pass
    with open_stream(long_clip, size=448, fps=30.0) as second:
        environment = Path(f"/proc/{second.pid}/environ").read_bytes()
        command = Path(f"/proc/{second.pid}/cmdline").read_bytes()
    assert b"EARSIGHT_TEST_SECRET" not in environment
    assert b"PATH=" not in environment
    assert os.fsencode(long_clip) not in command


@pytest.mark.parametrize(
    ("number", "error", "setting"),
    [
        (signal.SIGSEGV, MediaCorrupt, None),
        (signal.SIGABRT, MediaCorrupt, None),
        (signal.SIGXCPU, DecodeTimeout, "EARSIGHT_DECODE__CPU_S"),
        (signal.SIGKILL, LimitExceeded, "EARSIGHT_DECODE__MEMORY_BYTES"),
    ],
)
def test_death_of_the_child_is_an_error_of_the_clip(
    stream: ClipStream, number: signal.Signals, error: type[Exception], setting: str | None
) -> None:
    with stream:
        chunks = iter(stream)
        next(chunks)
        os.kill(stream.pid, number)
        with pytest.raises(error) as caught:
            list(chunks)
        assert getattr(caught.value, "setting", None) == setting
    assert _is_gone(stream.pid)


def test_child_that_stands_still_is_killed(long_clip: Path, open_stream: OpenStream) -> None:
    decode = DecodeSettings(stall_s=0.5, threads=1)
    with open_stream(long_clip, size=448, fps=30.0, chunk_frames=4, decode=decode) as stream:
        os.kill(stream.pid, signal.SIGSTOP)
        began_s = time.monotonic()
        with pytest.raises(DecodeTimeout) as caught:
            list(stream)
        assert time.monotonic() - began_s < 5.0
        assert caught.value.setting == "EARSIGHT_DECODE__STALL_S"
        assert _is_gone(stream.pid)


def test_slow_reader_is_no_stall(long_clip: Path, open_stream: OpenStream) -> None:
    decode = DecodeSettings(stall_s=0.5, threads=1)
    with open_stream(long_clip, size=448, fps=30.0, chunk_frames=64, decode=decode) as stream:
        chunks = iter(stream)
        n_frames = len(next(chunks).frames)
        time.sleep(1.0)
        n_frames += sum(len(chunk.frames) for chunk in chunks)
    assert n_frames == 600


def test_leaving_early_kills_the_child(stream: ClipStream) -> None:
    with stream:
        next(iter(stream))
        pid = stream.pid
        assert not _is_gone(pid)
    assert _is_gone(pid)
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    stream.close()  # a second time


def test_reading_a_closed_clip_is_canceled(stream: ClipStream) -> None:
    chunks = iter(stream)
    next(chunks)
    stream.close()
    with pytest.raises(Canceled):
        list(chunks)


def test_finished_child_leaves_no_zombie(make_clip: MakeClip, open_stream: OpenStream) -> None:
    with open_stream(make_clip()) as stream:
        list(stream)
    assert _is_gone(stream.pid)
