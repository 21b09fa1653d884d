import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from app.inference.manifest import Metric
from training.evaluation.features import Probes, SideBySide
from training.evaluation.kinds import differ, instruments_of, kinds_of
from training.evaluation.outputs import (
    BEGIN,
    END,
    Provenance,
    manifest_metrics,
    write_docs,
    write_json,
    write_metrics,
)
from training.evaluation.report import (
    CENTRE_DISC,
    OURS,
    SHUFFLED,
    VISION_ONLY,
    WHOLE_IMAGE,
    goals,
    summary,
)
from training.evaluation.score import evaluate_localizer, everything_at_once
from training.evaluation.tables import clip_table, report_tables, to_markdown
from training.metrics.localization import Rule

ROOT = Path(__file__).parents[2]
PROVENANCE = Provenance(
    "default", "1.0.0", "nothing", date(2024, 2, 29), "earsight-train evaluate clips --data DIR"
)


def listener(tokens, class_map, events):
    """Marks what is heard: the channel of the tokens that the events select."""
    heatmap = np.einsum("nhwd,nd->nhw", tokens, events[:, :4])
    return heatmap, heatmap.max(axis=(1, 2))


def deaf(tokens, class_map, events):
    """Marks everything that could sound, whatever is heard."""
    heatmap = tokens.max(axis=3)
    return heatmap, heatmap.max(axis=(1, 2))


def test_a_listener_scores_full_marks_with_its_own_sound_and_none_with_another(made_clips):
    report = evaluate_localizer(listener, made_clips)
    ours, shuffled = report.row(OURS).everywhere, report.row(SHUFFLED).everywhere
    assert ours.pointing.value == 100
    assert ours.success[Rule.ABSOLUTE].value == 100
    assert ours.success[Rule.AREA].value == 100
    assert ours.mean_iou.value > 90
    # One of five other clips is of the same kind, for all but the animal, whose twin is weak but still heard.
    assert shuffled.success[Rule.ABSOLUTE].value == pytest.approx(20)
    swap = report.controls.other_kind
    assert swap.swapped_area.value == 0
    assert swap.ratio.value == 0
    assert swap.presence_auc.value == 100
    assert (swap.fires_own.value, swap.fires_swapped.value) == (100, 0)
    assert swap.n_pairs == 6 * 4


def test_a_deaf_map_scores_well_on_boxes_and_is_found_out_by_the_controls(made_clips):
    report = evaluate_localizer(deaf, made_clips)
    ours = report.row(OURS).everywhere
    assert ours.success[Rule.ABSOLUTE].value == 100
    assert report.row(SHUFFLED).everywhere == ours
    assert report.row(VISION_ONLY).everywhere == ours
    assert report.controls.other_kind.ratio.value == pytest.approx(1)
    assert report.controls.other_kind.presence_auc.value == pytest.approx(50)
    assert report.controls.silence.worst > 10
    assert report.controls.silence.false_alarms.value == 100


def test_trivial_predictors_stand_beside_every_report(made_clips):
    report = evaluate_localizer(listener, made_clips)
    assert [row.name for row in report.rows] == [OURS, WHOLE_IMAGE, CENTRE_DISC, VISION_ONLY, SHUFFLED]
    whole, disc = report.row(WHOLE_IMAGE).everywhere, report.row(CENTRE_DISC).everywhere
    assert whole.pointing is None
    assert whole.mean_iou.value == pytest.approx(100 * 36 / 256)
    assert disc.pointing.value == pytest.approx(20)  # the first of five scored clips covers the centre
    assert disc.success[Rule.AREA].value == pytest.approx(20)
    assert disc.success[Rule.ABSOLUTE].value == 0


def test_weak_clips_are_never_scored_but_take_part_in_the_controls(made_clips):
    report = evaluate_localizer(listener, made_clips)
    assert (report.n_clips, report.n_scored, report.n_off_centre) == (6, 5, 4)
    assert report.row(OURS).everywhere.mean_iou.n == 5
    assert report.row(OURS).off_centre.mean_iou.n == 4
    assert report.controls.silence.area.n == 6
    weak = report.clips[3]
    assert (weak.pointing, weak.iou, weak.truth_area) == (None, None, None)
    assert weak.own_area > 0
    assert report.clips[4].pointing is True  # rows of scored clips are found past the weak one


def test_only_weak_clips_cannot_be_evaluated(make_features):
    with pytest.raises(ValueError, match="boxes"):
        evaluate_localizer(listener, [make_features("human", (5, 5), tier="weak")])


def test_a_single_clip_has_no_swaps(make_features):
    report = evaluate_localizer(listener, [make_features("human", (5, 5))])
    assert report.controls.other_kind is None
    assert report.row(OURS).off_centre is None
    assert [row.name for row in report.rows] == [OURS, WHOLE_IMAGE, CENTRE_DISC, VISION_ONLY]
    assert report_tables(report)


def test_other_instruments_are_compared_within_music_alone(made_clips):
    swap = evaluate_localizer(listener, made_clips).controls.other_instrument
    assert swap.n_pairs == 2
    assert swap.own_area.n == 2
    assert swap.ratio.value == pytest.approx(
        1
    )  # the listener knows music, but not one instrument from another


def test_batches_do_not_change_the_report_and_inputs_are_float32(made_clips):
    seen = []

    def watched(tokens, class_map, events):
        assert all(
            part.dtype == np.float32 and part.flags.c_contiguous for part in (tokens, class_map, events)
        )
        assert len(tokens) == len(class_map) == len(events)
        seen.append(len(tokens))
        return listener(tokens, class_map, events)

    assert evaluate_localizer(watched, made_clips, batch=4) == evaluate_localizer(listener, made_clips)
    assert max(seen) == 4


def test_noise_and_the_worst_silent_clip_are_reported(made_clips):
    loud = np.zeros((2, 5), np.float32)
    loud[0, 1] = 1.0  # one of two seeds sounds like an animal
    hiss = np.zeros((2, 5), np.float32)
    hiss[1, 2] = 1.0
    report = evaluate_localizer(listener, made_clips, probes=Probes(silence=hiss, noises={"pink": loud}))
    pink = report.controls.noises["pink"]
    area = report.clips[2].own_area
    assert pink.area.value == pytest.approx(2 * area / 2 / 6, rel=0.02)
    assert pink.worst_file == "animal-9-0.mp4"
    assert pink.worst == pytest.approx(area, rel=0.02)
    assert pink.false_alarms.value == pytest.approx(100 * 2 / 2 / 6)
    assert report.controls.silence.worst_file == "music-0-0.mp4"
    assert report.clips[4].silence_area == report.controls.silence.worst


def test_mirrored_frames_must_give_mirrored_maps(made_clips):
    silence = np.zeros((1, 5), np.float32)
    mirrored = tuple((np.ascontiguousarray(clip.tokens[:, ::-1]), clip.class_map) for clip in made_clips)
    same = Probes(silence=silence, noises={}, flipped=mirrored)
    controls = evaluate_localizer(listener, made_clips, probes=same).controls
    assert (controls.flip_error.value, controls.flip_iou.value) == (0, 100)
    stuck = Probes(
        silence=silence, noises={}, flipped=tuple((clip.tokens, clip.class_map) for clip in made_clips)
    )
    assert evaluate_localizer(listener, made_clips, probes=stuck).controls.flip_iou.value < 60


def side_by_side(clips, left, right):
    tokens = np.concatenate([clips[left].tokens[:, ::2], clips[right].tokens[:, ::2]], axis=1)
    return SideBySide(left, right, tokens, clips[left].class_map)


def test_side_by_side_needs_the_sound_to_choose(made_clips):
    pairs = (side_by_side(made_clips, 0, 2), side_by_side(made_clips, 2, 4))
    probes = Probes(silence=np.zeros((1, 5), np.float32), noises={}, pairs=pairs)
    heard = evaluate_localizer(listener, made_clips, probes=probes).controls.interactive
    assert (heard.pointing_both.value, heard.iiou.value, heard.iiou_area.value) == (100, 100, 100)
    assert heard.iiou_saliency.value == 0
    unheard = evaluate_localizer(deaf, made_clips, probes=probes).controls.interactive
    assert (unheard.pointing_both.value, unheard.iiou.value) == (0, 0)


def test_boxes_of_a_pair_lie_on_their_own_halves(made_clips):
    left, right = side_by_side(made_clips, 0, 4).boxes(made_clips)
    np.testing.assert_allclose(left, [[5 / 32, 5 / 16, 11 / 32, 11 / 16]])
    np.testing.assert_allclose(right, [[0.5, 0, 0.5 + 6 / 32, 6 / 16]])
    assert made_clips[0].boxes[0, 0] == 5 / 16  # the clip itself is untouched


def test_everything_at_once_takes_the_loudest_of_each_event():
    sounds = np.array([[0.1, 0.9], [0.5, 0.2]], np.float32)
    np.testing.assert_array_equal(everything_at_once(sounds), np.array([0.5, 0.9], np.float32))


def test_goals_say_what_is_met(made_clips):
    met = {goal.name: goal.met for goal in goals(evaluate_localizer(listener, made_clips))}
    assert all(met.values())
    missed = {goal.name for goal in goals(evaluate_localizer(deaf, made_clips)) if not goal.met}
    assert missed == {"silence, largest area on any clip", "sound of another kind, area / own area"}


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


def test_docs_are_rewritten_between_their_markers_only(made_clips, tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text(f"# Before\n\n{BEGIN}\nstale line\n{END}\n\nAfter\n", encoding="utf-8")
    report = evaluate_localizer(listener, made_clips)
    for _ in range(2):
        write_docs(report, PROVENANCE, page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# Before\n\n{BEGIN}\n")
    assert text.endswith(f"{END}\n\nAfter\n")
    assert "stale line" not in text
    assert text.count("| centre disc |") == 3
    assert "Bundle `default` 1.0.0, 2024-02-29, 5 clips with boxes and 1 more" in text
    assert PROVENANCE.command in text


def test_a_page_without_markers_is_left_alone(made_clips, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing here\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no place"):
        write_docs(evaluate_localizer(listener, made_clips), PROVENANCE, page)
    assert page.read_text(encoding="utf-8") == "nothing here\n"


def test_the_committed_page_has_its_markers():
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    assert text.index(BEGIN) < text.index(END)


def test_the_report_is_valid_json(made_clips, tmp_path):
    write_json(evaluate_localizer(listener, made_clips), PROVENANCE, tmp_path / "report.json")
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert document["schema"] == "earsight.evaluation/1"
    assert document["report"]["rows"][0]["everywhere"]["success"]["absolute"]["value"] == 100
    assert document["report"]["clips"][0]["iou"]["area"] > 0.9
    assert {goal["met"] for goal in document["goals"]} == {True}


def test_manifest_metrics_carry_n_interval_and_the_centre_disc(made_clips, tmp_path):
    metrics = manifest_metrics(evaluate_localizer(listener, made_clips), dataset="made-up clips")
    write_metrics(metrics, tmp_path / "configs" / "metrics.json")
    listed = json.loads((tmp_path / "configs" / "metrics.json").read_text(encoding="utf-8"))
    assert tuple(Metric.model_validate(entry) for entry in listed) == metrics
    by_name = {metric.name: metric for metric in metrics}
    assert len(by_name) == len(metrics)
    assert by_name["ciou_absolute"].value == 100
    assert by_name["centre_disc_ciou_area"].n == 5
    assert by_name["presence_auc"].low is not None


def test_tables_hold_every_row_and_markdown_is_square(made_clips):
    report = evaluate_localizer(listener, made_clips)
    tables = [*report_tables(report), clip_table(report.clips)]
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.header)}
        lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1
    assert "ours" in summary(report)
