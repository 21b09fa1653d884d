"""Trained heads that work beside a localiser, opened from checkpoints and from what ships with the code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from training.loop.checkpoint import CheckpointError, read_checkpoint
from training.loop.config import ConfigError, load_config, plain_config
from training.loop.method import Method
from training.methods.localiser import Widths

Head = TypeVar("Head", bound=Method)


@dataclass(frozen=True, slots=True)
class HeadKind(Generic[Head]):
    """One kind of head.

    Attributes:
        method: its class, made from a configuration, `Widths`, the shape of a class map, and names.
        config: class of its configuration.
        names: hyperparameter that holds the names.
        called: what messages call it, with its article.
    """

    method: type[Head]
    config: type
    names: str
    called: str

    def build(self, config: Mapping[str, Any], about: Mapping[str, Any]) -> Head:
        """A head with random weights. Raises ConfigError, KeyError or TypeError."""
        make: Callable[..., Head] = self.method
        widths, class_map = Widths(*about["widths"]), tuple(about["class_map"])
        return make(load_config(self.config, overrides=config), widths, class_map, tuple(about[self.names]))

    def about(self, head: Head) -> dict[str, Any]:
        """What `build` needs, plain: `config` and the rest."""
        sizes = {name: list(head.hparams[name]) for name in ("widths", "class_map", self.names)}
        return {"config": plain_config(head.config), **sizes}


def load_head(path: Path, kind: HeadKind[Head]) -> Head:
    """The head of a checkpoint, in evaluation mode.

    Raises CheckpointError: the file is no checkpoint of a head of that kind.
    """
    checkpoint, method = read_checkpoint(path), kind.method.method
    if checkpoint.method != method:
        raise CheckpointError(f"{path} holds {checkpoint.method}, not {kind.called}")
    try:
        head = kind.build(checkpoint.config, checkpoint.about)
        head.load_state_dict(checkpoint.state)
    except (KeyError, TypeError, ConfigError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit {method} as it is here; was it made by another version? {error}"
        ) from error
    return head.eval()
