"""Names of the 521 AudioSet events, in the order of YAMNet's scores.

`events.txt` holds the column `display_name` of the published `yamnet_class_map.csv` (Apache-2.0).
"""

from __future__ import annotations

from pathlib import Path

EVENT_NAMES = tuple(Path(__file__).with_name("events.txt").read_text(encoding="utf-8").splitlines())
