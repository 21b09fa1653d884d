"""The detector of the default bundle, as it is kept with the code, and what a manifest says of it."""

from __future__ import annotations

from pathlib import Path

from app.inference.manifest import Detector, Sounding
from training.bundles.keeping import read_kept, write_kept
from training.methods.avdet.loading import DETECTOR
from training.methods.avdet.module import Avdet

WEIGHTS = Path(__file__).with_name("detector.safetensors")
ABOUT = Path(__file__).with_name("detector.json")


def keep(detector: Avdet, *, weights: Path = WEIGHTS, about: Path = ABOUT) -> None:
    """Put a detector where the export of the default bundle finds it. Raises OSError."""
    write_kept(detector.state_dict(), DETECTOR.about(detector), weights=weights, about=about)


def load_shipped(*, weights: Path = WEIGHTS, about: Path = ABOUT) -> Avdet:
    """The detector that `keep` wrote, in evaluation mode. Raises OSError, ValueError or KeyError."""
    state, content = read_kept(weights=weights, about=about)
    detector = DETECTOR.build(content["config"], content)
    detector.load_state_dict(state)
    return detector.eval()


def sounding_as_served(detector: Avdet) -> Sounding:
    """When its boxes sound, as a manifest has it."""
    scale, offset, threshold = (round(float(value), 4) for value in detector.sounding)
    return Sounding(scale=scale, offset=offset, threshold=threshold)


def described(detector: Avdet) -> Detector:
    """What a manifest says of a detector."""
    return Detector(
        labels=detector.names,
        threshold=round(float(detector.threshold), 4),
        sounding=sounding_as_served(detector),
    )
