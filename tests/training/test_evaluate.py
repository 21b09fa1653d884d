"""`evaluate_localizer` on made-up cases: what a localiser that listens and one that does not are told."""

import numpy as np
import pytest

from tests.training.made_up import MadeCase, deaf, encode, listener, see, sounds_of
from training.evaluation.cases import Role
from training.evaluation.controls import _PresenceAuc
from training.evaluation.kinds import differ, instruments_of, kinds_of
from training.evaluation.others import ALL_UP_TO, MOST_OTHERS, other_sounds
from training.evaluation.probes import Probes, side_by_side
from training.evaluation.report import (
    CENTRE_DISC,
    CENTRED_SQUARE,
    OURS,
    PRIOR,
    SHUFFLED,
    VISION_ONLY,
    WHOLE_IMAGE,
    goals,
)
from training.evaluation.report_tables import report_tables
from training.evaluation.score import evaluate_localizer
from training.evaluation.sounds import Sounds
from training.evaluation.together import squeezed
from training.metrics.controls import separation
from training.metrics.localization import Rule
from training.metrics.masks import rasterize_box

QUIET = sounds_of(np.zeros((1, 5)))


def report_of(localize, encoded, **options):
    return evaluate_localizer(localize, encoded, **options).report


def test_a_listener_scores_full_marks_with_its_own_sound_and_none_with_another(heard_report):
    report = heard_report
    ours, shuffled = report.row(OURS).everywhere, report.row(SHUFFLED).everywhere
    assert ours.pointing.value == 100
    assert ours.success[Rule.ABSOLUTE].value == 100
    assert ours.success[Rule.AREA].value == 100
    assert ours.mean_iou.value > 90
    assert ours.mass.value > 90
    # One of five other cases is of the same kind, for all but the animal, whose twin is unjudged but heard.
    assert shuffled.success[Rule.ABSOLUTE].value == pytest.approx(20)
    swap = report.controls.other_kind
    assert swap.swapped_area.value == 0
    assert swap.ratio.value == 0
    assert swap.presence_auc.value == 100
    assert (swap.fires_own.value, swap.fires_swapped.value) == (100, 0)
    assert swap.n_pairs == 6 * 4


def test_a_deaf_map_scores_well_on_boxes_and_is_found_out_by_the_controls(made_cases):
    report = report_of(deaf, made_cases)
    ours = report.row(OURS).everywhere
    assert ours.success[Rule.ABSOLUTE].value == 100
    for name in (SHUFFLED, VISION_ONLY):
        same = report.row(name).everywhere
        assert (same.pointing, same.success, same.auc) == (ours.pointing, ours.success, ours.auc)
        assert same.mass.value == pytest.approx(ours.mass.value)
    assert report.controls.other_kind.ratio.value == pytest.approx(1)
    assert report.controls.other_kind.presence_auc.value == pytest.approx(50)
    assert report.controls.silence.worst > 10
    assert report.controls.silence.false_alarms.value == 100


def test_trivial_predictors_stand_beside_every_report(heard_report):
    report = heard_report
    names = [OURS, WHOLE_IMAGE, CENTRED_SQUARE, CENTRE_DISC, PRIOR, VISION_ONLY, SHUFFLED]
    assert [row.name for row in report.rows] == names
    whole, disc = report.row(WHOLE_IMAGE).everywhere, report.row(CENTRE_DISC).everywhere
    assert whole.pointing is None
    assert whole.mean_iou.value == whole.mass.value == pytest.approx(100 * 36 / 256)
    assert disc.pointing.value == pytest.approx(20)  # the first of five scored cases covers the centre
    assert disc.success[Rule.AREA].value == pytest.approx(20)
    assert disc.success[Rule.ABSOLUTE].value == 0
    # The square of 158 x 158 pixels is a mask already: every rule gives the same.
    square = report.row(CENTRED_SQUARE).everywhere
    assert square.pointing is None
    assert len({estimate.value for estimate in square.auc.values()}) == 1
    # The first truth, 84 x 84 pixels, lies wholly inside; it is the best of all with 84² / 158² < .5.
    assert square.success[Rule.AREA].value == 0


def test_the_mean_truth_never_holds_the_answer():
    # Three sources in three corners: the mean of the other two is elsewhere.
    apart = encode([MadeCase("human", corner) for corner in ((0, 0), (0, 10), (10, 0))])
    prior = report_of(listener, apart).row(PRIOR).everywhere
    assert prior.pointing.value == 0
    assert prior.mass.value == 0
    # Twice the same place, but in one group: what belongs to it does not count as another.
    group = {"group": "one video"}
    twins = [MadeCase("human", (0, 0), facts=group), MadeCase("animal", (0, 0), facts=group)]
    alone = encode([*twins, MadeCase("music", (10, 10))])
    assert report_of(listener, alone).row(PRIOR).everywhere.pointing.value == 0
    # In groups of their own each gives the other away.
    free = encode([MadeCase("human", (0, 0)), MadeCase("animal", (0, 0))])
    assert report_of(listener, free).row(PRIOR).everywhere.mean_iou.value == 100


def test_unjudged_cases_are_never_scored_but_take_part_in_the_controls(heard_report):
    report = heard_report
    assert (report.n_cases, report.n_scored, report.n_off_centre) == (6, 5, 4)
    assert report.row(OURS).everywhere.mean_iou.n == 5
    assert report.row(OURS).off_centre.mean_iou.n == 4
    assert report.controls.silence.area.n == 6
    unjudged = report.cases[3]
    assert (unjudged.pointing, unjudged.iou, unjudged.truth_area) == (None, None, None)
    assert unjudged.own_area > 0
    assert report.cases[4].pointing is True  # rows of scored cases are found past the unjudged one


def test_without_any_truth_there_is_no_report():
    with pytest.raises(ValueError, match="none of 1 examples can be scored"):
        evaluate_localizer(listener, encode([MadeCase("human", (5, 5), role=Role.UNJUDGED)]))


def test_a_single_case_has_neither_swaps_nor_others():
    report = report_of(listener, encode([MadeCase("human", (5, 5))]))
    assert report.controls.other_kind is None
    assert report.row(OURS).off_centre is None
    names = [OURS, WHOLE_IMAGE, CENTRED_SQUARE, CENTRE_DISC, VISION_ONLY]
    assert [row.name for row in report.rows] == names
    assert report_tables(report)


def test_other_instruments_are_compared_within_music_alone(heard_report):
    swap = heard_report.controls.other_instrument
    assert swap.n_pairs == 2
    assert swap.own_area.n == 2
    # The listener knows music, but not one instrument from another.
    assert swap.ratio.value == pytest.approx(1)


def test_batches_do_not_change_the_report_and_inputs_are_float32(made_cases, heard_report):
    seen = []

    def watched(*inputs):
        assert all(part.dtype == np.float32 and part.flags.c_contiguous for part in inputs)
        assert len({len(part) for part in inputs}) == 1
        seen.append(len(inputs[0]))
        return listener(*inputs)

    assert report_of(watched, made_cases, batch=4) == heard_report
    assert max(seen) == 4


def test_noise_and_the_worst_silent_case_are_reported(made_cases):
    loud = np.zeros((2, 5))
    loud[0, 1] = 1.0  # one of two seeds sounds like an animal
    hiss = np.zeros((2, 5))
    hiss[1, 2] = 1.0
    probes = Probes(silence=sounds_of(hiss), noises={"pink": sounds_of(loud)})
    report = report_of(listener, made_cases, probes=probes)
    pink = report.controls.noises["pink"]
    area = report.cases[2].own_area
    assert pink.area.value == pytest.approx(2 * area / 2 / 6, rel=0.02)
    assert pink.worst_id == "animal-9-0"
    assert pink.worst == pytest.approx(area, rel=0.02)
    assert pink.false_alarms.value == pytest.approx(100 * 2 / 2 / 6)
    assert report.controls.silence.worst_id == "drums-0-0"
    assert report.cases[4].silence_area == report.controls.silence.worst


def test_mirrored_frames_must_give_mirrored_maps(made_cases):
    controls = report_of(listener, made_cases, probes=Probes(QUIET, {}, see=see)).controls
    assert (controls.flip_error.value, controls.flip_iou.value) == (0, 100)
    assert controls.flip_error.n == 6

    def stuck(frames):
        return see(frames[:, :, ::-1])

    stuck_controls = report_of(listener, made_cases, probes=Probes(QUIET, {}, see=stuck)).controls
    assert stuck_controls.flip_iou.value < 60


def test_side_by_side_needs_the_sound_to_choose(made_cases):
    heard = report_of(listener, made_cases, probes=Probes(QUIET, {}, see=see)).controls.side_by_side
    assert heard.n == 5  # every scored case has a partner of another kind
    assert (heard.pointing_all.value, heard.iiou.value, heard.iiou_area.value) == (100, 100, 100)
    assert (heard.iiou_saliency.value, heard.iiou_disc.value) == (0, 0)
    unheard = report_of(deaf, made_cases, probes=Probes(QUIET, {}, see=see)).controls.side_by_side
    assert (unheard.pointing_all.value, unheard.iiou.value) == (0, 0)


def test_truths_of_a_pair_lie_on_their_own_halves():
    box = (5 / 16 + 0.003, 5 / 16, 11 / 16 + 0.003, 11 / 16)
    left, right = squeezed(*[rasterize_box(box).astype(np.float32)] * 2)
    halved = (box[0] / 2, box[1], box[2] / 2, box[3])
    np.testing.assert_array_equal(left > 0, rasterize_box(halved))
    shifted = (halved[0] + 0.5, box[1], halved[2] + 0.5, box[3])
    np.testing.assert_array_equal(right > 0, rasterize_box(shifted))


def test_side_by_side_keeps_the_size():
    frame = side_by_side(np.full((9, 9, 3), 10, np.uint8), np.full((9, 9, 3), 200, np.uint8))
    assert frame.shape == (9, 9, 3)
    assert frame[:, :4].max() == 10
    assert frame[:, 4:].min() == 200


def scene(*corners, role=Role.SCORED):
    """Sources of different kinds that sound in turn, all of which stand in the picture of each."""
    kinds = ("human", "animal", "music")
    cases = [
        MadeCase(kind, corner, role=role, facts={"scene": "s", "group": "g"})
        for kind, corner in zip(kinds, corners, strict=False)
    ]
    encoded = encode(cases)
    encoded.pictures.tokens[:] = encoded.pictures.tokens.max(axis=0)
    return encoded


def test_a_scene_succeeds_only_if_each_source_is_found_on_its_own_sound():
    both = scene((0, 0), (9, 9))
    heard = report_of(listener, both)
    assert heard.n_groups == 1
    assert (heard.scenes.n, heard.scenes.iiou.value, heard.scenes.pointing_all.value) == (1, 100, 100)
    # What could sound is found by the deaf map as well, but not which.
    assert (heard.scenes.iiou_saliency.value, heard.scenes.iiou_disc.value) == (0, 0)
    assert report_of(deaf, both).scenes.iiou.value == 0


def test_sources_of_one_scene_never_lend_each_other_their_sounds():
    report = report_of(listener, scene((0, 0), (9, 9)))
    assert SHUFFLED not in [row.name for row in report.rows]
    assert report.controls.other_kind is None


def test_cases_without_a_scene_make_none(heard_report):
    assert heard_report.scenes is None


def test_negative_cases_are_measured_apart():
    # The third picture shows an instrument, but an animal is heard.
    wrong = MadeCase("music", (5, 5), role=Role.NEGATIVE)
    encoded = encode([MadeCase("human", (5, 5)), MadeCase("animal", (5, 5)), wrong])
    encoded.sounds.events[2] = [0, 1, 0, 0, 0]
    report = report_of(listener, encoded)
    assert (report.n_scored, report.n_negatives) == (2, 1)
    (heard,) = report.negatives
    assert (heard.n, heard.area.value, heard.fires.value, heard.presence_auc.value) == (1, 0, 0, 100)
    ours = next(row for row in heard.extended if (row.name, row.rule) == (OURS, Rule.ABSOLUTE))
    assert (ours.average_precision.value, ours.max_f1.value, ours.accuracy.value) == (100, 100, 100)
    # A deaf map is as sure of the wrong pair as of the right ones: all three are detected together.
    (unheard,) = report_of(deaf, encoded).negatives
    ours = next(row for row in unheard.extended if (row.name, row.rule) == (OURS, Rule.ABSOLUTE))
    assert ours.average_precision.value == pytest.approx(100 * 2 / 3)
    assert ours.max_f1.value == pytest.approx(80)  # precision 2/3, recall 1
    assert unheard.fires.value == 100
    assert unheard.presence_auc.value == 50
    # Its sound belongs to no picture: it is lent to none.
    assert report.cases[2].swapped_area is None
    assert report.controls.other_kind.n_pairs == 2


def test_negatives_are_taken_apart_by_what_a_reader_says_of_them():
    def negative(corner, **extra):
        return MadeCase("music", corner, role=Role.NEGATIVE, facts={"extra": extra})

    encoded = encode(
        [
            MadeCase("human", (5, 5)),
            negative((0, 0), negative="other sound", same_class="no"),
            negative((1, 1), negative="other sound", same_class="yes"),
            negative((2, 2), negative="own sound"),
        ]
    )
    parts = {part.name: part.n for part in report_of(listener, encoded).negatives}
    assert parts == {
        "all": 3,
        "sound of another clip": 2,
        "own sound, source out of sight": 1,
        "sound of another class": 1,
        "sound of the class that is seen": 1,
    }


def test_a_report_without_negatives_says_nothing_about_them(heard_report):
    assert heard_report.negatives == ()


def test_the_sources_are_taken_apart_by_size(made_cases):
    encoded = encode(
        [
            MadeCase("human", (0, 0), extent=2),  # 28 px
            MadeCase("animal", (0, 0), extent=6),  # 84 px
            MadeCase("music", (0, 0), extent=8),  # 112 px
            MadeCase("human", (0, 0), extent=12),  # 168 px
            MadeCase("human", (1, 1), extent=12),
        ]
    )
    parts = {part.name: part.figures for part in report_of(listener, encoded).breakdowns[0].parts}
    assert [figures[OURS].n for figures in parts.values()] == [1, 1, 1, 2]
    assert list(parts) == ["below 32 x 32", "to 96 x 96", "to 144 x 144", "beyond"]
    assert parts["beyond"][OURS].success[Rule.ABSOLUTE].value == 100
    assert set(parts["beyond"]) == {OURS, CENTRE_DISC, VISION_ONLY}


def test_what_a_reader_knows_of_the_examples_makes_another_breakdown():
    known, new = {"extra": {"known_kind": "yes"}}, {"extra": {"known_kind": "no"}}
    encoded = encode(
        [
            MadeCase("human", (0, 0), facts=known),
            MadeCase("animal", (9, 9), facts=new),
            MadeCase("music", (0, 9), facts=new),
            MadeCase("music", (9, 0)),
        ]
    )
    breakdowns = report_of(listener, encoded).breakdowns
    assert [breakdown.title for breakdown in breakdowns][1:] == ["By kind of object"]
    assert [part.figures[OURS].n for part in breakdowns[1].parts] == [1, 2]


def test_a_large_set_plays_a_draw_of_other_sounds():
    kinds = ("human", "animal", "music")
    large = encode([MadeCase(kinds[k % 3], (k % 11, k % 7)) for k in range(ALL_UP_TO + 5)])
    groups = np.arange(len(large.cases)) // 5
    drawn = other_sounds(large.cases, groups)
    assert {len(others) for others in drawn} == {MOST_OTHERS}
    assert all((groups[others] != groups[index]).all() for index, others in enumerate(drawn))
    assert all(len(set(others.tolist())) == len(others) for others in drawn)
    assert len({tuple(others) for others in drawn}) > 50
    again = other_sounds(large.cases, groups)
    assert all((one == other).all() for one, other in zip(drawn, again, strict=True))


def test_a_small_set_plays_all_other_sounds(made_cases):
    played = other_sounds(made_cases.cases, np.arange(6))
    assert played[0].tolist() == [1, 2, 3, 4, 5]
    assert played[5].tolist() == [0, 1, 2, 3, 4]


def test_presence_is_compared_across_cases_whatever_their_number_of_swaps():
    generator = np.random.default_rng(4)
    own = generator.random(5).round(1)
    swapped = [generator.random(size).round(1) for size in (1, 4, 2, 3, 1)]
    rows = np.array([0, 2, 2, 4])
    # The mean over all ordered pairs of drawn cases of how often one's own lies above the other's swapped.
    by_pair = np.mean([[separation(own[a : a + 1], swapped[b]) for b in rows] for a in rows])
    assert _PresenceAuc(own, swapped)(rows) == pytest.approx(100 * by_pair)


def test_everything_at_once_takes_the_loudest_of_each_event():
    events = np.array([[0.1, 0.9], [0.5, 0.2]], np.float32)
    everything = Sounds(events, np.array([[0, 2], [1, 4]], np.float32)).all_at_once()
    np.testing.assert_array_equal(everything.events, np.array([[0.5, 0.9]], np.float32))
    np.testing.assert_array_equal(everything.embedding, np.array([[0.5, 3]], np.float32))


def test_sounds_without_their_embeddings_are_refused():
    with pytest.raises(ValueError, match="2 sounds with 1 embeddings"):
        Sounds(np.zeros((2, 5), np.float32), np.zeros((1, 2), np.float32))


def test_goals_say_what_is_met(made_cases, heard_report):
    met = {goal.name: goal.met for goal in goals(heard_report)}
    assert all(met.values())
    missed = {goal.name for goal in goals(report_of(deaf, made_cases)) if not goal.met}
    assert missed == {"silence, largest area on any clip", "sound of another kind, area / own area"}


def test_the_embedding_reaches_the_localiser(made_cases):
    def by_embedding(tokens, class_map, events, embedding):
        channel = embedding[:, 0].round().astype(int)
        heatmap = tokens[np.arange(len(tokens)), :, :, channel]
        return heatmap, heatmap.max(axis=(1, 2))

    report = report_of(by_embedding, made_cases)
    assert report.row(OURS).everywhere.success[Rule.ABSOLUTE].value == 100
    assert report.controls.other_kind.swapped_area.value == 0


@pytest.mark.parametrize(
    ("sounds", "kinds"),
    [
        ("dog barking (small, man in foreground)", {"animal", "human"}),
        ("female singing (+ guitar)", {"human", "music"}),
        ("skateboard rolling under a dog", {"vehicle", "animal"}),
        ("carpet", set()),  # whole words only
        ("horse clip-clop", {"animal"}),
    ],
)
def test_kinds_are_read_from_the_text(sounds, kinds):
    assert kinds_of(sounds) == kinds


def test_instruments_that_look_alike_are_one_family():
    assert instruments_of("playing double bass") == {"bowed"}
    assert instruments_of("playing bass drum / drum kit") == {"drums"}
    assert instruments_of("dog") == frozenset()


def test_an_unknown_kind_is_no_other_kind():
    assert differ(frozenset({"human"}), frozenset({"music"}))
    assert not differ(frozenset({"human", "music"}), frozenset({"music"}))
    assert not differ(frozenset(), frozenset({"music"}))
