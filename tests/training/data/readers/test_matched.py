import tomllib
from collections import Counter

import numpy as np
import pytest

from training.data.readers import DataError, find_reader
from training.data.readers.matched import KINDS

READER = find_reader("matched")


def write_table(path, rows, heading="file,cls"):
    path.write_text("\n".join([heading, *(f"{file},{kind}" for file, kind in rows)]) + "\n")


@pytest.fixture
def matched(tmp_path, put):
    """Writes both tables, and a file for each row that names no file called `gone`."""

    def write(pictures, sounds):
        write_table(tmp_path / "images.csv", pictures)
        write_table(tmp_path / "sounds.csv", sounds)
        put(tmp_path, *(file for file, _ in [*pictures, *sounds] if "gone" not in file))
        return tmp_path

    return write


def recordings_of(root):
    return {sample.media.name: sample.audio.name for sample in READER.read(root).samples}


def test_a_picture_gets_a_recording_of_its_kind(matched):
    root = matched(
        [("pictures/cat/1.jpg", "cat"), ("pictures/2.jpg", "electric_guitar"), ("pictures/3.jpg", "dog")],
        [("s/mew.wav", "cat"), ("s/chord.wav", "acoustic guitar"), ("s/bark.wav", "dog_bark")],
    )
    reading = READER.read(root)
    assert recordings_of(root) == {"1.jpg": "mew.wav", "2.jpg": "chord.wav", "3.jpg": "bark.wav"}
    cat = reading.samples[0]
    assert (cat.media, cat.audio) == (root / "pictures/cat/1.jpg", root / "s/mew.wav")
    assert (cat.facts.id, cat.facts.group) == ("pictures_cat_1", "pictures/cat/1.jpg")
    assert [sample.facts.labels for sample in reading.samples] == [("cat",), ("guitar",), ("dog",)]
    assert all(sample.facts.sounding and not sample.boxes for sample in reading.samples)
    assert (reading.missing, reading.remarks) == ((), ())


def test_a_picture_gets_the_same_recording_whatever_else_is_listed(matched):
    sounds = [(f"{number}.wav", "dog") for number in range(4)]
    pictures = [(f"{number}.jpg", "dog") for number in range(60)]
    every = recordings_of(matched(pictures, sounds))
    assert recordings_of(matched(pictures, sounds)) == every
    few = recordings_of(matched(pictures[40:30:-1], [("mew.wav", "cat"), *sounds]))
    assert few == {name: every[name] for name in few}
    assert len(few) == 10
    # Not one for all: each of the four falls to a good part of sixty pictures.
    assert sorted(Counter(every.values())) == ["0.wav", "1.wav", "2.wav", "3.wav"]
    assert min(Counter(every.values()).values()) > 5


def test_a_breed_counts_as_its_kind_where_it_is_not_named_itself(matched):
    root = matched(
        [("1.jpg", "cat:Birman"), ("2.jpg", "Birman"), ("3.jpg", "cathedral")], [("mew.wav", "cat")]
    )
    reading = READER.read(root)
    assert recordings_of(root) == {"1.jpg": "mew.wav"}
    assert reading.samples[0].facts.labels == ("cat",)
    assert reading.remarks == ()  # that nobody knows the other classes is not worth a word


def test_kinds_without_a_recording_are_left_out_and_counted(matched):
    root = matched(
        [("1.jpg", "cat"), ("2.jpg", "dog"), ("3.jpg", "dog"), ("4.jpg", "banjo")],
        [("mew.wav", "cat"), ("gone.wav", "banjo")],
    )
    reading = READER.read(root)
    assert recordings_of(root) == {"1.jpg": "mew.wav"}
    assert reading.remarks == ("Pictures of kinds without a recording, left out: 3.",)


def test_a_recording_that_is_not_there_goes_with_no_picture(matched):
    pictures = [(f"{number}.jpg", "cat") for number in range(20)]
    root = matched(pictures, [("gone.wav", "cat"), ("mew.wav", "cat")])
    assert set(recordings_of(root).values()) == {"mew.wav"}


def test_pictures_that_are_not_there_are_missing(matched):
    root = matched([("1.jpg", "cat"), ("gone.jpg", "cat")], [("mew.wav", "cat")])
    reading = READER.read(root)
    assert reading.missing == ("gone.jpg",)
    assert [sample.media.name for sample in reading.samples] == ["1.jpg"]
    (root / "1.jpg").unlink()
    with pytest.raises(DataError, match=r"none of 2 listed clips is there, for example 1\.jpg"):
        READER.read(root)


def test_some_pictures_are_for_validation_and_none_for_testing(matched):
    pictures = [(f"{number}.jpg", "cat") for number in range(200)]
    shares = Counter(
        sample.facts.split for sample in READER.read(matched(pictures, [("mew.wav", "cat")])).samples
    )
    assert shares.keys() == {"train", "val"}
    assert 10 <= shares["val"] <= 30  # about a tenth
    two = READER.read(matched(pictures[:2], [("mew.wav", "cat")]))
    assert {sample.facts.split for sample in two.samples} == {"train", "val"}


def test_the_picture_is_shown_while_the_recording_plays(tmp_path, write_picture, write_sound):
    write_picture(tmp_path / "1.png", level=90)
    write_sound(tmp_path / "dog.wav", seconds=2.0, tone_hz=300)
    write_sound(tmp_path / "cat.wav", seconds=2.0, tone_hz=1_000)
    write_table(tmp_path / "images.csv", [("1.png", "cat")])
    write_table(tmp_path / "sounds.csv", [("dog.wav", "dog"), ("cat.wav", "cat")])
    footage = READER.read(tmp_path).samples[0].footage(size=16, fps=2)
    assert np.abs(footage.frames.astype(int) - 90).max() <= 2
    assert np.abs(np.fft.rfft(footage.waveform[:16_000])).argmax() == pytest.approx(1_000, abs=2)
    assert not footage.judged.any()
    assert footage.things == ()


@pytest.mark.parametrize("table", ["images.csv", "sounds.csv"])
def test_a_table_that_is_not_there_is_named(matched, table):
    root = matched([("1.jpg", "cat")], [("mew.wav", "cat")])
    (root / table).unlink()
    with pytest.raises(DataError, match=rf"no {table} in it\. Expected"):
        READER.read(root)


@pytest.mark.parametrize("table", ["images.csv", "sounds.csv"])
@pytest.mark.parametrize(
    "content",
    [
        b"file,kind\n1.jpg,cat\n",
        b"name,cls\n1.jpg,cat\n",
        b"file,cls\n",
        b"",
        b"file,cls\n1.jpg,cat\n2.jpg\n",
    ],
)
def test_a_table_without_the_columns_is_named(matched, table, content):
    root = matched([("1.jpg", "cat")], [("mew.wav", "cat")])
    (root / table).write_bytes(content)
    with pytest.raises(DataError, match=rf"{table} is not a table with the columns file and cls"):
        READER.read(root)


@pytest.mark.parametrize("table", ["images.csv", "sounds.csv"])
def test_a_file_that_is_no_text_is_named(matched, table):
    root = matched([("1.jpg", "cat")], [("mew.wav", "cat")])
    (root / table).write_bytes(b"file,cls\n\xff\xfe.jpg,cat\n")
    with pytest.raises(DataError, match=rf"{table} is not a table"):
        READER.read(root)


def test_each_class_of_pictures_belongs_to_one_kind_that_has_sounds():
    kinds = tomllib.loads(KINDS.read_text(encoding="utf-8"))
    classes = Counter(name for entry in kinds.values() for name in entry["pictures"])
    assert set(classes.values()) == {1}
    assert all(entry.keys() == {"pictures", "sounds"} for entry in kinds.values())
    assert all(entry["sounds"] for entry in kinds.values())
