from dataclasses import replace
from pathlib import Path

import pytest

from training.data.examples import Facts
from training.data.readers import READERS, DataError, find_reader
from training.data.readers.reading import Findings, named
from training.data.samples import Sample


def test_every_data_set_that_is_promised_has_a_reader():
    own, vgg, flickr = (
        ["videos", "clips"],
        ["vggsound", "vggss", "vggss-extended"],
        ["flickr", "flickr-extended"],
    )
    lists = ["avsbench-s4", "avsbench-ms3", "is3", "vpo-ss", "vpo-ms"]
    instruments = ["music-solo", "music-duet", "audioset-instrument"]
    pictures = ["coco", "matched", "pictures"]
    assert sorted(READERS) == sorted([*own, *vgg, *flickr, *lists, *instruments, *pictures, "ave"])
    assert all(find_reader(name).name == name for name in READERS)


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(DataError, match=r"no reader 'vgg'.*vggsound, vggss"):
        find_reader("vgg")


@pytest.mark.parametrize("name", READERS)
def test_an_empty_folder_is_refused_with_the_layout(name, tmp_path):
    reader = find_reader(name)
    with pytest.raises(DataError) as caught:
        reader.read(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert reader.layout in str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_a_folder_that_is_not_there_is_refused(name, tmp_path):
    with pytest.raises((DataError, OSError), match="nowhere"):
        find_reader(name).read(tmp_path / "nowhere")


def test_the_first_of_an_id_is_kept_and_the_others_are_named(tmp_path):
    findings = Findings(tmp_path, find_reader("videos"))
    for file in ("one.mp4", "two.mp4", "three.mp4"):
        findings.add(Sample(Facts("same" if file != "two.mp4" else "other"), tmp_path / file))
    reading = findings.close()
    assert [sample.media.name for sample in reading.samples] == ["one.mp4", "two.mp4"]
    assert len(reading.remarks) == 1
    assert f"{tmp_path / 'three.mp4'} (same)" in reading.remarks[0]


def test_what_is_missing_does_not_stop_the_reading_unless_it_is_everything(tmp_path):
    findings = Findings(tmp_path, find_reader("videos"))
    findings.lack("gone")
    with pytest.raises(DataError, match="none of 1 listed clips is there, for example gone"):
        findings.close()
    findings.add(Sample(Facts("a"), Path("a.mp4")))
    assert findings.close().missing == ("gone",)


def test_long_lists_of_names_are_cut():
    assert named(["a", "b"]) == "a, b"
    assert named(str(number) for number in range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"


def test_samples_can_be_changed_like_other_records(tmp_path):
    sample = Sample(Facts("a"), tmp_path / "a.mp4", time_s=1.0)
    assert replace(sample, time_s=2.0).media == sample.media
