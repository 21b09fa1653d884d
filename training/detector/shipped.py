"""The detector of the default bundle, as it is kept with the code, and what a manifest says of it."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import load_file, save_file

from app.inference.manifest import Detector, Sounding
from training.loop.config import load_config, plain_config
from training.methods.avdet.config import AvdetConfig
from training.methods.avdet.module import Avdet
from training.methods.localiser import Widths

WEIGHTS = Path(__file__).with_name("detector.safetensors")
ABOUT = Path(__file__).with_name("detector.json")


def keep(detector: Avdet, *, weights: Path = WEIGHTS, about: Path = ABOUT) -> None:
    """Put a detector where the export of the default bundle finds it. Raises OSError."""
    save_file({name: part.contiguous() for name, part in detector.state_dict().items()}, weights)
    content = {
        "config": plain_config(detector.config),
        "widths": list(detector.hparams["widths"]),
        "class_map": list(detector.hparams["class_map"]),
        "names": list(detector.names),
    }
    about.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load_shipped(*, weights: Path = WEIGHTS, about: Path = ABOUT) -> Avdet:
    """The detector that `keep` wrote, in evaluation mode. Raises OSError, ValueError or KeyError."""
    content = json.loads(about.read_text(encoding="utf-8"))
    config = load_config(AvdetConfig, overrides=content["config"])
    widths, class_map = Widths(*content["widths"]), tuple(content["class_map"])
    detector = Avdet(config, widths, class_map, tuple(content["names"]))
    detector.load_state_dict(load_file(weights))
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
