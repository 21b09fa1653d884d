from dataclasses import replace

import pytest

from training.loop.fitting import Fitted, RunOptions
from training.trial.runs import best_checkpoint


@pytest.fixture
def run(tmp_path):
    return RunOptions(tmp_path / "seed0", epochs=1)


class Training:
    """Stands in for a training: writes its checkpoint, and ends as it is told."""

    def __init__(self, outcome="finished"):
        self.outcome = outcome
        self.asked = []

    def __call__(self, run):
        self.asked.append(run)
        run.out.mkdir(exist_ok=True)
        (run.out / "last.ckpt").touch()
        return Fitted(self.outcome, 1, 1, 0.5, run.out / "best.ckpt", run.out / "last.ckpt")


def test_a_training_that_is_done_is_not_done_twice(run):
    training, said = Training(), []
    path = best_checkpoint(run, training, say=said.append)
    assert path == run.out / "best.ckpt"
    assert training.asked == [run]
    assert said == [str(run.out)]
    assert best_checkpoint(run, training, say=said.append) == path
    assert len(training.asked) == len(said) == 1


@pytest.mark.parametrize("outcome", ["interrupted", "out of time"])
def test_one_that_was_broken_off_is_gone_on_with(run, outcome):
    said = []
    with pytest.raises(KeyboardInterrupt):
        best_checkpoint(run, Training(outcome), say=said.append)
    training = Training()
    assert best_checkpoint(run, training, say=said.append) == run.out / "best.ckpt"
    assert training.asked == [replace(run, resume=True)]
    assert said == [str(run.out), f"{run.out} (going on)"]


def test_one_that_failed_is_not_taken_for_done(run):
    def fails(_run):
        raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        best_checkpoint(run, fails, say=str)
    training = Training()
    best_checkpoint(run, training, say=str)
    assert training.asked == [run]
