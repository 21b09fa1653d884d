import dataclasses

import numpy as np
import pytest
import torch

from tests.training.methods.made_scenes import WIDTHS, scene, write_scenes
from training.cache.reading import open_cache
from training.data.examples import Facts
from training.evaluation.tables import to_markdown
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.trial import guidance
from training.trial.gallery import Gallery, gallery_of
from training.trial.guidance import ARMS, FIGURES, UNTRAINED, chance, related, report_on, tables, values_of


def gallery(*labels, **facts):
    made = tuple(Facts(f"{number}", labels=names, **facts) for number, names in enumerate(labels))
    return Gallery("made", {}, np.zeros((len(made), 224, 224), bool), made)


def test_a_common_label_relates_moments_and_one_without_has_only_itself():
    found = related(gallery(("dog",), ("dog", "cat"), (), ("cat",), ()))
    assert found.tolist() == [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 1, 0],
        [0, 0, 1, 0, 0],
        [0, 1, 0, 1, 0],
        [0, 0, 0, 0, 1],
    ]


def test_values_of_each_moment_worked_by_hand(monkeypatch):
    """Twelve moments, the first two of one class. In row 0 the own frame is second, behind that of row 1."""
    scores = torch.eye(12)
    scores[0, 0], scores[0, 1] = 0.8, 0.9
    scores[11] = torch.arange(12, 0, -1)  # of the last sound the own frame is last
    monkeypatch.setattr(guidance, "sounds_by_frames", lambda *_: scores)
    monkeypatch.setattr(guidance, "as_localizer", lambda module: module)
    made = gallery(("dog",), ("dog",), *[(f"{number}",) for number in range(10)])
    monkeypatch.setattr(Gallery, "maps", lambda *_: np.zeros((12, 4, 4)))
    values = dict(zip(FIGURES, values_of(None, made).T, strict=True))
    assert values["sound to frame, R@1"].tolist() == [0] + [1] * 10 + [0]
    assert values["sound to frame, R@5"].tolist() == [1] * 11 + [0]
    assert values["sound to frame, R@10"].tolist() == [1] * 11 + [0]
    # Row 0: both of the first two places are right. Row 1: the own frame, then one that ties comes first by
    # its number, which is that of row 0.
    assert values["sound to frame, mAP@R"].tolist() == [1] * 11 + [0]
    # Of each frame the last sound is the best, so the own one is second; frame 1 has the sound 0 before it.
    assert values["frame to sound, R@1"].tolist() == [0] * 11 + [1]
    assert values["frame to sound, mAP@R"][[0, 1, 2]].tolist() == [0.25, 0.25, 0]
    assert values["pointing"].tolist() == [0] * 12


def test_values_of_a_module_are_those_of_its_maps_and_cosines(tmp_path):
    cache = open_cache(write_scenes(tmp_path / "test", [scene(number) for number in range(8)]))
    torch.manual_seed(0)
    module = Cmc(CmcConfig(width=16), WIDTHS).eval()
    values = values_of(module, gallery_of(cache, "test"))
    assert values.shape == (8, len(FIGURES))
    assert values[:, FIGURES.index("sound to frame, R@10")].tolist() == [1] * 8
    assert set(values[:, FIGURES.index("pointing")]) <= {0, 1}


def test_chance_is_the_mean_over_random_orders():
    labels = [("a",)] * 4 + [("b",)] * 3 + [("c",)] * 13
    made = related(gallery(*labels))
    expected = chance(made)
    assert expected["sound to frame, R@1"] == expected["frame to sound, R@1"] == pytest.approx(5)
    assert expected["frame to sound, R@10"] == pytest.approx(50)
    generator = torch.Generator().manual_seed(0)
    drawn = [guidance._found(torch.rand(20, 20, generator=generator), made)[3].mean() for _ in range(1000)]
    assert expected["sound to frame, mAP@R"] == pytest.approx(100 * np.mean(drawn), abs=0.5)
    assert "pointing" not in expected
    assert chance(related(gallery(("a",))))["sound to frame, mAP@R"] == 100


@pytest.fixture
def report():
    """Four moments, the last two of one video, and two seeds; an arm's figures are all alike."""
    made = gallery(*[("dog",)] * 4)
    facts = [*made.facts[:2], *(dataclasses.replace(facts, group="video") for facts in made.facts[2:])]
    made = dataclasses.replace(made, facts=tuple(facts))

    def seeds(*values):
        return [np.array(one, float)[:, None].repeat(len(FIGURES), 1) for one in values]

    arms = {
        "none": seeds([1, 0, 0, 0], [1, 0, 0, 0]),
        "elg": seeds([1, 1, 1, 1], [1, 0, 1, 1]),
        "shuffled-elg": seeds([0, 1, 1, 1], [0, 1, 1, 1]),
        "plg": seeds([0, 0, 0, 0], [0, 0, 0, 0]),
        "shuffled": seeds([1, 1, 0, 0], [1, 0, 0, 0]),
        UNTRAINED: seeds([0, 0, 0, 0], [0, 0, 0, 1]),
    }
    assert (*ARMS, UNTRAINED) == tuple(arms)
    return report_on(made, arms)


def test_figures_are_means_over_the_seeds_with_each_seed(report):
    found = {name: arm["pointing"] for name, arm in report.arms.items()}
    assert {name: figure.mean.value for name, figure in found.items()} == {
        "none": 25, "elg": 87.5, "shuffled-elg": 75, "plg": 0, "shuffled": 37.5, UNTRAINED: 12.5,
    }  # fmt: skip
    assert found["elg"].seeds == (100, 75)
    assert found["elg"].mean.n == 3


def test_arms_are_compared_on_the_same_moments_with_none_and_with_its_control(report):
    ahead = {name: figures["pointing"] for name, figures in report.ahead.items()}
    assert {name: estimate.value for name, estimate in ahead.items()} == {
        "elg - none": 62.5, "shuffled-elg - none": 50, "plg - none": -25, "shuffled - none": 12.5,
        "elg - shuffled-elg": 12.5, "plg - shuffled": -37.5,
    }  # fmt: skip
    # By moment elg is ahead of none by 0 and 50, and in the video by 100 points.
    assert (ahead["elg - none"].low, ahead["elg - none"].high) == (0, 100)


def test_tables_say_the_same(report):
    figures, ahead = map(to_markdown, tables(report))
    assert "made: 4 moments" in figures
    assert "| pointing | 25.0 (25.0 25.0) | 87.5 (100.0 75.0) |" in figures
    assert "| sound to frame, R@1 |" in figures
    assert figures.splitlines()[4].endswith("| 25.0 |")
    assert figures.splitlines()[-1].endswith("| - |")
    assert "| pointing | +62.5 [0.0, 100.0] | +50.0 [" in ahead
