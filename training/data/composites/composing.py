"""Scenes without end: scene k of a split follows from the seed, the split, k and the options alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import overload

import numpy as np

from training.data.composites.backdrops import draw_backdrop
from training.data.composites.cast import Casting, Options, Script
from training.data.composites.collection import Collection, load_collection
from training.data.composites.folders import read_photos
from training.data.composites.scene import Finish, Scene
from training.data.composites.soundtrack import Noise
from training.data.composites.splits import SPLITS, share_out
from training.data.examples import Facts, Split

_INTERACTIVE = 1  # sets the random numbers of interactive scenes apart from the others'
_LAYOUT = 2  # and those of places from those of the cast


@dataclass(frozen=True, slots=True)
class Scenes(Sequence[Scene]):
    """Scenes that are made when they are asked for; see `composites` and `interactive`.

    Attributes:
        collection: what they are made of.
    """

    collection: Collection
    _n: int
    _make: Callable[[int], Scene]

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, index: int) -> Scene: ...

    @overload
    def __getitem__(self, index: slice) -> list[Scene]: ...

    def __getitem__(self, index: int | slice) -> Scene | list[Scene]:
        if isinstance(index, slice):
            return [self._make(k) for k in range(*index.indices(self._n))]
        if not -self._n <= index < self._n:
            raise IndexError(index)
        return self._make(index % self._n)


def composites(split: Split, n: int, *, seed: int = 0, options: Options | None = None) -> Scenes:
    """The first `n` scenes of a split. Scene k does not depend on `n`.

    Raises:
        CompositeError: no object of the split can sound, the package cannot be fetched, or a folder of the
            user is not what it should be.
    """
    director = _Director(split, seed, options or Options())
    return Scenes(director.collection, n, director.scene)


def interactive(split: Split, n: int, *, seed: int = 0, options: Options | None = None) -> Scenes:
    """`n` pictures with two objects that can sound, as in IS3 (Senocak et al., TPAMI 2025): 2 `n` scenes.

    Scenes 2 k and 2 k + 1 show the same picture and have the same `facts.scene`; in each another object
    sounds, alone and from start to end.

    Raises:
        CompositeError: as `composites`, or no two kinds of the split can be told apart by their sound.
    """
    director = _Director(split, seed, options or Options())
    return Scenes(director.collection, 2 * n, director.interactive_scene)


class _Director:
    """Makes the scenes of one split."""

    def __init__(self, split: Split, seed: int, options: Options) -> None:
        if split not in SPLITS:
            raise ValueError(f"there is no split {split!r}, only {', '.join(SPLITS)}")
        self.collection = load_collection(options.sources)
        self._split, self._seed, self._options = split, seed, options
        self._casting = Casting(self.collection.part(split), split=split, options=options)
        self._trained = self.collection.trained_kinds()
        self._photos = _photos(options.sources.backgrounds, split)

    def scene(self, k: int) -> Scene:
        numbers = (self._seed, SPLITS.index(self._split), k)
        rng = np.random.default_rng(numbers)
        name = f"composite-{self._split}-{self._seed}-{k:06d}"
        return self._shoot(self._casting.draw(rng), rng, numbers=numbers, name=name, group=name)

    def interactive_scene(self, index: int) -> Scene:
        k, which = divmod(index, 2)
        numbers = (self._seed, SPLITS.index(self._split), k, _INTERACTIVE)
        rng = np.random.default_rng(numbers)
        script = self._casting.draw_interactive(rng)[which]
        group = f"interactive-{self._split}-{self._seed}-{k:06d}"
        return self._shoot(script, rng, numbers=numbers, name=f"{group}-{which}", group=group, scene=group)

    def _shoot(
        self,
        script: Script,
        rng: np.random.Generator,
        *,
        numbers: tuple[int, ...],
        name: str,
        group: str,
        scene: str = "",
    ) -> Scene:
        backdrop = draw_backdrop(rng, self._split, self._photos)
        seen = [sound.kind.name for sound in script.sounds if sound.role is not None]
        extra = {
            "situation": script.situation,
            "families": ",".join(dict.fromkeys(sound.kind.family for sound in script.sounds)),
            "backdrop": backdrop.name,
        }
        if seen:
            extra["known_kind"] = "yes" if self._trained.issuperset(seen) else "no"
        facts = Facts(
            id=name,
            labels=tuple(dict.fromkeys(sound.kind.name for sound in script.sounds)),
            group=group,
            split=self._split,
            scene=scene,
            sounding=bool(seen),
            extra=extra,
        )
        return Scene(
            facts=facts,
            script=script,
            backdrop=backdrop,
            finish=_finish(rng, grain=self._options.grain),
            noise=_noise(script, rng, self._options),
            duration_s=self._options.duration_s,
            seed=(*numbers, _LAYOUT),
        )


@cache
def _photos(folder: Path | None, split: Split) -> tuple[Path, ...]:
    """The user's photographs of a split; all of them if the split would have none."""
    if folder is None:
        return ()
    photos = {str(path.relative_to(folder)): path for path in read_photos(folder)}
    splits = share_out(photos, SPLITS)
    return tuple(path for name, path in photos.items() if splits[name] == split) or tuple(photos.values())


def _noise(script: Script, rng: np.random.Generator, options: Options) -> Noise | None:
    """Noise below what sounds, or faint noise in the silence."""
    present, below_db = rng.random() < options.noise, float(rng.uniform(12, 40))
    colour, seed = float(rng.uniform(0.5, 2.0)), int(rng.integers(2**31))
    if not present:
        return None
    if not script.sounds:
        return Noise(level_db=-30 - below_db / 2, colour=colour, seed=seed)
    softest_db = min(sound.level_db for sound in script.sounds)
    return Noise(level_db=softest_db - below_db, colour=colour, seed=seed)


def _finish(rng: np.random.Generator, *, grain: bool) -> Finish:
    exposure, warmth = rng.uniform(0.85, 1.1), rng.uniform(0.96, 1.04)
    deviation, seed = float(rng.uniform(0.5, 3.0)), int(rng.integers(2**31))
    gains = (float(exposure * warmth), float(exposure), float(exposure / warmth))
    return Finish(gains=gains, grain=deviation if grain else 0.0, seed=seed)
