import numpy as np
import pytest
from PIL import Image

from app.errors import MediaCorrupt
from training.data.listing import contents_table, sayings
from training.data.readers import find_reader

READER = find_reader("pictures")


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


@pytest.fixture
def halves():
    """64 x 32 pixels, red in the upper half and blue in the lower one."""
    made = np.zeros((32, 64, 3), np.uint8)
    made[:16, :, 0] = made[16:, :, 2] = 255
    return made


def read_one(path):
    (sample,) = READER.read(path.parent).samples
    return sample


def test_pictures_are_read_wherever_they_lie(tmp_path, put, halves):
    for name in ("a.png", "deep/er/b.jpg", "deep/C.JPEG", "d.webp"):
        save(tmp_path / name, halves)
    put(tmp_path, "notes.txt", "deep/sound.wav", ".hidden.png")
    reading = READER.read(tmp_path)
    assert {sample.facts.id for sample in reading.samples} == {
        "a.png",
        "d.webp",
        "deep_C.JPEG",
        "deep_er_b.jpg",
    }
    assert (reading.missing, reading.remarks) == ((), ())
    assert {sample.facts.split for sample in reading.samples} == {"train", "val"}


def test_the_split_hangs_on_the_name_alone(tmp_path, put):
    put(tmp_path, *(f"{number}.jpg" for number in range(200)))
    samples = READER.read(tmp_path).samples
    splits = {sample.facts.id: sample.facts.split for sample in samples}
    assert 8 <= sum(split == "val" for split in splits.values()) <= 40
    assert "test" not in splits.values()
    put(tmp_path, *(f"more{number}.jpg" for number in range(50)))
    again = {sample.facts.id: sample.facts.split for sample in READER.read(tmp_path).samples}
    assert splits.items() <= again.items()


def test_pictures_with_one_id_are_not_both_taken(tmp_path, put):
    put(tmp_path, "a/b.jpg", "a_b.jpg", "a/b.png")
    reading = READER.read(tmp_path)
    assert len({sample.facts.id for sample in reading.samples}) == len(reading.samples) == 2
    assert "With an id that is taken, left out: 1" in reading.remarks[0]


def test_a_picture_is_a_frame_without_sound_and_without_truth(tmp_path, halves):
    footage = read_one(save(tmp_path / "a.png", halves)).footage(size=16, fps=5)
    assert (footage.frames.shape, footage.frames.dtype) == ((1, 16, 16, 3), np.uint8)
    assert footage.frames[0, 2].tolist() == [[255, 0, 0]] * 16
    assert footage.frames[0, 13].tolist() == [[0, 0, 255]] * 16
    assert footage.times_s.tolist() == [0]
    assert footage.waveform.shape == (0,)
    assert footage.truth.shape == (1, 224, 224)
    assert not footage.truth.any()
    assert footage.judged.tolist() == [False]
    assert footage.things == ()


def test_a_picture_is_shown_upright(tmp_path, halves):
    exif = Image.Exif()
    exif[0x0112] = 3  # taken upside down
    frames = read_one(save(tmp_path / "a.jpg", halves, exif=exif, quality=95)).footage(size=16, fps=2).frames
    assert frames[0, 2, 8].argmax() == 2  # the blue half is above
    assert frames[0, 13, 8].argmax() == 0


def test_grey_and_large_pictures_are_taken_too(tmp_path):
    grey = np.full((300, 500), 77, np.uint8)
    frames = read_one(save(tmp_path / "a.jpg", grey, quality=95)).footage(size=16, fps=2).frames
    assert np.abs(frames.astype(int) - 77).max() <= 2


@pytest.mark.parametrize("kept", [0, 40, 400])
def test_a_broken_picture_is_named(tmp_path, kept):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / "a.png", noise)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(MediaCorrupt, match=r"a\.png: "):
        read_one(path).footage(size=16, fps=2)


def test_they_can_be_listed_and_encoded(tmp_path, halves, tiny_bundle):
    from training.cache.encoding import ExampleEncoder, Recipe

    sample = read_one(save(tmp_path / "a.png", halves))
    reading = READER.read(tmp_path)
    (cells,) = zip(*(column.cells for column in contents_table(reading).columns), strict=True)
    assert cells == ("train", "1", "0", "0", "1", "0")
    assert list(sayings(reading)) == ["Nothing is missing."]
    encoded = ExampleEncoder(tiny_bundle, Recipe(views=1, class_map=True, raw=True)).encode(
        sample.facts.id, sample.footage(size=32, fps=2)
    )
    assert (encoded.n_frames, encoded.judged, encoded.has_sound) == (1, (), False)
    np.testing.assert_allclose(encoded.arrays["tokens"][0, 0, 0], [[1, 0, 0]] * 4)
    assert not encoded.arrays["events"].any()
