"""Readers of public data sets and of a user's own files; see `training.data.readers.reading.Reader`."""

from __future__ import annotations

from training.data.readers import avsbench, is3, music, vpo
from training.data.readers.audioset_instrument import AudiosetInstrument
from training.data.readers.ave import Ave
from training.data.readers.clips import Clips
from training.data.readers.coco import Coco
from training.data.readers.flickr import Flickr
from training.data.readers.matched import Matched
from training.data.readers.pictures import Pictures
from training.data.readers.reading import DataError, Reader, Reading
from training.data.readers.slavc import ExtendedFlickr, ExtendedVggss
from training.data.readers.vggsound import Vggsound
from training.data.readers.vggss import Vggss
from training.data.readers.videos import Videos

__all__ = ["READERS", "DataError", "Reader", "Reading", "find_reader"]

_ALL: tuple[Reader, ...] = (
    Videos(),
    Pictures(),
    Clips(),
    Coco(),
    Matched(),
    Vggsound(),
    Vggss(),
    ExtendedVggss(),
    Flickr(),
    ExtendedFlickr(),
    Ave(),
    music.SOLO_READER,
    music.DUET_READER,
    avsbench.S4_READER,
    avsbench.MS3_READER,
    is3.READER,
    vpo.SS_READER,
    vpo.MS_READER,
    AudiosetInstrument(),
)
READERS: dict[str, Reader] = {reader.name: reader for reader in _ALL}


def find_reader(name: str) -> Reader:
    """The reader of this name. Raises DataError, which lists the names there are."""
    if name not in READERS:
        raise DataError(f"no reader {name!r}; there are {', '.join(READERS)}")
    return READERS[name]
