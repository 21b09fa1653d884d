import numpy as np
import pytest

from training.data.readers import DataError, find_reader

READER = find_reader("videos")


def test_any_folder_of_videos_is_read(tmp_path, write_video):
    write_video(tmp_path / "dog_barking" / "a.mp4")
    write_video(tmp_path / "bell" / "a.mp4")
    write_video(tmp_path / "top.mp4", sound_from_s=None)
    reading = READER.read(tmp_path)
    facts = {sample.facts.id: sample.facts for sample in reading.samples}
    assert {name: fact.labels for name, fact in facts.items()} == {
        "bell_a": ("bell",),
        "dog_barking_a": ("dog barking",),
        "top": (),
    }
    assert {fact.split for fact in facts.values()} == {"train", "val"}
    assert (reading.missing, reading.remarks) == ((), ())
    for sample in reading.samples:
        footage = sample.footage(size=16, fps=2)
        assert footage.frames.shape == (4, 16, 16, 3)
        assert not footage.judged.any()
        assert (footage.waveform.size > 0) == (sample.facts.id != "top")


def test_pictures_go_with_the_sound_beside_them(tmp_path, write_picture, write_sound, put):
    write_picture(tmp_path / "cat" / "a.jpg")
    write_sound(tmp_path / "cat" / "a.wav", seconds=2.0)
    put(tmp_path, "cat/mute.png", "dog/a.wav")
    reading = READER.read(tmp_path)
    assert [sample.facts.id for sample in reading.samples] == ["cat_a"]
    assert reading.samples[0].audio == tmp_path / "cat" / "a.wav"
    assert reading.remarks == ("Pictures without a sound of their name, left out: 1, cat/mute.png.",)
    footage = reading.samples[0].footage(size=16, fps=2)
    assert len(footage.frames) == 4
    assert np.abs(footage.waveform).max() > 0.3


def test_files_with_one_id_are_not_both_taken(tmp_path, put):
    put(tmp_path, "a.mkv", "a.mp4", "b.mp4")
    reading = READER.read(tmp_path)
    assert [sample.media.name for sample in reading.samples] == ["a.mkv", "b.mp4"]
    assert "a.mp4 (a)" in reading.remarks[0]


def test_the_split_is_the_same_every_time_and_keeps_recordings_together(tmp_path, put):
    pieces = [f"{video}_{start:06d}.mp4" for video in ("aB3dE6gH9jK", "zY8xW5vU2tS") for start in (0, 10, 20)]
    put(tmp_path, *pieces, *(f"talk~{number:03d}.mp4" for number in range(5)))
    put(tmp_path, *(f"clip_{number:03d}.mp4" for number in range(40)))
    first, second = READER.read(tmp_path), READER.read(tmp_path)
    assert [sample.facts for sample in first.samples] == [sample.facts for sample in second.samples]
    groups = {sample.facts.id: sample.facts.group for sample in first.samples}
    assert groups["aB3dE6gH9jK_000000"] == groups["aB3dE6gH9jK_000020"] == "aB3dE6gH9jK"
    assert groups["talk~000"] == groups["talk~004"] == "talk"
    assert groups["clip_000"] != groups["clip_001"]
    splits = {}
    for sample in first.samples:
        splits.setdefault(sample.facts.group, set()).add(sample.facts.split)
    assert all(len(split) == 1 for split in splits.values())
    assert {"train", "val"} == set.union(*splits.values())


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("set_video_xTkKSJSqUSI_00004", "xTkKSJSqUSI"),
        ("0nYltlo90Zc_147000_157000", "0nYltlo90Zc"),
        ("00W1lcxW_WU_40.000", "00W1lcxW_WU"),
        ("my_holidays_001", "my_holidays_001"),
        ("IMG_2020_10_001", "IMG_2020_10_001"),
    ],
)
def test_pieces_of_youtube_videos_are_recognised(tmp_path, put, name, group):
    put(tmp_path, f"{name}.mp4")
    assert READER.read(tmp_path).samples[0].facts.group == group


def test_a_folder_of_other_files_is_refused(tmp_path, put):
    put(tmp_path, "notes.txt", "sound.wav", "picture.jpg")
    with pytest.raises(DataError, match="found nothing that videos could read"):
        READER.read(tmp_path)
