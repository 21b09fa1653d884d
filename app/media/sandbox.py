"""Walls around the decode child, raised by the child itself before it looks at a byte of its input."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

from app.media import landlock

_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION = 0x20080522  # the third, with 64 bits in two halves
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_NICENESS = 5


def enter(*, cpu_s: int, memory_bytes: int) -> tuple[str, ...]:
    """Give up what decoding does not need.

    Afterwards the process cannot gain privileges, write to a file, leave a core dump, or open anything at
    all: no file, no socket. What it reads it must hold already, and what it imports it must have imported.
    Where the kernel knows Landlock, paths are denied it as well, also to run, remove or rename, and to those
    below a directory that it holds; where it allows user namespaces, it sees no network.

    Args:
        cpu_s: CPU seconds until SIGXCPU.
        memory_bytes: address space on top of what the interpreter and the libraries occupy now.

    Returns:
        The walls that stand: `limits` always, and of `no_new_privs`, `no_capabilities`, `landlock_files`,
        `landlock_tcp`, `landlock_scopes` and `no_network` those that this system has.
    """
    with suppress(OSError):
        os.nice(_NICENESS)
    occupied_bytes = _address_space_bytes()
    walls = []
    if _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        walls += ["no_new_privs", *(f"landlock_{denied}" for denied in landlock.deny_all())]
    if _call("unshare", _CLONE_NEWUSER | _CLONE_NEWNET):
        walls.append("no_network")
    # After the namespace, in which it has all of them. Without CAP_SYS_RESOURCE no limit can be raised again.
    if _drop_capabilities():
        walls.append("no_capabilities")
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CPU, cpu_s, grace=1)  # at the hard limit it would be SIGKILL, which says nothing
    _limit(resource.RLIMIT_AS, occupied_bytes + memory_bytes)
    _limit(resource.RLIMIT_NOFILE, 0)
    return (*walls, "limits")


def _drop_capabilities() -> bool:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)  # 0: this thread
    return _call("capset", header, (ctypes.c_uint32 * 6)())


def _call(name: str, *arguments: object) -> bool:
    """Call a function of the C library; False if it fails or is not there, as outside Linux."""
    try:
        return int(getattr(ctypes.CDLL(None), name)(*arguments)) == 0
    except (OSError, AttributeError):
        return False


def _limit(what: int, value: int, *, grace: int = 0) -> None:
    _, hard = resource.getrlimit(what)
    ceiling = value + grace if hard == resource.RLIM_INFINITY else min(value + grace, hard)
    resource.setrlimit(what, (min(value, ceiling), ceiling))


def _address_space_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()


if __name__ == "__main__":  # tells which walls this system has; see `app.media.worker.standing_walls`
    json.dump(enter(cpu_s=10, memory_bytes=1 << 28), sys.stdout)
