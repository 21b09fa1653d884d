"""Footage to the arrays of a cache: some of its frames, in several views, encoded as the service does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from app.inference.bundle import Bundle
from app.pipeline.encode import SILENCE, ChunkEncoder, encode_visual
from training.cache.index import CacheKey, encoder_key
from training.cache.views import ViewMaker, view_seed
from training.data.examples import Footage, Visible

Arrays = dict[str, npt.NDArray[Any]]

_BATCH_FRAMES = 16  # of a graph that treats each frame of a batch alike


@dataclass(frozen=True, slots=True)
class Recipe:
    """How examples are encoded.

    Attributes:
        fps: frames per second asked of an example.
        max_frames: most frames kept of one.
        views: augmented views of each frame beside the plain one.
        class_map: keep the class maps, some 400 kB a view of a frame with the default bundle.
        raw: keep frames and sound as they are, for training that changes the encoders.
    """

    fps: float = 2.0
    max_frames: int = 8
    views: int = 2
    class_map: bool = False
    raw: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(name for name in ("class_map", "raw") if getattr(self, name))


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as it is stored. With V views, T frames, G x G cells and E events:

    Attributes:
        arrays: `tokens` (V+1, T, G, G, Dv) float16, the plain view first; `embedding` (T, Da) and `events`
            (T, E) float16, zero for a frame without sound; `window` (T, Da) float16, embedding of the
            one window nearest to the frame; `cover` (V+1, T, G, G) float16, share of each
            cell in the truth; `judged` (T,) bool; `has_sound` (T,) bool; `times_s` (T,) float64; `boxes`
            (T, K, 4) float32 and `box_sounding` (T, K) bool, of the K things as in `Visible`. If wanted,
            `class_map` (V+1, T, H, W, C) float16; `frames` (T, S, S, 3) uint8 and `waveform` (N,) float32.
        things: K names.
        judged: numbers of the judged frames.
        has_sound: whether there is a sound track.
        waveform_start_s: time of `waveform[0]`.
    """

    arrays: Arrays
    judged: tuple[int, ...]
    has_sound: bool
    waveform_start_s: float
    things: tuple[str, ...] = ()

    @property
    def n_frames(self) -> int:
        return len(self.arrays["times_s"])

    @property
    def size_bytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())


class ExampleEncoder:
    """Encodes footage after one recipe with the graphs of one bundle."""

    def __init__(self, bundle: Bundle, recipe: Recipe) -> None:
        self.bundle = bundle
        self.recipe = recipe
        self._views = ViewMaker(bundle.manifest.input_size)
        # A graph with dynamic 8-bit products scales a batch as a whole: one frame must not change another.
        alone = bundle.runners["visual"].entry.precision == "int8"
        self._batch = 1 if alone else _BATCH_FRAMES

    def key(self, source: dict[str, str]) -> CacheKey:
        """The key of a cache of examples from that source."""
        return CacheKey(
            encoders=encoder_key(self.bundle, silence=SILENCE),
            fps=self.recipe.fps,
            max_frames=self.recipe.max_frames,
            views=self.recipe.views,
            fields=self.recipe.fields,
            source=source,
        )

    def encode(self, example_id: str, footage: Footage) -> Encoded:
        """Encode the frames of an example that are kept, each with the sound around it.

        Args:
            example_id: seeds the views.
            footage: at the input size of the bundle.

        Raises:
            ValueError: there is no frame, or the parts of the footage do not fit together.
            InternalError: a graph failed.
        """
        _check(footage, size=self.bundle.manifest.input_size)
        kept = chosen_frames(footage.judged, self.recipe.max_frames)
        frames, times_s, judged = footage.frames[kept], footage.times_s[kept], footage.judged[kept]
        waveform = np.ascontiguousarray(footage.waveform, np.float32)
        hearing = ChunkEncoder(self.bundle)
        events, embedding = hearing.hear(waveform, footage.waveform_start_s, times_s)
        arrays: Arrays = {
            "embedding": embedding.astype(np.float16),
            "events": events.astype(np.float16),
            "window": hearing.nearest(times_s).astype(np.float16),
            "judged": judged.astype(bool),
            # A frame beyond the end of the sound track hears no window, and its embedding is zero.
            "has_sound": embedding.any(1),
            "times_s": times_s.astype(np.float64),
        }
        arrays |= _boxes(footage.things, kept)
        arrays |= self._seen(example_id, frames, footage.truth[kept])
        if self.recipe.raw:
            arrays |= {"frames": frames, "waveform": waveform}
        numbers = tuple(np.flatnonzero(judged).tolist())
        return Encoded(
            arrays,
            numbers,
            bool(len(waveform)),
            float(footage.waveform_start_s),
            tuple(thing.label for thing in footage.things),
        )

    def _seen(self, example_id: str, frames: npt.NDArray[np.uint8], truth: npt.NDArray[np.float32]) -> Arrays:
        """Tokens, cover and, if wanted, class maps of all views."""
        rows, columns = self.bundle.manifest.grid
        tokens, class_maps, covers = [], [], []
        for view in range(self.recipe.views + 1):
            shown, shares = frames, truth
            if view:
                shown, shares = self._views.view(frames, truth, seed=view_seed(example_id, view))
            seen, classes = encode_visual(self.bundle, shown, self._batch)
            tokens.append(seen.astype(np.float16))
            covers.append(cover(shares, rows, columns).astype(np.float16))
            if self.recipe.class_map:
                class_maps.append(classes.astype(np.float16))
        arrays: Arrays = {"tokens": np.stack(tokens), "cover": np.stack(covers)}
        return arrays | ({"class_map": np.stack(class_maps)} if class_maps else {})


def _boxes(things: tuple[Visible, ...], kept: npt.NDArray[np.intp]) -> Arrays:
    boxes = np.empty((len(kept), len(things), 4), np.float32)
    sounding = np.empty((len(kept), len(things)), np.bool_)
    for index, thing in enumerate(things):
        boxes[:, index], sounding[:, index] = thing.boxes[kept], thing.sounding[kept]
    return {"boxes": boxes, "box_sounding": sounding}


def chosen_frames(judged: npt.NDArray[np.bool_], most: int) -> npt.NDArray[np.intp]:
    """Numbers of at most `most` frames, rising: spread evenly, and with them the judged ones.

    If there are more judged frames than that, it is those that are spread evenly.
    """
    known = np.flatnonzero(judged)
    if len(known) >= most:
        return known[_spread(len(known), most)]
    chosen = _spread(len(judged), most)
    for number in known:
        if number not in chosen:
            free = np.flatnonzero(~np.isin(chosen, known))
            chosen[free[np.abs(chosen[free] - number).argmin()]] = number
    return np.sort(chosen)


def cover(truth: npt.NDArray[np.float32], rows: int, columns: int) -> npt.NDArray[np.float32]:
    """Mean of (T, H, W) over each cell of a grid: (T, rows, columns)."""
    return functional.adaptive_avg_pool2d(torch.from_numpy(truth), (rows, columns)).numpy()


def _spread(count: int, most: int) -> npt.NDArray[np.intp]:
    """The middles of `most` equal stretches of `count` frames; all frames if there are no more."""
    if count <= most:
        return np.arange(count)
    return ((np.arange(most) + 0.5) * count / most).astype(np.intp)


def _check(footage: Footage, *, size: int) -> None:
    count = len(footage.frames)
    if not count:
        raise ValueError("it has no frame")
    if footage.frames.shape != (count, size, size, 3):
        raise ValueError(f"its frames are {footage.frames.shape}, expected {(count, size, size, 3)}")
    for name in ("times_s", "truth", "judged"):
        if len(getattr(footage, name)) != count:
            raise ValueError(f"it has {count} frames, but {name} for {len(getattr(footage, name))}")
    for thing in footage.things:
        if thing.boxes.shape != (count, 4) or thing.sounding.shape != (count,):
            raise ValueError(f"it has {count} frames, but boxes {thing.boxes.shape} of {thing.label!r}")
