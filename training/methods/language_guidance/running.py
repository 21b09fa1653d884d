"""One run: train the embedding on features, and measure it on unseen classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from training.loop.checkpoint import read_checkpoint
from training.loop.fitting import Fitted, RunOptions, fit
from training.loop.loading import TrainingData
from training.loop.seeding import seed_all
from training.methods.language_guidance.config import LanguageGuidanceConfig
from training.methods.language_guidance.language import class_similarity
from training.methods.language_guidance.module import LanguageGuidance
from training.methods.language_guidance.pictures import ClassBatches, Encoded, Features
from training.metrics.intervals import Estimate
from training.metrics.retrieval import DEPTHS, Retrieval, measure


def train(
    config: LanguageGuidanceConfig,
    parts: Sequence[Encoded],
    classes: Sequence[str],
    run: RunOptions,
    *,
    say: Callable[[str], None],
) -> Fitted:
    """Train, and say how well the best state retrieves unseen classes, beside what there was before.

    Args:
        config: see there.
        parts: pictures to train on, to validate by and of unseen classes.
        classes: names of the trained ones.
        run: how.
        say: gets every line.

    Raises:
        LoopError: as `fit`, or there are too few pictures for a batch.
        WeightsMissing: the guidance needs weights that have not been fetched.
    """
    pictures, val, unseen = parts
    similarity = class_similarity(
        config, classes, logits=pictures.logits, labels=pictures.labels, seed=run.seed
    )
    seed_all(run.seed)
    module = LanguageGuidance(
        config, width=pictures.features.shape[1], n_classes=len(classes), similarity=similarity
    )
    module.embedding.mean.copy_(pictures.features.mean(0))
    before = {
        "features": _measured(module.embedding.centred(unseen.features), unseen.labels),
        "untrained": _measured(module.embedding(unseen.features), unseen.labels),
    }
    plan = ClassBatches(pictures.labels, config.batch, per_class=config.per_class, seed=run.seed)
    data = TrainingData(Features(pictures), Features(val), batch=config.batch, plan=plan)
    fitted = fit(module, data, run, say=say)
    if fitted.best is not None and module.trainer.is_global_zero:
        module.load_state_dict(read_checkpoint(fitted.best).state)
        after = _measured(module.cpu().embedding(unseen.features), unseen.labels)
        say(f"Retrieval among {len(unseen.labels)} pictures of unseen classes, with 95 % intervals:")
        for name, found in {"trained": after, **before}.items():
            say(f"  {name:<10} {_line(found)}")
    return fitted


def _measured(vectors: Tensor, labels: Tensor) -> Retrieval:
    return measure(vectors.detach().numpy(), labels.numpy())


def _line(found: Retrieval) -> str:
    recall = [f"R@{k} {_shown(value)}" for k, value in zip(DEPTHS, found.recall, strict=True)]
    return ", ".join([*recall, f"mAP@R {_shown(found.map_at_r)}", f"NMI {found.nmi:.3f}"])


def _shown(value: Estimate) -> str:
    return f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})"
