"""Explainers to be put into bundles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch

from tests.tiny_bundle import CELLS, LABELS
from tests.training.methods.made_scenes import save_untrained
from training.explainer.graph import explain_graph
from training.explainer.references import References
from training.methods.localiser import Widths
from training.methods.stan.config import StanConfig
from training.methods.stan.module import Stan


@pytest.fixture(scope="session")
def random_explainer() -> Callable[..., Stan]:
    """Makes an explainer that was not trained, for what the tiny bundle sees and hears.

    Its weights are of half precision, so that they are kept and exported as they are.
    """

    def make(
        *,
        grid: int = CELLS,
        token: int = 3,
        sound: int = 2,
        class_map: tuple[int, ...] = (2, 2, 3),
        events: tuple[str, ...] = LABELS,
    ) -> Stan:
        torch.manual_seed(0)
        config = StanConfig(channels=8, looks=2, heads=2, width=4)
        module = Stan(config, Widths(token, sound, grid), class_map, events).eval()
        with torch.no_grad():
            for part in (*module.network.parameters(), *module.network.buffers()):
                part.add_(0.2 * torch.randn_like(part))
            for name in ("classes", "teacher_weight", "teacher_bias"):
                part = getattr(module.perception, name)
                part.copy_(torch.randn_like(part))
            module.thresholds.copy_(torch.tensor([0.25, 0.875, 0.375]))
        return module.half().float()

    return make


@pytest.fixture(scope="session")
def references() -> References:
    """Two sounds as the tiny bundle may hear them."""
    events = torch.tensor([[1.0, 0.6, 0, 0], [0.5, 0.3, 0.5, 0]])
    return References(("loud", "soft"), events, torch.tensor([[1.0, 1], [0.5, 1]]))


@pytest.fixture(scope="session")
def graph(random_explainer: Callable[..., Stan], references: References) -> onnx.ModelProto:
    """Of a random explainer. Do not write to it."""
    return explain_graph(random_explainer(), references)


@pytest.fixture(scope="session")
def checkpoint(random_explainer: Callable[..., Stan], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a random explainer. Do not write to it."""
    return save_untrained(random_explainer(), tmp_path_factory.mktemp("explainer") / "best.ckpt")
