import numpy as np
import pytest
import torch

from training.guided.bridge import load_bridge
from training.methods.avdet.naming import (
    bridged_name,
    majority_names,
    matched_names,
    names_of_clusters,
)

SPEECH, BARK, MOO, CAR_HORN, THUNDER = 0, 70, 86, 302, 281
CHIHUAHUA, OX, SPORTS_CAR = 151, 345, 817


def events(*numbers):
    return 0.8 * torch.eye(521)[list(numbers)]


def looks(*numbers):
    """Class maps; None is a place where no class stands out."""
    return torch.stack(
        [torch.full((1000,), 1e-3) if n is None else 0.7 * torch.eye(1000)[n] for n in numbers]
    )


@pytest.fixture(scope="module")
def bridge():
    return load_bridge()


def test_one_class_a_kind_or_the_commonest_kind_of_each_class():
    clusters, kinds = np.array([0] * 5 + [1] * 3), ["cat"] * 3 + ["dog"] * 2 + ["cat"] * 3
    # Cats for class 1 and dogs for class 0 are right 5 times, the other way round 3 times.
    assert matched_names(clusters, kinds, n_clusters=2) == {0: "dog", 1: "cat"}
    assert majority_names(clusters, kinds) == {0: "cat", 1: "cat"}


def test_classes_that_are_left_over_get_no_name():
    clusters = np.array([0, 0, 1, 3, 3, 3])
    kinds = ["dog", "dog", "dog", "cat", "cat", "dog"]
    assert matched_names(clusters, kinds, n_clusters=5) == {0: "dog", 3: "cat"}
    assert majority_names(clusters, kinds) == {0: "dog", 1: "dog", 3: "cat"}
    assert matched_names(np.zeros(0, np.int64), [], n_clusters=2) == {}


@pytest.mark.parametrize(
    ("heard", "seen", "name"),
    [
        (BARK, CHIHUAHUA, "dog"),
        (CAR_HORN, SPORTS_CAR, "car"),
        (MOO, OX, "cow"),  # not "cattle", as the bridge says
        (SPEECH, None, "person"),
        (SPEECH, CHIHUAHUA, "speech"),  # a voice, but what is in sight is no person
        (BARK, SPORTS_CAR, "bark"),
        (THUNDER, None, "thunder"),
    ],
)
def test_what_is_both_heard_and_seen_gives_the_name_else_the_sound(bridge, heard, seen, name):
    assert bridged_name(events(heard, heard), looks(seen, seen), bridge) == name


def test_most_of_the_members_decide(bridge):
    sounds = events(BARK, BARK, CAR_HORN)
    assert bridged_name(sounds, looks(CHIHUAHUA, CHIHUAHUA, SPORTS_CAR), bridge) == "dog"


def names(members, sounds, sights, marked=(), labels=(), *, clusters=2):
    marked = torch.tensor(marked, dtype=torch.int64)
    members = torch.tensor(members)
    return names_of_clusters(members, events(*sounds), looks(*sights), marked, labels, clusters=clusters)


def test_clusters_may_have_the_same_name_and_those_without_members_are_objects():
    dogs = [BARK] * 3, [CHIHUAHUA] * 3
    assert names([0, 2, -1], *dogs, clusters=3) == ("dog", "object", "dog")


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (("wolf", "wolf", "wolf"), "wolf"),
        (("wolf", "fox", "wolf", "cat", "wolf"), "wolf"),  # three of five
        (("wolf", "fox", "wolf", "cat"), "dog"),  # half of them
        (("wolf", "wolf"), "dog"),  # too few
        (("wolf", "fox", "cat"), "dog"),  # they do not agree
        (("", "wolf", "", "wolf"), "dog"),  # two with a name
        (("", "wolf", "wolf", "wolf"), "wolf"),
    ],
)
def test_labels_count_more_than_the_bridge_if_enough_agree(labels, name):
    members = [0, 0, 1]
    sights = [CHIHUAHUA, CHIHUAHUA, SPORTS_CAR]
    found = names(members, [BARK, BARK, CAR_HORN], sights, [0] * len(labels), labels)
    assert found == (name, "car")
