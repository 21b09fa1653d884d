"""What the student learns from: frames, and what the teacher made of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.utils.data import Dataset

from training.cache.index import CacheError
from training.cache.moments import Moment, moment_places
from training.cache.reading import Cache
from training.cache.views import ViewMaker, view_seed

_ARRAYS = ("tokens", "class_map", "events", "cover")
_BATCH = 16

RunTrunk = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


class Lessons(Dataset[Moment]):
    """Every view of every frame of a cache, in pixels and encoded by the teacher. Each is a dict of

    * `trunk` (C, h, w) float16, what the frozen blocks of the student make of it;
    * `tokens` (G, G, Dv) and `class_map` (H, W, C), of the teacher, float16;
    * `events` (E,) in [0, 1], what is heard with the frame; zero without sound;
    * `cover` (G, G) in [0, 1], share of each cell in the truth, which means nothing unless `judged` () bool.

    Views are not stored as pixels: they are made again, which their seeds allow.
    """

    def __init__(self, cache: Cache, run_trunk: RunTrunk, *, side: int, heard_only: bool = False) -> None:
        """Run the frozen blocks over all frames, with a progress bar on a terminal.

        Args:
            cache: usually one split.
            run_trunk: frames (N, side, side, 3) uint8 to (N, C, h, w).
            side: of the student's frames.
            heard_only: leave out frames at whose time nothing is heard.

        Raises:
            CacheError: the cache holds no frames or no class maps, or nothing is heard in it.
        """
        if "raw" not in cache.fields:
            raise CacheError("the cache holds no frames: make it anew with --fields class_map,raw")
        cache.need_class_maps()
        self._cache, self._side = cache, side
        self._views = ViewMaker(cache.encoders.input_size)
        places = moment_places(cache, judged_only=False)
        if heard_only:
            places = [place for place in places if self._heard(*place)]
            if not places:
                raise CacheError("nothing is heard in the cache, and this objective learns from sounds")
        self._places = [
            (example, frame, view) for example, frame in places for view in range(cache.views_of(example) + 1)
        ]
        self._trunk = self._run(run_trunk)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Moment:
        example, frame, view = self._places[index]
        arrays = self._cache.arrays(example, _ARRAYS)
        return {
            "trunk": self._trunk[index],
            "tokens": arrays["tokens"][view, frame].clone(),
            "class_map": arrays["class_map"][view, frame].clone(),
            "events": arrays["events"][frame].float(),
            "cover": arrays["cover"][view, frame].float(),
            "judged": torch.tensor(frame in self._cache.record(example).judged),
        }

    def _run(self, run_trunk: RunTrunk) -> Tensor:
        parts = []
        batches = [self._places[start : start + _BATCH] for start in range(0, len(self._places), _BATCH)]
        console = Console(stderr=True)
        for batch in track(
            batches, "frozen blocks", console=console, transient=True, disable=not console.is_terminal
        ):
            frames = torch.stack([shrunk(self._seen(*place), self._side) for place in batch])
            parts.append(torch.from_numpy(run_trunk(frames.numpy())).half())
        return torch.cat(parts)

    def _heard(self, example: int, frame: int) -> bool:
        return bool(self._cache.arrays(example, ("has_sound",))["has_sound"][frame])

    def _seen(self, example: int, frame: int, view: int) -> Tensor:
        """A frame as the teacher saw it, (S, S, 3)."""
        frames = self._cache.arrays(example, ("frames",))["frames"]
        if not view:
            return frames[frame]
        truth = np.zeros((len(frames), 1, 1), np.float32)  # views are drawn for all frames at once
        seed = view_seed(self._cache.record(example).facts.id, view)
        made, _ = self._views.view(frames.numpy(), truth, seed=seed)
        return torch.from_numpy(made[frame])


def shrunk(frame: Tensor, side: int) -> Tensor:
    """A frame (S, S, 3) uint8 at another size, (side, side, 3)."""
    picture = Image.fromarray(frame.numpy())
    return torch.from_numpy(np.array(picture.resize((side, side), Image.Resampling.BILINEAR)))
