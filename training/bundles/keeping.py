"""Heads of the default bundle as they are kept with the code: weights, and a file that people can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor


def write_kept(
    state: Mapping[str, Tensor], content: Mapping[str, Any], *, weights: Path, about: Path
) -> None:
    """Write tensors and what is to be known of them. Raises OSError."""
    save_file({name: part.contiguous() for name, part in state.items()}, weights)
    about.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_kept(*, weights: Path, about: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_kept` wrote. Raises OSError or ValueError."""
    return load_file(weights), json.loads(about.read_text(encoding="utf-8"))
