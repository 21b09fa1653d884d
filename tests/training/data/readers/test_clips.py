import pytest

from training.data.readers import DataError, find_reader

READER = find_reader("clips")
HEADING = "file,tier,sounds,boxes,time_s\n"


def test_the_table_gives_moments_and_boxes(tmp_path, write_video):
    write_video(tmp_path / "clips" / "a.mp4")
    (tmp_path / "clips.csv").write_text(
        HEADING
        + 'clips/a.mp4,estimated,dog barking,"[[0, 0, 0.5, 1]]",0.5\n'
        + 'clips/a.mp4,weak,dog barking,"[[0.4, 0, 0.5, 1]]",1.5\n'
        + 'clips/gone.mp4,official,bell,"[[0, 0, 1, 1]]",1.0\n'
    )
    reading = READER.read(tmp_path)
    assert reading.missing == ("clips/gone.mp4",)
    early, late = reading.samples
    assert (early.facts.id, late.facts.id) == ("clips_a~0.5s", "clips_a~1.5s")
    assert early.facts.group == late.facts.group
    assert {sample.facts.split for sample in reading.samples} == {"test"}
    assert (early.facts.labels, early.facts.extra) == (("dog barking",), {"tier": "estimated"})
    assert late.boxes == ()  # weak
    footage = early.footage(size=16, fps=2)
    assert footage.times_s[footage.judged] == pytest.approx([0.5], abs=0.051)
    assert footage.truth[footage.judged].sum() == 112 * 224
    assert not late.footage(size=16, fps=2).judged.any()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('a.mp4,estimated,dog,"[[0, 0, 0.5]]",1', "a.mp4"),
        ('a.mp4,estimated,dog,"[[0, 0, 0.5, 1]]",soon', "a.mp4"),
        ("a.mp4,estimated,dog,[],1", "no box with an area"),
        ("a.mp4,estimated", "a.mp4"),
        ("", "lists no clip"),
    ],
)
def test_a_broken_table_is_refused_and_the_row_named(tmp_path, row, message):
    (tmp_path / "clips.csv").write_text(HEADING + row + "\n")
    with pytest.raises(DataError, match=message):
        READER.read(tmp_path)


def test_another_table_is_refused(tmp_path):
    (tmp_path / "clips.csv").write_text("name,length\na.mp4,3\n")
    with pytest.raises(DataError, match=r"clips\.csv"):
        READER.read(tmp_path)
