import numpy as np
import pytest

from training.metrics.retrieval import cluster_agreement, map_at_r, measure, rank, recall_at

# On a circle, from the left: a b a a b, so that each nearest neighbour can be seen.
ANGLES = np.array([0.0, 10.0, 25.0, 45.0, 70.0])
LABELS = np.array([0, 1, 0, 0, 1])


def on_circle(angles):
    return np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], 1).astype(np.float32)


@pytest.fixture
def ranking():
    return rank(on_circle(ANGLES), LABELS)


def test_hits_stand_in_the_order_of_similarity_without_the_query_itself(ranking):
    assert ranking.hits.astype(int).tolist() == [
        [0, 1, 1, 0],  # b a a b
        [0, 0, 0, 1],  # a a a b
        [0, 1, 1, 0],  # b (15 degrees), a (20), a (25), b (45)
        [1, 0, 0, 1],  # a (20), b (25), b (35), a (45)
        [0, 0, 1, 0],  # a a b a
    ]
    assert ranking.relevant.tolist() == [2, 1, 2, 2, 1]


@pytest.mark.parametrize(
    ("depth", "found"), [(1, [0, 0, 0, 1, 0]), (2, [1, 0, 1, 1, 0]), (4, [1] * 5), (8, [1] * 5)]
)
def test_recall_asks_for_one_hit_among_the_nearest(ranking, depth, found):
    assert recall_at(ranking, depth).astype(int).tolist() == found


def test_map_at_r_counts_the_first_r_places_only(ranking):
    # First query: R = 2, a hit at place 2 with precision 1/2, so (0 + 1/2) / 2; the hit at place 3 is beyond.
    assert map_at_r(ranking).tolist() == [0.25, 0.0, 0.25, 0.5, 0.0]


def test_an_item_alone_in_its_class_is_found_but_asks_nothing():
    ranking = rank(on_circle([0.0, 1.0, 3.0]), np.array([0, 1, 0]))
    assert ranking.hits.astype(int).tolist() == [[0, 1], [0, 1]]
    with pytest.raises(ValueError, match="nothing can be retrieved"):
        rank(on_circle([0.0, 1.0]), np.array([0, 1]))


def test_perfect_classes_have_all_measures_at_one_and_mixed_ones_do_not():
    vectors = on_circle(np.array([0.0, 1.0, 2.0, 80.0, 81.0, 82.0]))
    perfect = measure(vectors, np.array([0, 0, 0, 1, 1, 1]), resamples=20)
    assert [value.value for value in (*perfect.recall, perfect.map_at_r)] == [1.0] * 5
    assert perfect.nmi == pytest.approx(1.0)
    assert perfect.map_at_r.n == 6
    assert cluster_agreement(vectors, np.array([0, 1, 0, 1, 0, 1])) < 0.2
