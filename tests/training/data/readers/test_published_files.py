"""What the published annotation files hold, checked where EARSIGHT_DATA names a folder that has them."""

import os
from collections import Counter
from pathlib import Path

import pytest

from training.data.readers import DataError, ave, find_reader, music
from training.data.readers.audioset_instrument import read_seconds
from training.data.readers.pixel_boxes import AVSBENCH_MS3, AVSBENCH_S4, IS3, VPO_MS, VPO_SS, read_sources
from training.data.readers.slavc import FLICKR_LIST, VGGSS_LIST, read_pairs
from training.data.readers.vggss import read_vggss

DATA = Path(os.environ.get("EARSIGHT_DATA", "nowhere")) / "annotations"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="set EARSIGHT_DATA to a folder with the public annotation files in annotations/"
)


def annotations(name):
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    return path


def test_ave_is_as_published_and_its_baselines_are_those_of_the_annotations():
    events = ave.read_events(annotations("ave_Annotations.txt"))
    found = ave.figures(events)
    assert (found.events, found.videos, found.labels) == (4143, 4097, 28)
    assert (found.partial, found.empty) == (1393, 1)
    assert found.whole_share == pytest.approx(0.664, abs=0.0005)
    assert found.coverage == pytest.approx(0.829, abs=0.0005)
    assert ave.hit_rate(events, 5) == pytest.approx(0.846, abs=0.0005)
    partial = ave.partial_events(events)
    assert ave.hit_rate(partial, 5) == pytest.approx(0.541, abs=0.0005)
    assert ave.hit_rate(partial, 0) == pytest.approx(0.358, abs=0.0005)
    assert ave.best_constant(partial)[0] == 5
    assert len({event.identity for event in events}) == len(events)


@pytest.mark.parametrize(
    ("reader", "file", "n"),
    [("music-solo", "music_solo.json", 2124), ("music-duet", "music_duet.json", 1020)],
)
def test_boxes_of_music_are_corner_and_size(reader, file, n):
    frames = music.read_frames(
        annotations(file), find_reader(reader).fields
    )  # raises if one leaves the frame
    assert len({frame.name for frame in frames}) == len(frames) == n
    assert {len(frame.boxes) for frame in frames} == {len(find_reader(reader).fields)}


def test_audioset_instrument_has_13_numbered_categories():
    seconds = read_seconds(annotations("csol_audioset_box.json"))
    assert (len(seconds), sum(len(second.boxes) for second in seconds)) == (4503, 7403)
    assert sum(not len(second.boxes) for second in seconds) == 30
    assert {number for second in seconds for number in second.categories} == set(range(13))
    assert max(second.second for second in seconds) == 9


def test_the_negatives_of_slavc_are_not_all_of_one_kind():
    pairs = read_pairs(annotations(VGGSS_LIST))
    classes = {entry.clip: entry.label for entry in read_vggss(annotations("vggss.json"))}
    own = [pair for pair in pairs if pair.own_sound]
    assert (len(pairs), len(own)) == (5158, 379)
    assert not any(pair.video in classes for pair in own)
    others = [pair for pair in pairs if not pair.own_sound]
    assert all(pair.video in classes and pair.audio in classes for pair in others)
    assert sum(classes[pair.video] == classes[pair.audio] for pair in others) == 1185
    flickr = read_pairs(annotations(FLICKR_LIST))
    assert (len(flickr), sum(pair.own_sound for pair in flickr)) == (250, 0)


@pytest.mark.parametrize(
    ("listed", "n", "empty"),
    [(IS3, 6480, 0), (AVSBENCH_S4, 3700, 6), (AVSBENCH_MS3, 320, 29), (VPO_SS, 890, 0), (VPO_MS, 2157, 2)],
)
def test_box_lists_are_as_published(listed, n, empty):
    sources = read_sources(annotations(listed.file))
    assert (len(sources), sum(not source.sounding for source in sources)) == (n, empty)
    assert len({source.image for source in sources}) == n
    if listed is IS3:
        assert set(Counter(source.scene for source in sources).values()) == {2}


@pytest.mark.parametrize(
    ("reader", "listed"),
    [
        ("vggss", 5158),
        ("vggss-extended", 10_316),
        ("flickr", 249),
        ("ave", 4143),
        ("music-solo", 2124),
        ("music-duet", 1020),
        ("avsbench-s4", 3700),
        ("avsbench-ms3", 320),
        ("is3", 6480),
        ("vpo-ss", 890),
        ("vpo-ms", 2155),
        ("audioset-instrument", 4473),
    ],
)
def test_readers_accept_the_published_files_and_say_how_many_clips_are_missing(reader, listed):
    with pytest.raises(DataError, match=f"none of {listed} listed clips is there"):
        find_reader(reader).read(DATA)
