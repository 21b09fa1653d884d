import numpy as np
import pytest
import torch

from training.data.examples import Facts
from training.trial.gallery import Gallery
from training.trial.views import Quality, probe_accuracy, quality_table, recalls, single_labels


def gallery(*labels):
    facts = tuple(Facts(f"example{number}", labels=names) for number, names in enumerate(labels))
    return Gallery("made", {}, np.zeros((len(facts), 2, 2), bool), facts)


def test_recall_counts_what_is_at_least_as_good_as_the_right_one():
    # Row 0 is right; row 1 has one better; row 2 has an equal one, which comes first.
    scores = torch.tensor([[9.0, 1, 2], [5, 4, 3], [1, 7, 7]])
    assert recalls(scores) == pytest.approx((1 / 3, 1))
    many = torch.arange(7.0).repeat(7, 1)  # the right one of row k has 6 - k better ones
    assert recalls(many) == pytest.approx((1 / 7, 5 / 7))


def test_only_moments_with_one_name_are_probed():
    assert single_labels(gallery(("dog",), ("dog", "cat"), (), ("cat",))) == ([0, 3], ["dog", "cat"])


def test_the_probe_reads_what_can_be_read_off_and_skips_unknown_names():
    train = gallery(*[("dog",), ("cat",)] * 10)
    test = gallery(("dog",), ("cat",), ("cow",), ("dog",))
    sign = torch.tensor([1.0, -1] * 10)
    train_x = torch.stack([sign, torch.linspace(-1, 1, 20)], 1)
    # The last dog sounds like a cat; the cow is not counted.
    assert probe_accuracy(train_x, train, torch.tensor([[1.0, 0], [-1, 0], [1, 0], [-1, 0]]), test) == (
        pytest.approx(2 / 3)
    )


def test_the_table_gives_mean_and_range_over_seeds():
    seeds = [Quality(0.5, (0.1, 0.2), (0, 0)), Quality(0.7, (0.3, 0.2), (0, 1))]
    (row,) = quality_table([("audio, frame", seeds)], n_probe=4, n=9).rows
    assert row == (
        "audio, frame", "60.0 [50.0, 70.0]", "20.0 [10.0, 30.0]", "20.0 [20.0, 20.0]",
        "0.0 [0.0, 0.0]", "50.0 [0.0, 100.0]",
    )  # fmt: skip
