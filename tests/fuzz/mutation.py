"""Files that were good once: every mutant is made from its number alone, so any of them can be made again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MOST_CHANGES = 3

_SUFFIXES = ("mp4", "mkv", "avi", "m3u8", "jpg", "wav", "exe", "../../etc/passwd", "")
_EXTREME = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_NAMES = (b"moov", b"mdat", b"stsz", b"stco", b"stts", b"stsd", b"tkhd", b"mdhd", b"avcC", b"esds", b"ftyp")
_NAMES += (b"hdrl", b"movi", b"idx1", b"strh", b"strf", b"RIFF", b"IHDR", b"VP8 ", b"OggS", b"fmt ", b"data")
_FOREIGN = (
    b"PK\x03\x04" + bytes(26) + b"a.txt",
    b"<html><script>alert(1)</script></html>",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    b"<?xml version='1.0'?><MPD><Period><BaseURL>http://127.0.0.1:9/</BaseURL></Period></MPD>",
    b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    b"%PDF-1.7\n",
    b"\x7fELF\x02\x01\x01" + bytes(57),
)

Change = Callable[[bytearray, Sequence[bytes], random.Random], None]


@dataclass(frozen=True, slots=True)
class Mutant:
    """Attributes:
    name: file name that the client gives.
    parent: number of the good file.
    changes: what was done to it, in order.
    """

    name: str
    data: bytes
    parent: int
    changes: tuple[str, ...]


def mutant(number: int, parents: Sequence[bytes]) -> Mutant:
    """The mutant of that number; the same parents give the same one."""
    dice = random.Random(number)
    parent = dice.randrange(len(parents))
    data = bytearray(parents[parent])
    changes = [dice.choice(_CHANGES) for _ in range(dice.randint(1, MOST_CHANGES))]
    for change in changes:
        change(data, parents, dice)
    name = f"clip.{dice.choice(_SUFFIXES)}"
    return Mutant(name, bytes(data), parent, tuple(change.__name__ for change in changes))


def flip_bits(data: bytearray, _parents: Sequence[bytes], dice: random.Random) -> None:
    for _ in range(min(len(data), dice.choice((1, 4, 16, 64)))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def flip_bits_of_the_head(data: bytearray, _parents: Sequence[bytes], dice: random.Random) -> None:
    for _ in range(min(len(data), dice.choice((1, 4, 16)))):
        data[dice.randrange(min(len(data), 256))] ^= 1 << dice.randrange(8)


def cut_off(data: bytearray, _parents: Sequence[bytes], dice: random.Random) -> None:
    del data[dice.randint(0, len(data)) :]


def cut_out(data: bytearray, _parents: Sequence[bytes], dice: random.Random) -> None:
    begin, end = _stretch(data, dice)
    del data[begin:end]


def zero(data: bytearray, _parents: Sequence[bytes], dice: random.Random) -> None:
    begin, end = _stretch(data, dice)
    data[begin:end] = bytes(end - begin)


def randomise(data: bytearray, _parents: Sequence[bytes], dice: random.Random) -> None:
    begin, end = _stretch(data, dice)
    data[begin:end] = dice.randbytes(end - begin)


def repeat(data: bytearray, _parents: Sequence[bytes], dice: random.Random) -> None:
    begin, end = _stretch(data, dice)
    data[end:end] = data[begin:end] * dice.choice((1, 1, 8))


def swap(data: bytearray, _parents: Sequence[bytes], dice: random.Random) -> None:
    one, two, three = sorted(dice.randint(0, len(data)) for _ in range(3))
    data[one:three] = data[two:three] + data[one:two]


def set_field(data: bytearray, _parents: Sequence[bytes], dice: random.Random) -> None:
    """Put an extreme number beside the name of a box, a chunk or a page, or anywhere near the beginning."""
    spots = [spot for name in _NAMES if (spot := data.find(name)) >= 0]
    if spots and dice.random() < 0.8:
        at = max(0, dice.choice(spots) + dice.choice((-4, 4, 8, 12, 16, 24)))
    else:
        at = dice.randrange(min(len(data), 512) or 1)
    width = dice.choice((1, 2, 4, 8))
    value = dice.choice(_EXTREME) & ((1 << 8 * width) - 1)
    data[at : at + width] = value.to_bytes(width, dice.choice(("big", "little")))


def graft(data: bytearray, parents: Sequence[bytes], dice: random.Random) -> None:
    """The head of one file on the body of another."""
    other = dice.choice(parents)
    data[dice.randint(0, len(data)) :] = other[dice.randint(0, len(other)) :]


def append_another(data: bytearray, parents: Sequence[bytes], dice: random.Random) -> None:
    data += dice.choice((*parents, *_FOREIGN))


def put_foreign_first(data: bytearray, _parents: Sequence[bytes], dice: random.Random) -> None:
    data[:0] = dice.choice(_FOREIGN)


def become_foreign(data: bytearray, _parents: Sequence[bytes], dice: random.Random) -> None:
    data[:] = dice.choice(_FOREIGN)


_CHANGES: tuple[Change, ...] = (
    *(flip_bits, flip_bits_of_the_head, set_field, set_field, zero, randomise) * 2,
    *(cut_off, cut_out, repeat, swap, graft, append_another, put_foreign_first, become_foreign),
)


def _stretch(data: bytearray, dice: random.Random) -> tuple[int, int]:
    """Begin and end of some bytes: few more often than many."""
    begin = dice.randint(0, len(data))
    return begin, min(len(data), begin + dice.choice((1, 8, 64, 512, 4096, len(data))))
