import pytest

from training.data.composites.splits import SPLITS, place_whole, share_out, splits_for


def test_names_are_shared_out_in_proportion():
    splits = share_out((f"file-{number}" for number in range(100)), SPLITS)
    counts = {split: list(splits.values()).count(split) for split in SPLITS}
    assert counts == {"train": 60, "val": 15, "test": 25}


@pytest.mark.parametrize("n", [3, 4, 5, 8])
def test_every_split_gets_one_where_there_are_enough(n):
    splits = share_out((f"file-{number}" for number in range(n)), SPLITS)
    assert set(splits.values()) == set(SPLITS)
    assert len(splits) == n


def test_fewer_names_than_splits_go_to_the_first_ones():
    assert share_out(["only"], SPLITS) == {"only": "train"}
    assert set(share_out(["one", "two"], ("train", "test")).values()) == {"train", "test"}


def test_the_order_of_the_names_does_not_matter():
    names = [f"file-{number}" for number in range(20)]
    assert share_out(names, SPLITS) == share_out(reversed(names), SPLITS)


def test_two_of_a_kind_are_for_training_and_for_the_test():
    assert splits_for(2) == ("train", "test")
    assert splits_for(3) == SPLITS


def test_kinds_that_lie_in_one_split_are_spread_over_all():
    splits = place_whole(f"kind-{number}" for number in range(40))
    counts = {split: list(splits.values()).count(split) for split in SPLITS}
    # 40 kinds in proportion are 24, 6 and 10; the golden ratio comes as near as one.
    assert all(abs(counts[split] - n) <= 1 for split, n in (("train", 24), ("val", 6), ("test", 10)))
