"""Remarks of Lightning that are of no use to whoever trains, hidden one by one, each for a reason."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Message (a regular expression for its beginning), category, and why it may be hidden.
_USELESS: tuple[tuple[str, type[Warning], str], ...] = (
    (r"The '\w+' does not have many workers", UserWarning, "features come from memory, not from decoding"),
    (r"Found \d+ module\(s\) in eval mode at the start of training", UserWarning, "frozen encoders are"),
    (r"Checkpoint directory .* exists and is not empty", UserWarning, "we resume there, or refused before"),
    (
        r"The number of training batches .* is smaller than the logging",
        UserWarning,
        "epochs are logged anyway",
    ),
    (
        r"torch\.distributed\.nn\.functional\.\w+ is deprecated",
        FutureWarning,
        "called by Lightning's own code",
    ),
    (r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning, "raised by Lightning's own code"),
)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning from printing what it found and advertising what it has; its warnings go through."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message, category, _ in _USELESS:
                warnings.filterwarnings("ignore", message, category)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
