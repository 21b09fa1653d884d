"""Encoders are never trained here: weights fixed, dropout off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from torch import nn
from transformers.utils import logging

Network = TypeVar("Network", bound=nn.Module)


def freeze(network: Network) -> Network:
    """The network in evaluation mode, with no parameter that asks for gradients."""
    network.eval()
    network.requires_grad_(False)
    return network


@contextmanager
def quiet_loading() -> Iterator[None]:
    """No progress bar from transformers: loading takes a second, and the bar lands amid our own output."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
