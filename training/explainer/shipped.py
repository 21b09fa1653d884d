"""The explainer of the default bundle, as it is kept with the code, and what a manifest says of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from app.inference.manifest import Explainer
from training.bundles.keeping import read_kept, write_kept
from training.explainer.references import References
from training.methods.stan.loading import EXPLAINER
from training.methods.stan.module import Stan
from training.precision import WORTH_HALVING

WEIGHTS = Path(__file__).with_name("explainer.safetensors")
ABOUT = Path(__file__).with_name("explainer.json")

_REFERENCES = "references"
_EVENTS, _WINDOW = f"{_REFERENCES}.events", f"{_REFERENCES}.window"


class Kept(NamedTuple):
    """What is kept: an explainer in evaluation mode, and its references as the default bundle hears them."""

    explainer: Stan
    references: References


def keep(explainer: Stan, references: References, *, weights: Path = WEIGHTS, about: Path = ABOUT) -> None:
    """Put an explainer where the export of the default bundle finds it. Raises OSError.

    Large tensors are kept in half precision, as the graph stores them.
    """
    state = {name: _halved(part) for name, part in explainer.state_dict().items()}
    state |= {_EVENTS: references.events, _WINDOW: references.window}
    content = {**EXPLAINER.about(explainer), _REFERENCES: list(references.names)}
    write_kept(state, content, weights=weights, about=about)


def load_shipped(*, weights: Path = WEIGHTS, about: Path = ABOUT) -> Kept:
    """What `keep` wrote. Raises OSError, ValueError or KeyError."""
    state, content = read_kept(weights=weights, about=about)
    references = References(tuple(content[_REFERENCES]), state.pop(_EVENTS), state.pop(_WINDOW))
    explainer = EXPLAINER.build(content["config"], content)
    explainer.load_state_dict(state)
    return Kept(explainer.eval(), references)


def described(explainer: Stan, references: References) -> Explainer:
    """What a manifest says of an explainer."""
    threshold, vague, presence = (round(float(value), 4) for value in explainer.thresholds)
    return Explainer(threshold=threshold, vague=vague, presence=presence, references=references.names)


def _halved(part: Tensor) -> Tensor:
    return part.half() if part.is_floating_point() and part.numel() >= WORTH_HALVING else part
