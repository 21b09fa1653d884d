"""The walls around the decode child, each tried out by a process that stands behind them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.media import landlock
from app.media.stream import ClipStream
from app.media.worker import standing_walls

ABI = landlock.abi()
needs_files = pytest.mark.skipif(ABI < 1, reason="the kernel has no Landlock")
needs_tcp = pytest.mark.skipif(ABI < 4, reason="Landlock of this kernel knows no TCP")
needs_scopes = pytest.mark.skipif(ABI < 6, reason="Landlock of this kernel knows no scopes")

_ATTEMPTS = """
import errno, json, os, resource, socket, sys
from app.media import landlock, sandbox

directory = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)  # as if it had been inherited
port = int(sys.argv[2])
tcp = [socket.socket() for _ in range(2)]

def attempt(what):
    try:
        what()
    except OSError as error:
        return errno.errorcode[error.errno]
    except ValueError:  # of setrlimit, for EPERM
        return "EPERM"
    return "allowed"

def run():
    pid = os.fork()
    if pid == 0:
        try:
            os.execv("/bin/true", ["true"])
        except OSError as error:
            os._exit(error.errno)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status in errno.errorcode:
        raise OSError(status, "")

ATTEMPTS = {
    "more_descriptors": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    "open": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "openat": lambda: os.open("file", os.O_RDONLY, dir_fd=directory),
    "create": lambda: os.open("new", os.O_WRONLY | os.O_CREAT, dir_fd=directory),
    "mkdirat": lambda: os.mkdir("made", dir_fd=directory),
    "unlinkat": lambda: os.unlink("file", dir_fd=directory),
    "run": run,
    "socket": socket.socket,
    "connect": lambda: tcp[0].connect(("127.0.0.1", port)),
    "bind": lambda: tcp[1].bind(("127.0.0.1", 0)),
    "signal": lambda: os.kill(os.getppid(), 0),
}

def tell():
    print(json.dumps({name: attempt(what) for name, what in ATTEMPTS.items()}))
"""
_ENTER = "sandbox.enter(cpu_s=10, memory_bytes=2**28)\n"
_WITHOUT_LANDLOCK = "landlock.deny_all = tuple\n"
_ONLY_LANDLOCK = "sandbox._call('prctl', 38, 1, 0, 0, 0)\nlandlock.deny_all()\n"

Try = Callable[[str], dict[str, str]]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("kept")
    return tmp_path


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def attempt(directory: Path, port: int) -> Try:
    """Runs the code, then everything in `ATTEMPTS`, and gives what came of each."""

    def run(code: str) -> dict[str, str]:
        command = [sys.executable, "-I", "-c", _ATTEMPTS + code + "tell()", str(directory), str(port)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(ran.stdout)

    return run


def test_without_walls_all_of_it_would_be_allowed(attempt: Try) -> None:
    found = attempt("")
    assert {name for name, result in found.items() if result != "allowed"} == set()


def test_behind_the_walls_nothing_can_be_opened_and_no_limit_raised(attempt: Try) -> None:
    found = attempt(_ENTER)
    assert found["more_descriptors"] == "EPERM"  # also for root
    assert {found[name] for name in ("open", "openat", "create", "socket")} == {"EMFILE"}


@needs_files
def test_landlock_holds_where_the_limit_of_descriptors_alone_would_not(attempt: Try, directory: Path) -> None:
    walled = ("mkdirat", "unlinkat")
    assert {attempt(_ENTER)[name] for name in walled} == {"EACCES"}
    assert (directory / "file").read_text() == "kept"
    found = attempt(_WITHOUT_LANDLOCK + _ENTER)
    assert {found[name] for name in walled} == {"allowed"}
    assert sorted(path.name for path in directory.iterdir()) == ["made"]


@needs_files
def test_landlock_alone_denies_files_also_below_a_directory_that_is_held(attempt: Try) -> None:
    found = attempt(_ONLY_LANDLOCK)
    denied = ("open", "openat", "create", "mkdirat", "unlinkat", "run")
    assert {name: found[name] for name in denied} == dict.fromkeys(denied, "EACCES")
    assert found["more_descriptors"] == "allowed"


@needs_tcp
@pytest.mark.parametrize("walls", [_ENTER, _ONLY_LANDLOCK])
def test_a_socket_from_before_neither_connects_nor_binds(attempt: Try, walls: str) -> None:
    found = attempt(walls)
    assert (found["connect"], found["bind"]) == ("EACCES", "EACCES")


@needs_files
def test_no_program_can_be_run(attempt: Try) -> None:
    assert attempt(_ENTER)["run"] == "EACCES"


@needs_scopes
@pytest.mark.parametrize("walls", [_ENTER, _ONLY_LANDLOCK])
def test_no_process_outside_can_be_signaled(attempt: Try, walls: str) -> None:
    assert attempt(walls)["signal"] == "EPERM"


def test_without_landlock_and_namespaces_the_other_walls_stand(attempt: Try) -> None:
    older = (
        "call = sandbox._call\n"
        "sandbox._call = lambda name, *rest: name != 'unshare' and call(name, *rest)\n"
        "landlock._syscall = lambda *_: -1\n"
    )
    found = attempt(older + "walls = " + _ENTER + "assert walls[:1] == ('no_new_privs',), walls\n")
    assert found["more_descriptors"] == "EPERM"
    assert {found[name] for name in ("open", "openat", "create", "socket")} == {"EMFILE"}


def test_the_walls_that_stand_are_told() -> None:
    walls = standing_walls()
    assert walls[-1] == "limits"
    assert {"no_new_privs", "no_capabilities"} <= set(walls)
    assert {wall for wall in walls if wall.startswith("landlock")} == {
        name
        for name, since in (("landlock_files", 1), ("landlock_tcp", 4), ("landlock_scopes", 6))
        if since <= ABI
    }


def test_a_child_that_decodes_stands_behind_them(
    make_clip: Callable[..., Path], open_stream: Callable[..., ClipStream]
) -> None:
    clip = make_clip(frames=600, audio_rate_hz=16_000, channels=1)
    with open_stream(clip, size=448, fps=30.0, chunk_frames=4) as stream:
        process = Path(f"/proc/{stream.pid}")
        lines = (process / "status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert status["NoNewPrivs"] == "1"
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
        if "no_network" in standing_walls():
            assert (process / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()
            assert (process / "net/dev").read_text().count(":") == 1  # the loopback, which is down
    assert not process.exists()
