"""Memory that is let go, for processes that keep much and let much go."""

from __future__ import annotations

import ctypes
import sys

_MMAP_THRESHOLD = -3  # of mallopt, in glibc's malloc.h
_LARGE = 1_000_000  # bytes


def give_back_large_blocks() -> None:
    """Let the system have each large block back as soon as it is free; does nothing where there is no glibc.

    By default glibc raises the size from which it does so, up to 32 MB, and keeps what is smaller in a heap
    with holes: a process that encodes a thousand clips and keeps some megabytes of each then takes several
    times the memory that it uses.
    """
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)
    except AttributeError:  # another C library
        return
