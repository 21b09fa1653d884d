"""Training a method: one thin room around Lightning's trainer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import typer
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from rich.console import Console

from training.loop.checkpoint import (
    BEST,
    LAST,
    Circumstances,
    check_same,
    read_circumstances,
)
from training.loop.errors import LoopError
from training.loop.loading import Loaders, TrainingData
from training.loop.method import SCORE, Method
from training.loop.options import Accelerator, Precision
from training.loop.quiet import quiet_lightning
from training.loop.reporting import EpochLines
from training.loop.seeding import SeededSteps
from training.loop.stopping import LastCheckpoint, Stopped, StopSignal

Outcome = Literal["finished", "interrupted", "out of time"]

_LOGS = "logs"
_LOG_EVERY_STEPS = 20
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a method is trained, whatever the method.

    Attributes:
        out: directory of the run; made if it is missing. It gets `best.ckpt`, `last.ckpt` and `logs/`.
        epochs: how often all training data are seen.
        seed: of everything that is random.
        devices: how many to use on each machine, or `auto` for all.
        num_nodes: machines.
        precision: of the computation, in Lightning's words.
        accelerator: what to compute on.
        minutes: stop after that time, at a place where the run can be resumed; None does not.
        resume: go on with the run in `out`.
        patience: stop when the score has not risen for so many epochs; None does not.
        clip_norm: largest norm of the gradient, which is scaled down to it; None leaves it.
        deterministic: use only operations that give the same result each time. PyTorch names those that have
            no such form on a GPU in its error.
    """

    out: Path
    epochs: int
    seed: int = 0
    devices: int | str = "auto"
    num_nodes: int = 1
    precision: Precision = "32-true"
    accelerator: Accelerator = "auto"
    minutes: float | None = None
    resume: bool = False
    patience: int | None = None
    clip_norm: float | None = None
    deterministic: bool = True


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a run ended.

    Attributes:
        outcome: all epochs done (or patience lost), or stopped before.
        epochs, steps: completed in all, earlier parts of the run included.
        score: the best `val/score`, None without one.
        best: checkpoint of the epoch with that score, None without one.
        last: checkpoint that the run can go on from.
    """

    outcome: Outcome
    epochs: int
    steps: int
    score: float | None
    best: Path | None
    last: Path


def fit(
    module: Method, data: TrainingData, run: RunOptions, *, say: Callable[[str], None] = typer.echo
) -> Fitted:
    """Train a method, and keep the state with the best `val/score`, the highest, and the last one.

    The first Ctrl-C stops after the step that is running, and so does the end of `run.minutes`; with
    `run.resume` the same call goes on from there to the result that it would have come to without a break.

    Args:
        module: call `seed_all` before it is made.
        data: it has no test part, so nothing can be chosen by one.
        run: see there.
        say: gets a line at the end.

    Raises:
        LoopError: the directory holds another run, or none to resume; there are too few data; the loss is no
            longer a number; the method is trained on one device only; more processes than devices.
        TypeError: the method does after a step what would be lost in a checkpoint.
    """
    _check(module, run)
    loaders = Loaders(data, seed=run.seed)
    stop = StopSignal(run.minutes)
    with quiet_lightning(), _determinism_restored(), stop.listening():
        best = _best_checkpoint(run.out)
        trainer = _trainer(run, best, n_batches=loaders.n_batches, say=say)
        _check_devices(module, trainer)
        circumstances = _circumstances(module, data, run, n_processes=trainer.world_size)
        if run.resume:
            check_same(read_circumstances(run.out / LAST), circumstances, path=run.out / LAST)
        last = LastCheckpoint(run.out / LAST, stop=stop, best=best, circumstances=circumstances)
        trainer.callbacks.append(last)  # type: ignore[attr-defined]  # behind `best`: the trainer puts it last
        outcome = _run(trainer, module, loaders, resumed_from=run.out / LAST if run.resume else None)
    if last.cut_short:
        outcome = "out of time"
    fitted = _fitted(outcome, trainer, best, last)
    if trainer.is_global_zero:
        say(_summary(fitted))
    return fitted


def _check(module: Method, run: RunOptions) -> None:
    if type(module).on_train_batch_end is not LightningModule.on_train_batch_end:
        raise TypeError(
            f"{type(module).__name__} overrides on_train_batch_end, which runs after the last checkpoint may"
            " have been written: change state in training_step or optimizer_step"
        )
    if run.out.exists() and not run.out.is_dir():
        raise LoopError(f"{run.out} is a file: name a directory for the run")
    there = [name for name in (LAST, BEST) if (run.out / name).exists()]
    if run.resume and LAST not in there:
        raise LoopError(f"there is no run to resume in {run.out}: it has no {LAST}")
    # The processes of the other devices start later, when the first one may have written something.
    if there and not run.resume and os.environ.get("LOCAL_RANK", "0") == "0":
        raise LoopError(
            f"{run.out} holds a run already ({', '.join(there)}): add --resume to go on with it, or name"
            " another directory"
        )


def _check_devices(module: Method, trainer: Trainer) -> None:
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started > trainer.world_size:  # each would train for itself, and write to the same directory
        raise LoopError(
            f"{started} processes were started for {trainer.world_size} of --devices times --num-nodes: make"
            " these the processes on each machine, and the machines"
        )
    if module.alone and trainer.world_size > 1:
        raise LoopError(
            f"{module.method} is trained on one device, since its lessons are made from all data at once:"
            " give it --devices 1"
        )


def _best_checkpoint(out: Path) -> ModelCheckpoint:
    return ModelCheckpoint(
        out,
        filename=Path(BEST).stem,
        monitor=SCORE,
        mode="max",
        auto_insert_metric_name=False,
        enable_version_counter=False,
    )


def _trainer(
    run: RunOptions, best: ModelCheckpoint, *, n_batches: int, say: Callable[[str], None]
) -> Trainer:
    terminal = Console().is_terminal
    callbacks: list[Callback] = [SeededSteps(run.seed), best]
    callbacks.append(RichProgressBar() if terminal else EpochLines(say))
    if run.patience is not None:
        callbacks.append(EarlyStopping(SCORE, mode="max", patience=run.patience))
    table = CSVLogger(run.out, name=_LOGS)
    curves = TensorBoardLogger(run.out, name=_LOGS, version=f"version_{table.version}")
    return Trainer(
        accelerator=run.accelerator,
        devices=run.devices,
        num_nodes=run.num_nodes,
        precision=run.precision,
        max_epochs=run.epochs,
        gradient_clip_val=run.clip_norm,
        deterministic=run.deterministic,
        logger=[table, curves],
        callbacks=callbacks,
        log_every_n_steps=min(_LOG_EVERY_STEPS, n_batches),
        num_sanity_val_steps=0,
        enable_progress_bar=terminal,
        enable_model_summary=False,
        use_distributed_sampler=False,  # ours knows where it was
        default_root_dir=run.out,
    )


def _circumstances(module: Method, data: TrainingData, run: RunOptions, *, n_processes: int) -> Circumstances:
    return Circumstances(
        method=module.method,
        config=dict(module.hparams["config"]),
        seed=run.seed,
        n_train=len(data.train),  # type: ignore[arg-type]
        batch=data.batch,
        n_processes=n_processes,
    )


def _run(trainer: Trainer, module: Method, loaders: Loaders, *, resumed_from: Path | None) -> Outcome:
    try:
        trainer.fit(module, datamodule=loaders, ckpt_path=resumed_from, weights_only=True)
    except Stopped as stopped:
        return stopped.reason
    except SystemExit:  # what Lightning makes of the second Ctrl-C
        return "interrupted"
    return "finished"


def _fitted(outcome: Outcome, trainer: Trainer, best: ModelCheckpoint, last: LastCheckpoint) -> Fitted:
    score = best.best_model_score
    return Fitted(
        outcome=outcome,
        epochs=trainer.current_epoch - last.cut_short,
        steps=trainer.global_step,
        score=None if score is None else float(score),
        best=Path(best.best_model_path) if best.best_model_path else None,
        last=last.path,
    )


def _summary(fitted: Fitted) -> str:
    done = f"{fitted.epochs} epochs, {fitted.steps} steps"
    best = f"no {SCORE} yet"
    if fitted.best is not None and fitted.score is not None:  # none, too, in a directory that was moved
        best = f"best {SCORE} {fitted.score:.4f} in {fitted.best}"
    if fitted.outcome == "finished":
        return f"Finished: {done}; {best}"
    if not fitted.last.exists():
        return f"Stopped ({fitted.outcome}) in the first epoch, before anything was written"
    return f"Stopped ({fitted.outcome}): {done}; {best}. To go on, give the same command with --resume"


@contextmanager
def _determinism_restored() -> Iterator[None]:
    """Lightning asks PyTorch and CUDA for deterministic operations and leaves it at that."""
    workspace = os.environ.get(_WORKSPACE)
    enabled = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warns)
        if workspace is None:
            os.environ.pop(_WORKSPACE, None)
