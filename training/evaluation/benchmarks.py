"""The benchmarks by name: a reader's data set on disk, or scenes composed on the fly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.data.examples import Example, Split
from training.data.readers import READERS, DataError, find_reader
from training.evaluation.gather import READ_FPS

CLIPS = "clips"
COMPOSITES = "composites"
PAIRS = "composites-pairs"

_COMPOSED = {
    COMPOSITES: "scenes composed of cut-outs, with exact masks; some are silent",
    PAIRS: "composed scenes of two things, a sound for each",
}
_SCENES = 200  # composed unless a limit says otherwise
_SCENE_FPS = 4.0  # every frame that is asked for is rendered
_SEED = 7

# These say what is heard, not where.
_WITHOUT_TRUTH = frozenset({"videos", "vggsound", "ave"})


@dataclass(frozen=True, slots=True)
class Listing:
    """A benchmark as far as it is there.

    Attributes:
        examples: to be judged by.
        fps: frames a second to ask of each.
        remarks: what a user has to know of the data, one sentence each.
    """

    examples: Sequence[Example]
    fps: float
    remarks: tuple[str, ...] = ()


def benchmarks() -> dict[str, str]:
    """What each benchmark is, by name."""
    read = {name: reader.title for name, reader in READERS.items() if name not in _WITHOUT_TRUTH}
    return {**read, **_COMPOSED}


def needs_folder(name: str) -> bool:
    """Whether a benchmark is read from a folder."""
    return name not in _COMPOSED


def list_examples(name: str, root: Path | None, *, split: Split, limit: int | None) -> Listing:
    """The examples of a benchmark.

    Args:
        name: one of `benchmarks`.
        root: folder of the data; None for composed scenes.
        split: which part.
        limit: most examples; what is taken is drawn by a fixed seed, scenes as a whole.

    Raises:
        DataError: the folder is not what the reader expects, or holds nothing of that split; or scenes cannot
            be composed.
        OSError: the folder cannot be read.
    """
    if not needs_folder(name):
        return _compose(name, split, limit or _SCENES)
    if root is None:
        raise DataError(f"{name} is read from a folder: name it after the benchmark, or in EARSIGHT_DATA")
    if not root.is_dir():
        raise DataError(f"there is no folder {root}")
    reading = find_reader(name).read(root)
    chosen = [sample for sample in reading.samples if sample.facts.split == split]
    if not chosen:
        there = ", ".join(sorted({sample.facts.split for sample in reading.samples}))
        raise DataError(f"{root} holds nothing of the split {split!r}, only of {there}")
    remarks = [*reading.remarks]
    if reading.missing:
        n_listed = len(reading.missing) + len(reading.samples)
        remarks.append(
            f"{len(reading.missing)} of {n_listed} listed examples are not there, for example "
            f"{reading.missing[0]}: figures of a part of a benchmark are not those of the whole."
        )
    kept = chosen if limit is None else draw(chosen, limit)
    if len(kept) < len(chosen):
        remarks.append(f"{len(kept)} of {len(chosen)} examples, drawn by a fixed seed.")
    return Listing(kept, READ_FPS, tuple(remarks))


def draw(examples: Sequence[Example], limit: int) -> list[Example]:
    """`limit` of the examples, or a few more, as scenes are taken whole; drawn by seed, in their order."""
    members: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        members.setdefault(example.facts.scene or f"alone {index}", []).append(index)
    units = list(members.values())
    kept: list[int] = []
    for unit in np.random.default_rng(_SEED).permutation(len(units)):
        if len(kept) >= limit:
            break
        kept.extend(units[unit])
    return [examples[index] for index in sorted(kept)]


def _compose(name: str, split: Split, n: int) -> Listing:
    from training.data.composites import composites, interactive

    # A picture of two things is two examples.
    scenes = interactive(split, max(1, n // 2)) if name == PAIRS else composites(split, n)
    return Listing(scenes, _SCENE_FPS, scenes.collection.remarks)
