"""What a fault of the disk means to whoever waits for it."""

from __future__ import annotations

import errno

from app.errors import NoSpace, StoreUnavailable, Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def disk_error(error: OSError) -> Unavailable:
    """The error of ours that a fault of the disk amounts to."""
    if error.errno in _FULL:
        return NoSpace("the disk of the server is full")
    return StoreUnavailable(
        f"the disk of the server cannot be used: {error.strerror or type(error).__name__}"
    )
