import pytest

from training.data.readers.splits import split_groups


def test_about_a_tenth_is_for_validation():
    splits = split_groups(f"video {number}" for number in range(3000))
    assert set(splits.values()) == {"train", "val"}
    assert sum(split == "val" for split in splits.values()) == pytest.approx(300, abs=60)


def test_a_group_keeps_its_split_when_others_join():
    few = split_groups(f"video {number}" for number in range(100))
    many = split_groups(f"video {number}" for number in range(1000))
    assert few == {group: many[group] for group in few}


def test_both_sides_have_something_from_two_groups_on():
    assert split_groups(["one"]) == {"one": "train"}
    assert split_groups([]) == {}
    for number in range(200):
        splits = split_groups([f"a{number}", f"b{number}"])
        assert sorted(splits.values()) == ["train", "val"]
