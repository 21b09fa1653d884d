import math
import os
import signal

import pytest
import torch

from tests.training.methods.cmc_images.conftest import Painted
from training.loop.checkpoint import read_checkpoint
from training.loop.fitting import RunOptions, fit
from training.loop.loading import TrainingData
from training.loop.seeding import seed_all
from training.methods.cmc_images.module import CmcImages, matching_accuracy


def made(config, cls=CmcImages, *, n_pictures=48, seed=0):
    seed_all(seed)
    return cls(config, n_pictures)


@pytest.fixture
def run(tmp_path):
    """Trains a module on 48 painted pictures, and gives what `fit` says."""

    def train(module, *, name="run", times=1, resume=False):
        config = module.config
        data = TrainingData(Painted(48, times=times), Painted(16, first=1000), batch=config.batch)
        options = RunOptions(
            tmp_path / name, config.epochs, accelerator="cpu", devices=1, resume=resume, seed=3
        )
        return fit(module, data, options, say=lambda _: None)

    return train


class Interrupted(CmcImages):
    """Ctrl-C comes in the fifth step."""

    def training_step(self, batch, index):
        if self.global_step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return super().training_step(batch, index)


@pytest.mark.parametrize("loss", ["softmax", "nce"])
def test_a_run_that_is_broken_off_comes_to_the_same_end_memory_and_all(run, small, loss):
    config = small(loss=loss, epochs=3)  # 3 steps each
    straight = run(made(config), name="straight")
    stopped = run(made(config, Interrupted), name="broken")
    assert (stopped.outcome, stopped.steps) == ("interrupted", 5)
    resumed = run(made(config, seed=9), name="broken", resume=True)
    ends = [read_checkpoint(fitted.last).state for fitted in (straight, resumed)]
    assert {"banks.light", "banks.colour", "nce.0.normaliser", "nce.1.normaliser"} <= ends[0].keys()
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    assert (float(ends[0]["nce.0.normaliser"]) > 0) == (loss == "nce")


def test_the_memory_changes_with_the_pictures_of_a_batch_only(run, small):
    module = made(small(epochs=1, batch=16), n_pictures=64)
    before = module.banks.light.clone()
    run(module)
    changed = (module.banks.light != before).any(1)
    assert changed[:48].all()  # three batches, each picture once
    assert not changed[48:].any()  # no picture has these numbers
    assert torch.allclose(module.banks.light[:48].norm(dim=1), torch.ones(48))


def test_the_views_of_a_picture_find_each_other(run, small):
    """Guessing has the loss 2 log(K + 1), and finds one picture of 16."""
    module = made(small(batch=48, epochs=3, rate=0.1, drops=(0.6,)))
    fitted = run(module, times=15)
    loss = float(module.trainer.callback_metrics["train/loss_epoch"])
    assert loss < 0.9 * 2 * math.log(33)
    assert fitted.score >= 3 / 16


def test_the_rate_falls_where_the_configuration_says(small):
    module = made(small(epochs=240, rate=0.03, drops=(0.5, 2 / 3, 5 / 6)))
    optimizer, schedule = module.configure_optimizers().values()
    rates = {}
    for epoch in range(240):
        rates.setdefault(round(optimizer.param_groups[0]["lr"], 9), epoch)
        optimizer.step()
        schedule.step()
    assert rates == {0.03: 0, 0.003: 120, 0.0003: 160, 0.00003: 200}


def test_matching_accuracy_by_hand():
    light = torch.tensor([[1.0, 0], [0, 1], [-1, 0]])
    assert matching_accuracy(light, light) == 1
    colour = torch.tensor([[1.0, 0], [-1, 0], [0, 1]])  # the last two are each other's
    assert matching_accuracy(light, colour) == pytest.approx(1 / 3)
    many = torch.nn.functional.normalize(torch.randn(2500, 8), dim=1)
    assert matching_accuracy(many, many) == 1  # in several parts
