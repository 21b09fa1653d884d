"""Arrays too large for the memory: pictures mapped from files that no name leads to.

A file is unlinked as soon as it is made, so nothing is left behind however the process ends.
"""

from __future__ import annotations

import errno
import os
import tempfile
from typing import Any

import numpy as np
import numpy.typing as npt

from training.evaluation.cases import Pictures
from training.metrics.masks import SIDE

_HALF = np.float16


class NoRoom(OSError):
    """The folder for temporary files cannot hold the pictures."""


class Shelf:
    """Room for the pictures of at most n cases, filled one by one.

    Tokens, class maps and truths are kept in half precision: with the default bundle 590 kB a case for what
    the encoders make of it, 100 kB for the truth, and the frame besides.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._filled = 0
        self._room: Pictures | None = None

    def add(
        self,
        frame: npt.NDArray[np.uint8],
        tokens: npt.NDArray[np.floating],
        class_map: npt.NDArray[np.floating],
        truth: npt.NDArray[np.floating],
    ) -> None:
        """Put the picture of the next case there; see `Pictures` for the shapes.

        Raises:
            NoRoom: the first picture says how large they are, and the disk cannot hold n of them.
        """
        if self._room is None:
            self._room = Pictures(
                frames=_reserve((self._n, *frame.shape), np.uint8),
                tokens=_reserve((self._n, *tokens.shape), _HALF),
                class_maps=_reserve((self._n, *class_map.shape), _HALF),
                truths=_reserve((self._n, *truth.shape), _HALF),
            )
        room, row = self._room, self._filled
        room.frames[row], room.tokens[row] = frame, tokens
        room.class_maps[row], room.truths[row] = class_map, truth
        self._filled += 1

    def pictures(self) -> Pictures:
        """What has been put there so far."""
        if self._room is None:
            nothing = np.zeros((0, 1, 1, 1), _HALF)
            return Pictures(np.zeros((0, 1, 1, 3), np.uint8), nothing, nothing, np.zeros((0, SIDE, SIDE)))
        room, n = self._room, self._filled
        return Pictures(room.frames[:n], room.tokens[:n], room.class_maps[:n], room.truths[:n])


def _reserve(shape: tuple[int, ...], dtype: type[np.generic]) -> npt.NDArray[Any]:
    size_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    with tempfile.TemporaryFile() as file:
        try:
            # Without this a full disk would end the process with SIGBUS in the middle of the work.
            os.posix_fallocate(file.fileno(), 0, size_bytes)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
                raise
            raise NoRoom(
                f"{tempfile.gettempdir()} has no room for {size_bytes / 1e9:.1f} GB of encoded pictures; let "
                "TMPDIR name a folder with more room, or evaluate fewer examples with --limit"
            ) from error
        return np.memmap(file, dtype, "r+", shape=shape)
