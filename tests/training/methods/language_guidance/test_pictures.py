from pathlib import Path

import pytest
import torch

from training.loop.errors import LoopError
from training.methods.cmc_images.pictures import Folder, PictureFile, read_folder
from training.methods.language_guidance.pictures import SIDE, ClassBatches, encode, split_classes


def made_folder(*counts):
    names = tuple("abcdefgh"[: len(counts)])
    files = [
        PictureFile(Path(f"{name}/{number}.png"), label)
        for label, (name, count) in enumerate(zip(names, counts, strict=True))
        for number in range(count)
    ]
    return Folder(files[1:], files[:1], names, [])


def labels_of(files):
    return [file.label for file in files]


def test_the_first_half_of_the_classes_is_trained_and_nothing_is_lost():
    folder = made_folder(10, 10, 5, 3, 2)
    split = split_classes(folder, trained=0.5, validation=0.3)
    assert split.classes == ("a", "b")
    assert labels_of(split.val) == [0, 0, 0, 1, 1, 1]
    assert labels_of(split.train) == [0] * 7 + [1] * 7
    assert labels_of(split.unseen) == [2] * 5 + [3] * 3 + [4] * 2
    paths = {file.path for part in split[:3] for file in part}
    assert paths == {file.path for file in folder.train + folder.val}
    assert split == split_classes(folder, trained=0.5, validation=0.3)


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_two_classes_at_least_are_trained_and_two_are_unseen(share):
    split = split_classes(made_folder(6, 6, 6, 6, 6), trained=share, validation=0.01)
    assert min(len(split.classes), len(set(labels_of(split.unseen)))) == 2
    assert labels_of(split.val) == [label for label in range(len(split.classes)) for _ in range(2)]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((9,), "there are 1 classes"),
        ((9, 9, 9), "there are 3 classes"),
        ((9, 3, 9, 9), "class b has 3 pictures"),
        ((9, 9, 1, 1), "no unseen class has two"),
    ],
)
def test_too_few_are_refused(counts, message):
    with pytest.raises(LoopError, match=message):
        split_classes(made_folder(*counts), trained=0.5, validation=0.2)


def test_batches_hold_groups_of_one_class_and_no_picture_twice():
    labels = torch.tensor([0] * 5 + [1] * 4 + [2] * 6)
    plan = ClassBatches(labels, 6, per_class=2, seed=1)
    batches = plan(0)
    assert len(batches) == 2  # 2 + 2 + 3 groups, three in a batch
    seen = [index for batch in batches for index in batch]
    assert len(set(seen)) == len(seen) == 12
    for batch in batches:
        assert labels[batch[::2]].tolist() == labels[batch[1::2]].tolist()
    assert plan(0) == batches
    assert plan(1) != batches


@pytest.mark.parametrize(("size", "per_class"), [(8, 2), (2, 3)])
def test_a_batch_that_cannot_be_filled_is_refused(size, per_class):
    with pytest.raises(LoopError, match="groups of"):
        ClassBatches(torch.tensor([0, 0, 1, 1, 2]), size, per_class=per_class, seed=0)


def test_pictures_are_encoded_in_their_order(folder, classifier):
    there = read_folder(folder, side=SIDE)
    files = sorted(there.train + there.val, key=lambda file: file.path)
    encoded = encode(files, classifier)
    assert encoded.labels.tolist() == [label for label in range(4) for _ in range(12)]
    torch.testing.assert_close(encoded.features[-1:], encode(files[-1:], classifier).features)
    torch.testing.assert_close(encoded.logits, encoded.features + 5)
    assert 100 < encoded.features.mean() < 155  # of noise in 0 .. 255
    assert not encoded.features.requires_grad


def test_tokens_give_the_features_and_the_classifier_the_logits(folder, classifier):
    files = read_folder(folder, side=SIDE).train[:3]
    encoded = encode(files, classifier, lambda seen: seen[:, :2, ::14, ::14].permute(0, 2, 3, 1))
    assert encoded.features.shape == (3, 2)
    assert encoded.logits.shape == (3, 3)
