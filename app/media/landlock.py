"""Landlock: a Linux process gives up the file system and the network for good, without being root.

https://docs.kernel.org/userspace-api/landlock.html; the numbers are those of <linux/landlock.h>. The kernel
says by the number of its ABI what it can deny; what it does not know is left out.
"""

from __future__ import annotations

import ctypes
import os

# One number on every architecture, for these were added after the tables were unified.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_ASK_VERSION = 1

_FILES_BY_ABI = ((1, 13), (2, 14), (3, 15), (5, 16))  # from this ABI on so many access rights
_TCP_ABI, _TCP = 4, 0b11  # bind, connect
_SCOPES_ABI, _SCOPES = 6, 0b11  # abstract UNIX sockets and signals, to processes outside


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def abi() -> int:
    """What the kernel offers; 0 without Landlock, or where it is switched off."""
    return max(0, _syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION))


def deny_all() -> tuple[str, ...]:
    """Deny this thread and all it starts everything that Landlock can deny; open descriptors stay usable.

    The thread must have set `no_new_privs`. Needs a free descriptor for a moment.

    Returns:
        What is denied from now on: some of `files`, `tcp`, `scopes`, or nothing.
    """
    version = abi()
    rights = max((count for since, count in _FILES_BY_ABI if version >= since), default=0)
    ruleset = _Ruleset(
        (1 << rights) - 1,
        _TCP if version >= _TCP_ABI else 0,
        _SCOPES if version >= _SCOPES_ABI else 0,
    )
    if not rights:
        return ()
    fd = _syscall(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(ctypes.sizeof(ruleset)), 0)
    if fd < 0:
        return ()
    try:
        # There are no rules that would allow anything.
        if _syscall(_RESTRICT_SELF, fd, 0):
            return ()
    finally:
        os.close(fd)
    denied = {"files": rights, "tcp": ruleset.handled_access_net, "scopes": ruleset.scoped}
    return tuple(name for name, denies in denied.items() if denies)


def _syscall(number: int, *arguments: object) -> int:
    """A system call by its number; -1 if it fails or there is none."""
    try:
        return int(ctypes.CDLL(None).syscall(ctypes.c_long(number), *arguments))
    except (OSError, AttributeError):  # not Linux
        return -1
