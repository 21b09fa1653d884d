import pytest

from training.data.readers import DataError
from training.data.readers.files import (
    MediaIndex,
    find_annotation,
    find_folders,
    read_json,
    read_rows,
    safe_id,
    walk,
)


def test_media_are_found_by_name_wherever_they_lie(tmp_path, put):
    put(tmp_path, "clips/deep/a.mp4", "frames/b.jpg", "audio/b.wav", "frames/c.jpg", "notes.txt")
    index = MediaIndex(tmp_path)
    assert index.clip("x", "a").picture == tmp_path / "clips/deep/a.mp4"
    pair = index.clip("b")
    assert (pair.picture, pair.sound) == (tmp_path / "frames/b.jpg", tmp_path / "audio/b.wav")
    assert index.clip("c") is None  # a picture without a sound
    assert index.clip("notes") is None
    assert index.pictures() == ["b", "c"]


def test_a_video_is_preferred_to_a_picture_with_a_sound(tmp_path, put):
    put(tmp_path, "frames/a.jpg", "audio/a.wav", "videos/a.mp4")
    index = MediaIndex(tmp_path)
    assert index.clip("a").sound is None
    assert index.pair("a").picture.suffix == ".jpg"
    assert index.seen("a").suffix == ".mp4"
    assert index.sound("a").suffix == ".wav"


def test_linked_folders_are_followed_and_hidden_files_are_not_seen(tmp_path, put):
    put(tmp_path, "elsewhere/a.mp4", "data/b.mp4", "data/._b.mp4", "data/.cache/c.mp4")
    (tmp_path / "data" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "loop").symlink_to(tmp_path / "data")
    found = [str(path.relative_to(tmp_path / "data")) for path in walk(tmp_path / "data")]
    assert found == ["b.mp4", "more/a.mp4"]


def test_annotations_and_folders_are_found_where_authors_put_them(tmp_path, put):
    put(tmp_path, "metadata/list.json", "s4_data/visual_frames/a.png", "x/y/visual_frames/b.png")
    assert find_annotation(tmp_path, "other.json", "list.json") == tmp_path / "metadata/list.json"
    assert find_annotation(tmp_path, "other.json") is None
    assert find_folders(tmp_path, "visual_frames") == [
        tmp_path / "s4_data/visual_frames",
        tmp_path / "x/y/visual_frames",
    ]
    assert find_folders(tmp_path / "s4_data/visual_frames", "visual_frames") == [
        tmp_path / "s4_data/visual_frames"
    ]


def test_files_that_are_not_what_they_should_be_are_named(tmp_path):
    (tmp_path / "a.json").write_text('{"broken": ')
    with pytest.raises(DataError, match=r"a\.json is not JSON"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00video")
    with pytest.raises(DataError, match=r"a\.csv is not a table"):
        read_rows(tmp_path / "a.csv")


def test_a_byte_order_mark_and_empty_lines_are_no_cells(tmp_path):
    (tmp_path / "a.csv").write_bytes("\ufeffvideo,audio\n\na,b\n".encode())
    assert read_rows(tmp_path / "a.csv") == [["video", "audio"], ["a", "b"]]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("dogs/a 1.b", "dogs_a_1.b"),
        ("-_-TDDxoaAc_000", "-_-TDDxoaAc_000"),
        ("../../etc", "_.._etc"),
        ("Größe", "Größe"),
        ("...", "_"),
    ],
)
def test_ids_are_safe_file_names(text, name):
    assert safe_id(text) == name


def test_long_ids_stay_apart():
    first, second = safe_id("a" * 300 + "1"), safe_id("a" * 300 + "2")
    assert first != second
    assert len(first.encode()) <= 120
    assert len(safe_id("ä" * 300).encode()) <= 120
