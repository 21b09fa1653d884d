"""Walls around the decode child, raised by the child itself before it looks at a byte of its input."""

from __future__ import annotations

import ctypes
import os
import resource
from contextlib import suppress
from pathlib import Path

_PR_SET_NO_NEW_PRIVS = 38
_NICENESS = 5


def enter(*, cpu_s: int, memory_bytes: int) -> None:
    """Give up what decoding does not need.

    Afterwards the process cannot gain privileges, write to a file, leave a core dump, or open anything at
    all: no file, no socket. What it reads it must hold already, and what it imports it must have imported.

    Args:
        cpu_s: CPU seconds until SIGXCPU.
        memory_bytes: address space on top of what the interpreter and the libraries occupy now.
    """
    with suppress(OSError):
        os.nice(_NICENESS)
    with suppress(OSError, AttributeError):  # not Linux, or an old kernel
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CPU, cpu_s, grace=1)  # at the hard limit it would be SIGKILL, which says nothing
    _limit(resource.RLIMIT_AS, _address_space_bytes() + memory_bytes)
    _limit(resource.RLIMIT_NOFILE, 0)


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
