"""A network that was trained on a made-up world, and its answers."""

from __future__ import annotations

import pytest

from tests.training.trial.made_world import World, learn
from training.trial.explained import Explained, explained
from training.trial.faithfulness import Faithful, faithful, randomised


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Takes some seconds. Do not write to it."""
    return learn(tmp_path_factory.mktemp("runs") / "world")


@pytest.fixture(scope="session")
def answers(world: World) -> list[Explained]:
    """To the clips of the world."""
    return [explained(world.stan, clip) for clip in world.clips]


@pytest.fixture(scope="session")
def measured(world: World, answers: list[Explained]) -> list[Faithful]:
    """How faithful the answers are."""
    untaught = randomised(world.stan, 0)
    return [faithful(world.stan, untaught, *pair) for pair in zip(answers, world.others, strict=True)]
