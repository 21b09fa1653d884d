import pytest

from training.data.readers import DataError, find_reader
from training.data.readers.vggsound import file_names

READER = find_reader("vggsound")


def write_table(root, *rows, heading=""):
    (root / "vggsound.csv").write_text(heading + "".join(f"{row}\n" for row in rows))


def test_clips_are_found_under_the_names_people_give_them(tmp_path, put):
    write_table(
        tmp_path,
        'aaaaaaaaaaa,30,"engine accelerating, revving, vroom",train',
        "bb_bbbbbbbb,7,dog barking,test",
        "-cccccccccc,120,bell,train",
        "ddddddddddd,0,bell,train",
        "eeeeeeeeeee,0,bell,train",
    )
    put(tmp_path, "videos/aaaaaaaaaaa_000030.mp4", "test/bb_bbbbbbbb_7000_17000.mp4", "-cccccccccc_120.mp4")
    put(tmp_path, "frames/ddddddddddd_000000.jpg", "audio/ddddddddddd_000000.wav")
    reading = READER.read(tmp_path)
    assert reading.missing == ("eeeeeeeeeee_000000",)
    first, second, third, fourth = reading.samples
    assert first.facts.labels == ("engine accelerating, revving, vroom",)
    assert (second.facts.id, second.facts.group, second.facts.split) == (
        "bb_bbbbbbbb_000007",
        "bb_bbbbbbbb",
        "test",
    )
    assert third.media.name == "-cccccccccc_120.mp4"
    assert fourth.audio == tmp_path / "audio/ddddddddddd_000000.wav"
    assert {sample.facts.split for sample in (first, third, fourth)} == {"train", "val"}


def test_a_training_clip_of_a_test_video_is_left_out(tmp_path, put):
    write_table(tmp_path, "aaaaaaaaaaa,0,bell,train", "aaaaaaaaaaa,30,bell,test")
    put(tmp_path, "aaaaaaaaaaa_000000.mp4", "aaaaaaaaaaa_000030.mp4")
    reading = READER.read(tmp_path)
    assert [sample.facts.id for sample in reading.samples] == ["aaaaaaaaaaa_000030"]
    assert "that has a test clip, left out: 1, aaaaaaaaaaa_000000." in reading.remarks[0]


def test_a_second_file_of_a_name_and_a_second_row_are_named(tmp_path, put):
    write_table(tmp_path, "aaaaaaaaaaa,0,bell,train", "aaaaaaaaaaa,0,dog,train")
    put(tmp_path, "one/aaaaaaaaaaa_000000.mp4", "two/aaaaaaaaaaa_000000.mp4")
    reading = READER.read(tmp_path)
    assert [sample.media.parent.name for sample in reading.samples] == ["one"]
    assert reading.samples[0].facts.labels == ("bell",)
    assert "two/aaaaaaaaaaa_000000.mp4" in reading.remarks[0]
    assert "(aaaaaaaaaaa_000000)" in reading.remarks[1]


def test_a_heading_is_no_clip(tmp_path, put):
    write_table(tmp_path, "aaaaaaaaaaa,0,bell,train", heading="youtube_id,start,label,split\n")
    put(tmp_path, "aaaaaaaaaaa_000000.mp4")
    assert len(READER.read(tmp_path).samples) == 1


@pytest.mark.parametrize(
    "row", ["aaaaaaaaaaa,0,bell", "aaaaaaaaaaa,0,bell,validation", "aaaaaaaaaaa,0,a,b,test"]
)
def test_a_broken_table_is_refused_and_the_clip_numbered(tmp_path, row):
    write_table(tmp_path, "bbbbbbbbbbb,0,bell,train", row)
    with pytest.raises(DataError, match=r"vggsound\.csv, clip 2: expected id, start, label, train or test"):
        READER.read(tmp_path)


def test_a_table_without_rows_is_refused(tmp_path):
    write_table(tmp_path)
    with pytest.raises(DataError, match="lists no clip"):
        READER.read(tmp_path)


def test_names_of_a_clip():
    assert file_names("a_b-5678901_000032") == (
        "a_b-5678901_000032",
        "a_b-5678901_32000_42000",
        "a_b-5678901_000032_000042",
        "a_b-5678901_32_42",
        "a_b-5678901_32",
    )
    assert file_names("no start") == ("no start",)
