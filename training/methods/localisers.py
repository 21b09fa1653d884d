"""The localisers by name. Their rooms are imported when they are asked for, as that takes PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from training.methods.localiser import AudioVisualLocaliser

NAMES = ("cmc", "sspl")


class Kind(NamedTuple):
    """A localiser's class and that of its configuration."""

    method: type[AudioVisualLocaliser]
    config: type[Any]


def find_kind(name: str) -> Kind:
    """The localiser of a name. Raises ValueError, which lists the names."""
    if name == "cmc":
        from training.methods.cmc.config import CmcConfig
        from training.methods.cmc.module import Cmc

        return Kind(Cmc, CmcConfig)
    if name == "sspl":
        from training.methods.sspl.config import SsplConfig
        from training.methods.sspl.module import Sspl

        return Kind(Sspl, SsplConfig)
    raise ValueError(f"there is no method {name!r}; there are {', '.join(NAMES)}")
