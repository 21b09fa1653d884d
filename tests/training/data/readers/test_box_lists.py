import json

import pytest

from training.data.readers import DataError, find_reader


def write_list(path, *entries):
    path.parent.mkdir(parents=True, exist_ok=True)
    document = [{"image": image, "audio": audio, "gt_box": box} for image, audio, box in entries]
    path.write_text(json.dumps(document))


@pytest.fixture
def is3(tmp_path, write_picture, write_sound):
    """One picture of a dog and a cat; its masks lie beside it under the same names."""
    entries = [
        (f"/authors/visual_frames/dog_cat_12_{thing}.jpg", f"/authors/audio_wav/dog_cat_12_{thing}.wav", box)
        for thing, box in (("dog", [0, 0, 112, 224]), ("cat", [112, 0, 224, 111]))
    ]
    write_list(tmp_path / "synthetic3240_bbox.json", *entries)
    for thing in ("dog", "cat"):
        write_picture(tmp_path / "images" / f"dog_cat_12_{thing}.jpg", level=200)
        write_picture(tmp_path / "gt_segmentation" / f"dog_cat_12_{thing}.jpg", level=0)
        write_sound(tmp_path / "audio_waw" / f"dog_cat_12_{thing}.wav")
    return tmp_path


def test_is3_gives_two_samples_of_a_scene(is3):
    reading = find_reader("is3").read(is3)
    dog, cat = reading.samples
    assert (dog.facts.id, cat.facts.id) == ("dog_cat_12_dog", "dog_cat_12_cat")
    assert dog.facts.scene == cat.facts.scene == dog.facts.group == "dog_cat_12"
    assert (dog.facts.labels, cat.facts.labels) == (("dog",), ("cat",))
    assert {sample.facts.split for sample in reading.samples} == {"test"}
    assert reading.missing == reading.remarks == ()
    footage = cat.footage(size=16, fps=2)
    assert footage.truth[footage.judged].sum() == 112 * 111  # whole pixels, none lost by rounding
    assert footage.frames.mean() == pytest.approx(200, abs=3)  # the picture and not its mask


def test_is3_goes_on_without_what_is_missing(is3):
    (is3 / "audio_waw" / "dog_cat_12_dog.wav").unlink()
    reading = find_reader("is3").read(is3)
    assert reading.missing == ("dog_cat_12_dog.wav",)
    assert [sample.facts.id for sample in reading.samples] == ["dog_cat_12_cat"]


def test_pictures_and_sounds_may_have_another_suffix(is3):
    (is3 / "images" / "dog_cat_12_dog.jpg").rename(is3 / "images" / "dog_cat_12_dog.png")
    assert find_reader("is3").read(is3).missing == ()


def test_vpo_drops_entries_without_a_box(tmp_path, put):
    entries = [
        (f"/x/visual_frames/000012_{number}.jpg", f"/x/audio_wav/000012_{number}.wav", box)
        for number, box in ((1, [0, 0, 9, 9]), (2, [0, 0, 0, 0]), (3, [9, 9, 99, 99]))
    ]
    write_list(tmp_path / "metadata" / "vpo_ms_bbox.json", *entries)
    put(tmp_path, *(f"visual_frames/000012_{number}.jpg" for number in (1, 2, 3)))
    put(tmp_path, *(f"audio_wav/000012_{number}.wav" for number in (1, 2, 3)))
    reading = find_reader("vpo-ms").read(tmp_path)
    assert [sample.facts.id for sample in reading.samples] == ["000012_1", "000012_3"]
    assert {sample.facts.scene for sample in reading.samples} == {"000012"}
    assert reading.remarks == ("No box with an area, left out: 000012_2.jpg.",)


def test_vpo_ss_has_no_scenes(tmp_path, put):
    entry = ("/x/visual_frames/000012_1.jpg", "/x/audio_wav/000012_1.wav", [0, 0, 9, 9])
    write_list(tmp_path / "vpo_ss_bbox.json", entry)
    put(tmp_path, "visual_frames/000012_1.jpg", "audio_wav/000012_1.wav")
    (sample,) = find_reader("vpo-ss").read(tmp_path).samples
    assert (sample.facts.scene, sample.facts.group, sample.facts.labels) == ("", "000012", ())


def test_avsbench_s4_knows_category_and_moment(tmp_path, write_picture, write_sound):
    folder = "visual_frames/test/dog_barking/aaaaaaaaaaa"
    entries = [
        (f"/x/s4_data/{folder}/aaaaaaaaaaa_{k}.png", "/x/audio_wav/test/dog_barking/aaaaaaaaaaa.wav", box)
        for k, box in ((1, [0, 0, 112, 224]), (3, [0, 0, 0, 0]))
    ]
    write_list(tmp_path / "s4_box.json", *entries)
    for k in (1, 3):
        write_picture(tmp_path / "s4_data" / folder / f"aaaaaaaaaaa_{k}.png")
    write_sound(tmp_path / "s4_data/audio_wav/test/dog_barking/aaaaaaaaaaa.wav", seconds=5.0)
    first, third = find_reader("avsbench-s4").read(tmp_path).samples
    assert (first.facts.labels, first.facts.group) == (("dog barking",), "aaaaaaaaaaa")
    assert (first.time_s, third.time_s) == (15 / 16, 2 + 15 / 16)
    assert (first.facts.sounding, third.facts.sounding) == (True, False)
    footage = third.footage(size=16, fps=2)
    assert footage.times_s[footage.judged] == pytest.approx([2 + 15 / 16], abs=0.051)
    assert not footage.truth.any()


def test_avsbench_ms3_is_found_among_s4_data(tmp_path, put):
    entry = (
        "/x/ms3_data/visual_frames/aaaaaaaaaaa_1/aaaaaaaaaaa_1.mp4_2.png",
        "/x/ms3_data/audio_wav/test/aaaaaaaaaaa_1.wav",
        [75, 0, 200, 223],
    )
    write_list(tmp_path / "ms3_box.json", entry)
    put(tmp_path, "A/s4_data/visual_frames/test/x.png", "A/s4_data/audio_wav/test/x.wav")
    put(tmp_path, "B/ms3_data/visual_frames/aaaaaaaaaaa_1/aaaaaaaaaaa_1.mp4_2.png")
    put(tmp_path, "B/ms3_data/audio_wav/test/aaaaaaaaaaa_1.wav")
    (sample,) = find_reader("avsbench-ms3").read(tmp_path).samples
    assert (sample.facts.id, sample.facts.group) == ("aaaaaaaaaaa_1.mp4_2", "aaaaaaaaaaa")
    assert (sample.time_s, sample.facts.labels) == (1 + 15 / 16, ())


@pytest.mark.parametrize("name", ["is3", "vpo-ss", "vpo-ms", "avsbench-s4", "avsbench-ms3"])
@pytest.mark.parametrize("document", ['{"a": 1}', '[{"image": "a", "audio": "b"}]', "]"])
def test_another_file_is_refused(tmp_path, name, document):
    path = tmp_path / find_reader(name).listed.files[-1]
    path.write_text(document)
    with pytest.raises(DataError, match=rf"{path.name} is not"):
        find_reader(name).read(tmp_path)


def test_an_entry_that_is_listed_twice_counts_once(is3):
    path = is3 / "synthetic3240_bbox.json"
    entries = json.loads(path.read_text())
    path.write_text(json.dumps([*entries, entries[0]]))
    reading = find_reader("is3").read(is3)
    assert len(reading.samples) == 2
    assert "(dog_cat_12_dog)" in reading.remarks[0]
