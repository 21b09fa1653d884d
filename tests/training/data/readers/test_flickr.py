import pytest

from training.data.readers import DataError, find_reader
from training.data.readers.flickr import read_annotation

READER = find_reader("flickr")


def annotation(*annotators):
    """An annotation file: for each annotator boxes in pixels of 256, each after something to be skipped."""
    boxes = [
        "".join(
            "<bbox><what>7</what>" + "".join(f"<e{k}>{edge}</e{k}>" for k, edge in enumerate(box)) + "</bbox>"
            for box in drawn
        )
        for drawn in annotators
    ]
    people = "".join(f"<annotator>{drawn}</annotator>" for drawn in boxes)
    return f"<annotation><filename>x</filename>{people}</annotation>"


@pytest.fixture
def flickr(tmp_path, write_picture, write_sound):
    """Pictures 1 to 3 with boxes, 4 and 5 without; 3 has no sound."""
    for number in range(1, 6):
        write_picture(tmp_path / "frames" / f"{number}.jpg")
        if number != 3:
            write_sound(tmp_path / "audio" / f"{number}.wav")
    (tmp_path / "Annotations").mkdir()
    texts = {
        "1": annotation([(0, 0, 128, 256)], [(64, 0, 192, 256)]),
        "2": annotation([(3, 5, 250, 255)]),
        "3": annotation([(0, 0, 9, 9)]),
    }
    for name, text in texts.items():
        (tmp_path / "Annotations" / f"{name}.xml").write_text(text)
    return tmp_path


def test_the_truth_is_the_consensus_of_the_annotators(flickr):
    sample = READER.read(flickr).samples[0]
    assert (sample.facts.id, len(sample.boxes), sample.agreement) == ("1", 2, 2)
    footage = sample.footage(size=16, fps=2)
    assert footage.judged.sum() == 1
    row = footage.truth[footage.judged][0, 100]
    # int(224 * v / 256): columns 0 to 111 by the first annotator, 56 to 167 by the second.
    assert row[:56].tolist() == [0.5] * 56
    assert row[56:112].tolist() == [1.0] * 56
    assert row[112:168].tolist() == [0.5] * 56
    assert not row[168:].any()


def test_coordinates_are_scaled_and_truncated_as_published(flickr):
    rows, columns = READER.read(flickr).samples[1].truth().nonzero()
    # int(224 * 3 / 256) = int(2.625), int(224 * 5 / 256) = int(4.375), int(224 * 250 / 256) = int(218.75)
    # and int(224 * 255 / 256) = int(223.125); the ends are not included.
    assert (columns.min(), columns.max() + 1) == (2, 218)
    assert (rows.min(), rows.max() + 1) == (4, 223)


def test_without_a_list_what_has_boxes_is_for_testing(flickr):
    reading = READER.read(flickr)
    splits = {sample.facts.id: sample.facts.split for sample in reading.samples}
    assert {"1": splits["1"], "2": splits["2"]} == {"1": "test", "2": "test"}
    assert {splits["4"], splits["5"]} == {"train", "val"}
    assert [bool(sample.boxes) for sample in reading.samples] == [True, True, False, False]
    assert reading.missing == ("3",)


@pytest.mark.parametrize("lines", ["1,202\n4,0\n6,3\n", "1.jpg\n4.jpg\n6.jpg\n"])
def test_with_a_list_what_is_on_it_is_for_testing(flickr, lines):
    (flickr / "flickr_test.csv").write_text(lines)
    reading = READER.read(flickr)
    splits = {sample.facts.id: sample.facts.split for sample in reading.samples}
    assert splits["1"] == "test"
    assert "test" not in (splits["2"], splits["5"])
    assert "4" not in splits
    assert set(reading.missing) == {"4.xml", "6", "3"}
    by_id = {sample.facts.id: sample for sample in reading.samples}
    assert by_id["2"].boxes  # boxes for training


def test_pictures_whose_boxes_have_no_area_are_named(flickr):
    (flickr / "Annotations" / "2.xml").write_text(annotation([(9, 9, 9, 200)], []))
    reading = READER.read(flickr)
    assert "without truth: 2." in reading.remarks[0]
    assert not reading.samples[1].footage(size=16, fps=2).judged.any()


@pytest.mark.parametrize(
    "text", ["no xml", "<a><b><bbox><x>1</x><x>2</x><x>3</x></bbox></b></a>", annotation([("a", 1, 2, 3)])]
)
def test_a_broken_annotation_is_refused_and_named(tmp_path, text):
    path = tmp_path / "7.xml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"7\.xml is not an annotation"):
        read_annotation(path)


def test_an_empty_list_is_refused(flickr):
    (flickr / "flickr_test.csv").write_text("\n")
    with pytest.raises(DataError, match="lists no picture"):
        READER.read(flickr)
