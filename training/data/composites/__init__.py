"""Composites: audio-visual scenes without end, composed of cut-out objects and their sounds.

`composites(split, n)` gives scenes in which up to two of up to three objects sound, `interactive(split, n)`
pairs of scenes that show one picture with another object sounding. Both are sequences of
`training.data.examples.Example` with exact masks on every frame.
"""

from training.data.composites.cast import Options
from training.data.composites.collection import Collection, Sources, load_collection
from training.data.composites.composing import Scenes, composites, interactive
from training.data.composites.inventory import CompositeError
from training.data.composites.scene import Rendering, Scene
from training.data.composites.tools import ToolMissing

__all__ = [
    "Collection",
    "CompositeError",
    "Options",
    "Rendering",
    "Scene",
    "Scenes",
    "Sources",
    "ToolMissing",
    "composites",
    "interactive",
    "load_collection",
]
