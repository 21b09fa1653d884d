import csv
import dataclasses
import os
import re
import signal
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import LightningModule

import training.loop.stopping
from training.loop.checkpoint import read_checkpoint
from training.loop.errors import LoopError
from training.loop.fitting import fit
from training.loop.stopping import Diverged


def quiet(_line):
    pass


def weights(module):
    return [value.detach().clone() for value in module.parameters()]


def same(left, right):
    return all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


@pytest.fixture
def straight(line, data, options):
    """A run without a break: the module after it, and what `fit` said of it."""
    module = line()
    return module, fit(module, data, options("straight"), say=quiet)


def test_a_run_leaves_checkpoints_and_logs(straight, tmp_path):
    module, fitted = straight
    assert (fitted.outcome, fitted.epochs, fitted.steps) == ("finished", 3, 18)
    assert fitted.best == tmp_path / "straight" / "best.ckpt"
    assert fitted.last == tmp_path / "straight" / "last.ckpt"
    logs = tmp_path / "straight" / "logs" / "version_0"
    rows = list(csv.DictReader((logs / "metrics.csv").read_text(encoding="utf-8").splitlines()))
    scores = [float(row["val/score"]) for row in rows if row["val/score"]]
    assert len(scores) == 3
    assert fitted.score == pytest.approx(max(scores))
    assert scores[-1] > scores[0]  # it learns
    assert list(logs.glob("events.out.tfevents.*"))
    last = read_checkpoint(fitted.last)
    assert last.method == "line"
    assert last.config == {"rate": 0.05, "dropout": 0.3, "falls": 0.97}
    assert torch.equal(last.state["linear.weight"], module.linear.weight)


def test_the_best_epoch_is_kept_not_the_last(line, data, options):
    module = line()
    kept = {}

    def spoil():  # in the first step of the second epoch
        kept.setdefault("weight", module.linear.weight.detach().clone())
        module.linear.weight.data.fill_(50)

    module.at = {6: spoil}
    fitted = fit(module, data, options(), say=quiet)
    assert torch.equal(read_checkpoint(fitted.best).state["linear.weight"], kept["weight"])
    assert not torch.equal(read_checkpoint(fitted.last).state["linear.weight"], kept["weight"])


def test_the_same_seed_gives_the_same_weights_and_another_does_not(straight, line, data, options):
    module, _ = straight
    again, other = line(), line()
    fit(again, data, options("again"), say=quiet)
    fit(other, data, options("other", seed=1), say=quiet)
    assert same(weights(again), weights(module))
    assert not same(weights(other), weights(module))


@pytest.mark.parametrize("step", [0, 2, 4, 5, 6, 9, 12, 16])
def test_ctrl_c_and_resume_come_to_the_same_as_no_break(straight, line, data, options, ctrl_c, step):
    module, expected = straight
    broken = line(at={step: ctrl_c})
    stopped = fit(broken, data, options("broken"), say=quiet)
    assert stopped.outcome == "interrupted"
    assert stopped.steps == step + 1  # the step that was running is finished
    resumed = line(seed=99)  # its first weights are replaced
    fitted = fit(resumed, data, options("broken", resume=True), say=quiet)
    assert (fitted.outcome, fitted.epochs, fitted.steps) == ("finished", 3, 18)
    assert broken.batches + resumed.batches == module.batches
    assert same(weights(resumed), weights(module))
    assert fitted.score == expected.score
    assert same(read_checkpoint(fitted.best).state.values(), read_checkpoint(expected.best).state.values())
    assert same(read_checkpoint(fitted.last).state.values(), read_checkpoint(expected.last).state.values())


def test_a_run_can_be_broken_off_again_and_again(straight, line, data, options, ctrl_c):
    module, _ = straight
    batches = []
    for step in (1, 3, 11):
        part = line(seed=len(batches), at={step: ctrl_c})
        fit(part, data, options("broken", resume=bool(batches)), say=quiet)
        batches += part.batches
    last = line(seed=5)
    fit(last, data, options("broken", resume=True), say=quiet)
    assert batches + last.batches == module.batches
    assert same(weights(last), weights(module))


def test_ctrl_c_in_the_last_step_changes_nothing(straight, line, data, options, ctrl_c):
    module, _ = straight
    late = line(at={17: ctrl_c})
    assert fit(late, data, options("late"), say=quiet).outcome == "finished"
    assert same(weights(late), weights(module))


def test_what_is_said_tells_how_to_go_on(line, data, options, ctrl_c, capfd):
    said = []
    fit(line(at={7: ctrl_c}), data, options(), say=said.append)
    assert "Stopping after this step" in capfd.readouterr().err
    assert said[0].startswith("epoch 1 of 3 (")
    assert re.fullmatch(r".* s\): train/loss \d+\.\d{4}, val/score -\d+\.\d{4}", said[0])
    assert said[-1].startswith("Stopped (interrupted): 1 epochs, 8 steps; best val/score -")
    assert said[-1].endswith("give the same command with --resume")
    fit(line(), data, options(resume=True), say=said.append)
    assert said[-1].startswith("Finished: 3 epochs, 18 steps; best val/score -")


def test_ctrl_c_twice_ends_at_once_with_the_epoch_before(line, data, options, ctrl_c):
    def twice():
        ctrl_c()
        ctrl_c()

    before = signal.getsignal(signal.SIGINT)
    module = line(at={8: twice})
    stopped = fit(module, data, options(), say=quiet)
    assert stopped.outcome == "interrupted"
    assert stopped.steps == 8
    assert signal.getsignal(signal.SIGINT) is before
    resumed = line()
    fit(resumed, data, options(resume=True), say=quiet)
    assert len(resumed.batches) == 12  # the second epoch from its beginning


def test_time_runs_out_within_an_epoch(straight, line, data, options):
    """With no best state yet there is one look at the validation data; a resumed run does not know it."""
    module, expected = straight
    broken = line()
    stopped = fit(broken, data, options("broken", minutes=0.0), say=quiet)
    assert (stopped.outcome, stopped.epochs, stopped.steps) == ("out of time", 0, 1)
    assert stopped.score is not None
    assert read_checkpoint(stopped.best).method == "line"
    resumed = line(seed=9)
    fitted = fit(resumed, data, options("broken", resume=True), say=quiet)
    assert broken.batches + resumed.batches == module.batches
    assert same(weights(resumed), weights(module))
    assert fitted.score == expected.score
    assert same(read_checkpoint(fitted.best).state.values(), read_checkpoint(expected.best).state.values())


def test_time_runs_out_when_there_is_a_best_state(straight, line, data, options, monkeypatch):
    module, _ = straight
    clock = SimpleNamespace(now_s=0.0)
    clock.monotonic = lambda: clock.now_s
    monkeypatch.setattr(training.loop.stopping, "time", clock)
    broken = line(at={8: lambda: setattr(clock, "now_s", 61.0)})
    stopped = fit(broken, data, options("broken", minutes=1.0), say=quiet)
    assert (stopped.outcome, stopped.epochs, stopped.steps) == ("out of time", 1, 9)
    resumed = line()
    fit(resumed, data, options("broken", resume=True, minutes=1.0), say=quiet)  # a minute more
    assert same(weights(resumed), weights(module))


def test_more_epochs_may_be_added_to_a_finished_run(straight, line, data, options):
    module, _ = straight
    short = line()
    fit(short, data, options("short", epochs=2), say=quiet)
    longer = line()
    fit(longer, data, options("short", resume=True), say=quiet)
    assert same(weights(longer), weights(module))
    said = []
    fitted = fit(line(), data, options("short", resume=True), say=said.append)
    assert (fitted.outcome, fitted.steps) == ("finished", 18)


def test_patience_ends_a_run_that_gets_no_better(line, data, options):
    fitted = fit(line(rate=1e-12), data, options(epochs=50, patience=2), say=quiet)
    assert fitted.outcome == "finished"
    assert fitted.epochs < 10


def test_a_directory_with_another_run_is_refused(straight, line, data, options):
    with pytest.raises(LoopError, match=r"holds a run already \(last.ckpt, best.ckpt\): add --resume"):
        fit(line(), data, options("straight"), say=quiet)
    with pytest.raises(LoopError, match=r"no run to resume in .*nothing"):
        fit(line(), data, options("nothing", resume=True), say=quiet)


def test_a_last_state_that_is_cut_short_is_named(straight, line, data, options):
    last = straight[1].last
    last.write_bytes(last.read_bytes()[:-500])
    with pytest.raises(LoopError, match=r"last.ckpt is no checkpoint, or it is cut short"):
        fit(line(), data, options("straight", resume=True), say=quiet)


def test_a_directory_that_is_a_file_is_refused(line, data, options, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LoopError, match="file is a file"):
        fit(line(), data, options("file"), say=quiet)


def test_resuming_with_other_options_names_them(straight, line, data, options):
    with pytest.raises(LoopError, match=r"config.rate: 0.05 there, 0.1 here"):
        fit(line(rate=0.1), data, options("straight", resume=True), say=quiet)
    other = dataclasses.replace(data, batch=5)
    with pytest.raises(LoopError, match=r"batch: 4 there, 5 here; seed: 0 there, 3 here"):
        fit(line(), other, options("straight", resume=True, seed=3), say=quiet)


def test_a_loss_that_is_no_number_stops_the_run(line, data, options):
    module = line()
    module.at = {8: lambda: module.linear.weight.data.fill_(float("nan"))}
    with pytest.raises(Diverged, match="the loss became nan in step 9, epoch 1"):
        fit(module, data, options(), say=quiet)
    last = read_checkpoint(options().out / "last.ckpt")
    assert torch.isfinite(last.state["linear.weight"]).all()  # of the epoch before


def test_state_that_a_checkpoint_would_miss_is_refused(line, data, options):
    class Careless(type(line())):
        def on_train_batch_end(self, *_):
            pass

    careless = Careless(line().config)
    with pytest.raises(TypeError, match="Careless overrides on_train_batch_end"):
        fit(careless, data, options(), say=quiet)
    assert isinstance(careless, LightningModule)


def test_the_process_is_left_as_it_was(straight):
    assert not torch.are_deterministic_algorithms_enabled()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


def test_workers_load_the_same_batches(straight, line, data, options, recwarn):
    module, _ = straight
    other = line()
    fit(other, dataclasses.replace(data, workers=1), options("workers"), say=quiet)
    assert other.batches == module.batches
    assert same(weights(other), weights(module))


def test_a_method_that_trains_alone_refuses_several_devices(line, data, options, monkeypatch):
    module = line()
    monkeypatch.setattr(type(module), "alone", True)
    with pytest.raises(LoopError, match="line is trained on one device"):
        fit(module, data, options(devices=2), say=quiet)


def test_more_processes_than_devices_do_not_train_each_for_itself(line, data, options, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(LoopError, match="2 processes were started for 1 of --devices times --num-nodes"):
        fit(line(), data, options(), say=quiet)
