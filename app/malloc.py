"""How the C library keeps freed memory of this process."""

from __future__ import annotations

import ctypes
import platform

# Parameters of mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

_ARENAS = 2
_MAPPED_FROM_BYTES = 1024 * 1024
_KEPT_BYTES = 4 * 1024 * 1024


def give_memory_back() -> None:
    """Have freed memory go back to the system: frames and features are megabytes that come and go
    in dozens of threads, and glibc would keep them in an arena for each thread, in pieces.

    Call it before there are threads. Does nothing where the C library is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_ARENA_MAX, _ARENAS)
    libc.mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
    libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
