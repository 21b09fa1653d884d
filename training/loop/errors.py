"""What can go wrong around training that a user can mend."""

from __future__ import annotations


class LoopError(ValueError):
    """A configuration, checkpoint or directory is not what a run needs; the message says which and why."""
