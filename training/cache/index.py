"""`index.json`: how a cache was made, what lies in it, and what could not be taken in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.inference.bundle import Bundle
from app.inference.manifest import AudioSpec
from training.cache.places import CacheError, Place
from training.data.examples import Facts

INDEX = "index.json"
OPTIONAL_FIELDS = ("class_map", "raw")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EncoderKey(_Part):
    """What the numbers in a cache depend on: the graphs, by their sha256, and what they are fed.

    Attributes:
        graphs: role (`visual`, `audio`) to sha256 of the ONNX file that ran.
        input_size: side of the square frames in pixels.
        grid: cells of a token map, rows and columns.
        audio: windows of sound, and how much of it speaks for a frame.
        silence: index of the event that the others are weighed by; None if the audio graph knows none.
    """

    graphs: dict[str, str]
    input_size: int
    grid: tuple[int, int]
    audio: AudioSpec
    silence: int | None


class CacheKey(_Part):
    """All that must agree for a rerun to go on with a cache.

    Attributes:
        fps: frames taken per second.
        max_frames: most frames kept of an example.
        views: augmented views of each frame beside the plain one.
        fields: which of `OPTIONAL_FIELDS` it has.
        source: where the examples come from, for example {"reader": "vggss", "root": "/data/vggss"}.
    """

    encoders: EncoderKey
    fps: float
    max_frames: int
    views: int
    fields: tuple[str, ...]
    source: dict[str, str]


class Shard(_Part):
    """One file of arrays. Its size tells a file that was cut short."""

    name: str
    size_bytes: int


class Record(_Part):
    """An example and its place.

    Attributes:
        shard: index into `Index.shards`.
        position: its arrays are named `<position>/<array>` there.
        n_frames: T of its arrays.
        judged: numbers of the frames whose truth is known.
        has_sound: whether there is a sound track.
        waveform_start_s: time of the first sample of the raw waveform.
        things: names of what is in sight, in the order of its boxes.
    """

    facts: Facts
    shard: int
    position: int
    n_frames: int
    judged: tuple[int, ...]
    has_sound: bool
    waveform_start_s: float
    things: tuple[str, ...] = ()


class Failure(_Part):
    """An example that is not in the cache, and why."""

    id: str
    reason: str


class Index(_Part):
    """The whole of `index.json`. `bundle` is for people; the key decides."""

    schema_: Literal["earsight.cache/1"] = Field("earsight.cache/1", alias="schema")
    bundle: str
    key: CacheKey
    shards: tuple[Shard, ...] = ()
    examples: tuple[Record, ...] = ()
    failures: tuple[Failure, ...] = ()


def encoder_key(bundle: Bundle, *, silence: str) -> EncoderKey:
    """The key of the graphs that a bundle runs on this machine; `silence` is the name of that event."""
    manifest = bundle.manifest
    labels = manifest.events.labels
    return EncoderKey(
        graphs={role: bundle.runners[role].entry.sha256 for role in ("visual", "audio")},
        input_size=manifest.input_size,
        grid=manifest.grid,
        audio=manifest.audio,
        silence=labels.index(silence) if silence in labels else None,
    )


def differences(there: BaseModel, here: BaseModel) -> list[str]:
    """What two keys disagree in, one `name: A there, B here` each; empty if they are equal."""
    left, right = dict(_leaves(there.model_dump())), dict(_leaves(here.model_dump()))
    return [
        f"{name}: {_brief(left.get(name))} there, {_brief(right.get(name))} here"
        for name in sorted(left | right)
        if left.get(name) != right.get(name)
    ]


def read_index(place: Place) -> Index:
    """Read and check `index.json` of a place.

    Raises:
        CacheError: there is none, or it is damaged or of another version, or a shard is missing or cut short.
    """
    path = f"{place}/{INDEX}"
    try:
        index = Index.model_validate_json(place.read(INDEX))
    except FileNotFoundError as error:
        raise CacheError(
            f"{place} is no feature cache, for it has no {INDEX}; `earsight-train cache` makes one"
        ) from error
    except OSError as error:
        raise CacheError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise CacheError(
            f"{path} is damaged, or of another version of Earsight: {place}: {first['msg']};"
            " `earsight-train cache ... --force` makes it anew"
        ) from error
    sizes = place.sizes()
    for shard in index.shards:
        found = sizes.get(shard.name)
        if found != shard.size_bytes:
            state = "is missing" if found is None else f"has {found} of {shard.size_bytes} bytes"
            raise CacheError(f"{place}/{shard.name} {state}: the cache is damaged; make it anew with --force")
    return index


def write_index(index: Index, place: Place) -> None:
    """Put `index.json` in place in one step. Raises OSError."""
    place.write(INDEX, index.model_dump_json(by_alias=True).encode())


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _brief(value: Any) -> str:
    """A value as a person compares it: hashes by their beginning."""
    if value is None:
        return "nothing"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "nothing"
    text = str(value)
    return f"{text[:12]}..." if len(text) == 64 and " " not in text else text
