"""Programs that render sounds and that may be absent."""

from __future__ import annotations

from training.data.composites.inventory import CompositeError


class ToolMissing(CompositeError):
    """A program that renders sounds is not installed, or failed."""
