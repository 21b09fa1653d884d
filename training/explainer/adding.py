"""A bundle with the explainer of a checkpoint, made from a bundle without, or with another one."""

from __future__ import annotations

from pathlib import Path

from app.inference.manifest import Manifest
from training.bundles.adding import Addition, add_head, check_shape
from training.explainer.graph import explain_graph
from training.explainer.references import References
from training.explainer.shipped import described
from training.loop.checkpoint import CheckpointError
from training.manifest import EXPLAIN
from training.methods.stan.loading import load_explainer
from training.methods.stan.module import Stan
from training.trained import Description


def add_explainer(
    bundle: Path, checkpoint: Path, out: Path, *, description: Description, references: References
) -> Manifest:
    """Write a bundle that localises as another one does, and explains.

    Args:
        bundle: directory of a bundle whose encoders are those that the explainer was trained behind.
        checkpoint: of `earsight-train stan`.
        out: directory of the new bundle; made if need be, and not that of the old one.
        description: of the new bundle; data and licence are those of the explainer.
        references: as the audio encoder of the bundle hears them.

    Raises:
        BundleError: the bundle cannot be read.
        CheckpointError: the file is no checkpoint of an explainer, or of one behind other encoders.
        ValueError: both directories are the same, or no bundle can be called so.
    """

    def make(manifest: Manifest) -> Addition:
        explainer = load_explainer(checkpoint)
        _check(manifest, explainer, bundle=bundle, checkpoint=checkpoint)
        return Addition(
            task=EXPLAIN,
            head=explainer,
            graph=explain_graph(explainer, references),
            title="STAN, a trained explainer",
            told={"explainer": described(explainer, references)},
        )

    return add_head(bundle, checkpoint, out, description=description, make=make)


def _check(manifest: Manifest, explainer: Stan, *, bundle: Path, checkpoint: Path) -> None:
    token, sound, grid = explainer.hparams["widths"]
    shapes = {
        "tokens": (grid, grid, token),
        "class_map": tuple(explainer.hparams["class_map"]),
        "embedding": (sound,),
    }
    for output, shape in shapes.items():
        check_shape(manifest, output, shape, bundle=bundle, checkpoint=checkpoint)
    if explainer.events != manifest.events.labels:
        raise CheckpointError(
            f"{checkpoint} knows other events than {bundle}: take the bundle it was trained with"
        )
