"""The collection: every object and every recording, from the package and from folders of the user."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

from training.data.composites import midi, speech
from training.data.composites.folders import read_folders
from training.data.composites.inventory import CompositeError, KindEntry, Place, read_inventory
from training.data.composites.splits import SPLITS, place_whole, share_out, splits_for
from training.data.composites.voices import Voice, render
from training.data.composites.waves import Waveform, read_sound, trim
from training.data.examples import Split
from training.data.stamps import StampError, stamp_path, stamps_root
from training.encoders.weights import cache_dir

logger = logging.getLogger(__name__)

_TAKES = 24  # renditions of a kind whose sounds are rendered, at least so many
_FEWEST_TAKES = 3  # of each of its voices
_ENOUGH_VOICES = 3  # a kind with fewer voices shares them between the splits, each take being in one only


@dataclass(frozen=True, slots=True)
class Sources:
    """Where objects, sounds and backgrounds come from.

    Attributes:
        package: whether the objects of the inventory take part.
        stamps: where tuxpaint-stamps-default is unpacked; None fetches it into the cache on first use.
        cutouts: folder with KIND/*.png, pictures with transparency.
        sounds: folder with KIND/* of sound files. A kind in both folders sounds; one among the cut-outs
            only never does.
        backgrounds: folder of photographs; None paints backgrounds.
    """

    package: bool = True
    stamps: Path | None = None
    cutouts: Path | None = None
    sounds: Path | None = None
    backgrounds: Path | None = None


@dataclass(frozen=True, slots=True)
class Cutout:
    """A picture of an object. `id` is its path below its folder."""

    id: str
    path: Path


@dataclass(frozen=True, slots=True)
class Recording:
    """A sound: a file, or a take of a voice.

    Attributes:
        id: path below its folder, or engine, voice and number of the take.
        apart: recordings with the same value lie in the same split.
        source: the file or the voice.
    """

    id: str
    apart: str
    source: Path | Voice


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object with what there is of it; see `inventory.toml` for the fields."""

    name: str
    family: str
    alike: str
    place: Place
    gap_s: tuple[float, float]
    events: tuple[str, ...]
    cutouts: tuple[Cutout, ...]
    recordings: tuple[Recording, ...]
    split: Split | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """All kinds, and which picture and recording is in which split.

    Attributes:
        kinds: with all their pictures and recordings.
        splits: by id of a picture or a recording.
        remarks: what was left out and why, one sentence each.
    """

    kinds: tuple[Kind, ...]
    splits: Mapping[str, Split]
    remarks: tuple[str, ...] = ()

    def part(self, split: Split) -> tuple[Kind, ...]:
        """The kinds as far as they are in a split; a kind without anything in it is not listed."""
        return tuple(kind for whole in self.kinds if (kind := self._part(whole, split)) is not None)

    def trained_kinds(self) -> frozenset[str]:
        """Names of the kinds that a model may have seen and heard together: those that sound in `train`."""
        return frozenset(kind.name for kind in self.part("train") if kind.cutouts and kind.recordings)

    def _part(self, kind: Kind, split: Split) -> Kind | None:
        cutouts = tuple(item for item in kind.cutouts if self.splits[item.id] == split)
        recordings = tuple(item for item in kind.recordings if self.splits[item.id] == split)
        return replace(kind, cutouts=cutouts, recordings=recordings) if cutouts or recordings else None


@cache
def load_collection(sources: Sources) -> Collection:
    """Everything that the sources hold. What is left out is logged, once.

    Raises:
        CompositeError: nothing is found, a folder is not what it should be, or the package cannot be fetched.
    """
    kinds = dict(_package(sources.stamps)) if sources.package else {}
    folders = read_folders(sources.cutouts, sources.sounds)
    for name in folders:
        kinds[name] = _merged(kinds.get(name), name, folders[name])
    if not any(kind.cutouts for kind in kinds.values()):
        raise CompositeError("there is no object to show: name a folder of cut-outs, or use the package")
    splits = dict(_assign(kinds.values()))
    kept, remarks = _playable(kinds.values())
    for remark in remarks:
        logger.warning(remark)
    return Collection(kept, splits, remarks)


@lru_cache(maxsize=192)
def hear(recording: Recording) -> Waveform:
    """A recording without the silence around it, or one take of a voice.

    Raises:
        CompositeError: it cannot be read or rendered, or is silent; the message names it.
    """
    if isinstance(recording.source, Voice):
        wave = render(recording.source, recording.id)
    else:
        try:
            wave = read_sound(recording.source)
        except (OSError, ValueError) as error:
            raise CompositeError(str(error)) from error
    wave = trim(wave)
    if not len(wave):
        raise CompositeError(f"{recording.id} is silent: take it out")
    wave.setflags(write=False)  # shared by all scenes
    return wave


def _package(stamps: Path | None) -> Iterator[tuple[str, Kind]]:
    try:
        root = stamps_root(stamps, cache_dir())
    except StampError as error:
        raise CompositeError(str(error)) from error
    for name, entry in read_inventory().items():
        paths = {path: stamp_path(root, path) for path in (*entry.pictures, *entry.recordings)}
        absent = [path for path in paths.values() if not path.is_file()]
        if absent:
            raise CompositeError(f"{absent[0]} is missing: is {root} a whole tuxpaint-stamps-default?")
        yield (
            name,
            Kind(
                name=name,
                family=entry.family,
                alike=entry.alike or name,
                place=entry.place,
                gap_s=entry.gap_s,
                events=entry.events,
                cutouts=tuple(Cutout(path, paths[path]) for path in entry.pictures),
                recordings=(
                    *(Recording(path, path, paths[path]) for path in entry.recordings),
                    *_takes(name, entry),
                ),
                split=entry.split,
            ),
        )


def _takes(kind: str, entry: KindEntry) -> Iterator[Recording]:
    """The takes of all voices of a kind."""
    voices = [
        Voice("midi", str(program), entry.midi) for program in (entry.midi.programs if entry.midi else ())
    ]
    voices += [Voice("speech", name) for name in entry.speech]
    voices += [Voice("computed", name) for name in entry.computed]
    each = max(_FEWEST_TAKES, -(-_TAKES // max(1, len(voices))))
    for voice in voices:
        name = f"{voice.engine}/{kind}/{voice.name}"
        for take in range(each):
            take_id = f"{name}/{take}"
            yield Recording(take_id, name if len(voices) >= _ENOUGH_VOICES else take_id, voice)


def _merged(kind: Kind | None, name: str, files: tuple[tuple[Path, ...], tuple[Path, ...]]) -> Kind:
    """A kind with the files of the user's folders added."""
    cutouts = tuple(Cutout(f"cutouts/{name}/{path.name}", path) for path in files[0])
    ids = [f"sounds/{name}/{path.name}" for path in files[1]]
    recordings = tuple(Recording(item, item, path) for item, path in zip(ids, files[1], strict=True))
    if kind is None:
        kind = Kind(name, "other", name, "any", (0.1, 0.5), (), (), ())
    return replace(kind, cutouts=(*kind.cutouts, *cutouts), recordings=(*kind.recordings, *recordings))


def _assign(kinds: Iterable[Kind]) -> Iterator[tuple[str, Split]]:
    """Pictures and recordings to splits, from what is declared and not from what can be played here."""
    listed = tuple(kinds)
    groups = {kind.name: tuple({item.apart for item in kind.recordings}) for kind in listed}
    apart = {kind.name: _n_apart(len(kind.cutouts), len(groups[kind.name])) for kind in listed}
    whole = place_whole(kind.name for kind in listed if apart[kind.name] == 1 and kind.split is None)
    for kind in listed:
        fixed = kind.split or whole.get(kind.name)
        among = (fixed,) if fixed else splits_for(apart[kind.name])
        yield from share_out((item.id for item in kind.cutouts), among).items()
        shared = share_out(groups[kind.name], among)
        yield from ((item.id, shared[item.apart]) for item in kind.recordings)


def _n_apart(n_pictures: int, n_recordings: int) -> int:
    """Into how many splits a kind can go; what is only seen or only heard needs no partner."""
    present = [n for n in (n_pictures, n_recordings) if n]
    return min(len(SPLITS), *present) if len(present) > 1 else min(len(SPLITS), present[0])


def _playable(kinds: Iterable[Kind]) -> tuple[tuple[Kind, ...], tuple[str, ...]]:
    """The kinds without what needs a program that is not here, and what was left out."""
    lacking = {
        engine: lack for engine, lack in (("midi", midi.missing()), ("speech", speech.missing())) if lack
    }
    kept: list[Kind] = []
    hit: dict[str, list[str]] = {engine: [] for engine in lacking}
    for kind in kinds:
        mute = {
            item.source.engine
            for item in kind.recordings
            if isinstance(item.source, Voice) and item.source.engine in lacking
        }
        for engine in mute:
            hit[engine].append(kind.name)
        left = tuple(
            item
            for item in kind.recordings
            if not (isinstance(item.source, Voice) and item.source.engine in mute)
        )
        if left or not mute:
            kept.append(replace(kind, recordings=left))
    remarks = tuple(
        f"{lacking[engine]}. Without its sounds: {', '.join(names)}."
        for engine, names in hit.items()
        if names
    )
    return tuple(kept), remarks
