import pytest

from training.data.readers import DataError, find_reader
from training.data.readers.ave import (
    AveEvent,
    best_constant,
    figures,
    hit_rate,
    partial_events,
    read_events,
)

READER = find_reader("ave")
ROWS = (
    "Church bell&aaaaaaaaaaa&good&0&10",
    "Bark&bbbbbbbbbbb&good&2&6",
    "Male speech, man speaking&ccccccccccc&good&0&5",
    "Female speech, woman speaking&ccccccccccc&good&0&5",
    "Bark&ddddddddddd&good&3&3",
)


def write_rows(path, *rows, heading=""):
    path.write_text(heading + "".join(f"{row}\n" for row in rows))


@pytest.fixture
def ave(tmp_path, put):
    write_rows(tmp_path / "Annotations.txt", *ROWS, heading="Category&VideoID&Quality&StartTime&EndTime\n")
    write_rows(tmp_path / "trainSet.txt", ROWS[0], ROWS[2], ROWS[4])
    write_rows(tmp_path / "valSet.txt", ROWS[1])
    write_rows(tmp_path / "testSet.txt", ROWS[3])
    put(tmp_path, *(f"AVE/{letter * 11}.mp4" for letter in "abcd"))
    return tmp_path


def test_events_have_spans_and_the_published_split(ave):
    reading = READER.read(ave)
    facts = {sample.facts.id: sample.facts for sample in reading.samples}
    assert list(facts) == [
        "aaaaaaaaaaa_church-bell",
        "bbbbbbbbbbb_bark",
        "ccccccccccc_male-speech-man-speaking",
        "ccccccccccc_female-speech-woman-speaking",
    ]
    assert [fact.split for fact in facts.values()] == ["train", "val", "test", "test"]
    bark = reading.samples[1]
    assert (bark.span_s, bark.facts.labels) == ((2.0, 6.0), ("Bark",))
    assert bark.facts.extra == {"onset_s": "2", "offset_s": "6"}
    assert reading.missing == ()


def test_a_video_stays_in_one_split_and_what_was_done_is_said(ave):
    reading = READER.read(ave)
    splits = {}
    for sample in reading.samples:
        splits.setdefault(sample.facts.group, set()).add(sample.facts.split)
    assert splits["ccccccccccc"] == {"test"}
    assert any(
        "all put into the one that is held out more: 1, ccccccccccc." in remark for remark in reading.remarks
    )
    assert "Ends at the second that it starts at, left out: ddddddddddd_bark." in reading.remarks


def test_videos_that_are_not_there_are_missing(ave):
    (ave / "AVE" / "bbbbbbbbbbb.mp4").unlink()
    reading = READER.read(ave)
    assert reading.missing == ("bbbbbbbbbbb (Bark)",)
    assert len(reading.samples) == 3


def test_without_set_files_nothing_is_for_testing(ave):
    for name in ("trainSet.txt", "valSet.txt", "testSet.txt"):
        (ave / name).unlink()
    reading = READER.read(ave)
    assert {sample.facts.split for sample in reading.samples} == {"train", "val"}
    assert "None of the set files is there" in reading.remarks[0]


def test_an_event_that_no_set_file_lists_is_left_out(ave):
    (ave / "valSet.txt").unlink()
    reading = READER.read(ave)
    assert "bbbbbbbbbbb_bark" not in {sample.facts.id for sample in reading.samples}
    assert "No valSet.txt." in reading.remarks
    assert "In none of the set files, left out: 1, bbbbbbbbbbb_bark." in reading.remarks


def test_events_are_decoded(ave, write_video):
    write_video(ave / "AVE" / "bbbbbbbbbbb.mp4")
    footage = READER.read(ave).samples[1].footage(size=16, fps=2)
    assert len(footage.frames) == 4
    assert not footage.judged.any()
    assert footage.waveform.size > 0


@pytest.mark.parametrize(
    "line", ["Bark&aaaaaaaaaaa&good&0", "Bark,aaaaaaaaaaa,good,0,10", "Bark&a&good&now&10"]
)
def test_a_broken_row_is_refused_and_quoted(tmp_path, line):
    write_rows(tmp_path / "Annotations.txt", ROWS[0], line)
    with pytest.raises(DataError, match=r"Annotations\.txt: 'Bark.* is not Category&VideoID"):
        READER.read(tmp_path)


def test_an_empty_file_is_refused(tmp_path):
    write_rows(tmp_path / "Annotations.txt")
    with pytest.raises(DataError, match="lists no event"):
        read_events(tmp_path / "Annotations.txt")


def test_figures_of_the_annotations():
    events = [
        AveEvent("a", "1", 0, 10),
        AveEvent("a", "2", 0, 10),
        AveEvent("b", "2", 4, 6),
        AveEvent("b", "3", 5, 5),
    ]
    found = figures(events)
    assert (found.events, found.videos, found.labels, found.partial, found.empty) == (4, 3, 2, 2, 1)
    assert found.whole_share == 0.5
    assert found.coverage == pytest.approx((10 + 10 + 2 + 0) / 40)


def test_pointing_at_one_second_in_every_video():
    events = [AveEvent("a", "1", 0, 10), AveEvent("a", "2", 0, 4), AveEvent("a", "3", 3, 6)]
    assert hit_rate(events, 3) == 1.0
    assert hit_rate(events, 0) == pytest.approx(2 / 3)
    # Of the partial events, [0, 4) and [3, 6), the end is not part: second 4 hits one of the two.
    assert hit_rate(partial_events(events), 4) == 0.5
    assert best_constant(partial_events(events)) == (3, 1.0)
