import json

import numpy as np
import pytest

from training.data.examples import Facts
from training.evaluation.boxes import MapScore
from training.evaluation.tables import to_markdown
from training.trial.arms import SHUFFLED, TRAINED, UNTRAINED, Arm
from training.trial.gallery import Gallery
from training.trial.report import report_on, tables, write_json


def arm(name, *seeds):
    """An arm whose maps hit (1) or miss (0), moment by moment; every other figure is as large."""

    def score(hit):
        return MapScore(True, float(hit), float(hit), *(np.full(4, float(hit)) for _ in range(3)))

    return Arm(name, [[score(hit) for hit in hits] for hits in seeds])


@pytest.fixture
def gallery():
    """Four moments, the last two of one video; the source of the first covers the centre."""
    truths = np.zeros((4, 224, 224), bool)
    truths[0, 100:130, 100:130] = truths[1:, :50, :50] = True
    facts = (Facts("a"), Facts("b"), Facts("c", group="video"), Facts("d", group="video"))
    return Gallery("made", {}, truths, facts)


@pytest.fixture
def report(gallery):
    arms = [
        arm(TRAINED, [1, 1, 1, 1], [1, 0, 1, 1]),
        arm(SHUFFLED, [0, 0, 0, 0], [0, 0, 0, 0]),
        arm(UNTRAINED, [1, 0, 0, 1], [1, 0, 0, 0]),
        arm("fixed", [1, 1, 0, 0]),
    ]
    return report_on(gallery, arms)


def test_scores_are_means_over_the_seeds(report):
    pointing = {row.name: row.everywhere.pointing.value for row in report.rows}
    assert pointing == {TRAINED: 87.5, SHUFFLED: 0, UNTRAINED: 37.5, "fixed": 50}
    assert report.rows[0].off_centre.pointing.value == pytest.approx(100 * 2.5 / 3)
    assert report.seeds == {TRAINED: (100, 75), SHUFFLED: (0, 0), UNTRAINED: (50, 25)}


def test_the_verdict_is_the_difference_on_the_same_moments(report):
    ahead = {verdict.control: verdict.ahead for verdict in report.verdicts}
    assert {name: estimate.value for name, estimate in ahead.items()} == {UNTRAINED: 50, SHUFFLED: 87.5}
    # By moment trained is ahead of untrained by 0, 50 and, in the video, by 100 and 50 points.
    assert ahead[UNTRAINED].n == 3
    assert (ahead[UNTRAINED].low, ahead[UNTRAINED].high) == (0, 75)


def test_any_arm_may_be_held_against_any_others(gallery):
    arms = [arm("small", [1, 1, 0, 0]), arm("large", [1, 1, 1, 0]), arm("other", [0, 0, 0, 0])]
    report = report_on(gallery, arms, own="small", controls=("large", "other"))
    assert [(verdict.arm, verdict.control, verdict.ahead.value) for verdict in report.verdicts] == [
        ("small", "large", -25),
        ("small", "other", 50),
    ]
    assert "| small ahead of large | -25.0 |" in to_markdown(tables(report)[1])


def test_tables_and_file_give_the_same_figures(report, tmp_path):
    rows, ahead = map(to_markdown, tables(report))
    assert "made: 4 moments" in rows
    assert "| trained | 87.5" in rows
    assert "| 100.0 75.0 |" in rows
    assert "| trained ahead of untrained | 50.0 | 0.0 to 75.0 |" in ahead
    write_json(tmp_path / "trial.json", [report], {"method": "cmc"})
    content = json.loads((tmp_path / "trial.json").read_text())
    assert content["about"] == {"method": "cmc"}
    (made,) = content["galleries"]
    assert made["rows"][0]["name"] == TRAINED
    assert made["rows"][0]["everywhere"]["pointing"]["value"] == 87.5
    assert made["verdicts"][1] == {
        "arm": TRAINED,
        "control": SHUFFLED,
        "ahead": {"value": 87.5, "low": 50, "high": 100, "n": 3},
    }
    assert made["seeds"][TRAINED] == [100, 75]
