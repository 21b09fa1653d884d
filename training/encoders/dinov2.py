"""DINOv2 ViT-S/14 visual tokens (Oquab et al., 2023, arXiv:2304.07193), as a frozen PyTorch module."""

from __future__ import annotations

import copy
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from training.encoders.frozen import freeze, quiet_loading
from training.encoders.weights import DINOV2, published_path

PATCH = 14
WIDTH = 384
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_PREFIX = "backbone."
# The exporter of the published graph folded the position embedding into two constants of these shapes.
_CLASS_POSITION, _PATCH_POSITIONS = (1, 1, WIDTH), (1, 37 * 37, WIDTH)


class Dinov2(nn.Module):
    """Pictures to one token per patch of 14 pixels. Its position embedding is interpolated to any size."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: Dinov2Model) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", 255 * torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(_IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """RGB pictures (N, 3, H, W) in [0, 255], sides multiples of 14, to tokens (N, H/14, W/14, 384)."""
        rows, columns = pictures.shape[2] // PATCH, pictures.shape[3] // PATCH
        hidden = self.model(pixel_values=(pictures - self.mean) / self.std).last_hidden_state
        return hidden[:, 1:].reshape(-1, rows, columns, hidden.shape[2])


def fixed_size(encoder: Dinov2, side: int) -> Dinov2:
    """A copy for square pictures of that side in pixels: the position embedding is interpolated once for all.

    Attention is written out in it as products and a softmax, which makes a plainer graph.
    """
    fixed = copy.deepcopy(encoder)
    embeddings = fixed.model.embeddings
    cells, width = (side // PATCH) ** 2, embeddings.position_embeddings.shape[2]
    positions = embeddings.interpolate_pos_encoding(torch.empty(1, 1 + cells, width), side, side)
    embeddings.position_embeddings = nn.Parameter(positions, requires_grad=False)
    fixed.model.set_attn_implementation("eager")
    return fixed


def load_dinov2(source: str | Path | None = None) -> Dinov2:
    """The encoder with its weights, frozen.

    Args:
        source: a Hugging Face name (`facebook/dinov2-small`) or a directory in that format; by default the
            weights of `earsight-train fetch-weights`.

    Raises:
        WeightsMissing: the default weights are not in the cache.
        ValueError: the weights do not fit the network.
    """
    if source is not None:
        with quiet_loading():
            return freeze(Dinov2(Dinov2Model.from_pretrained(source)))
    state = read_published_state(published_path(DINOV2))
    config = Dinov2Config(
        hidden_size=WIDTH, num_attention_heads=6, image_size=518, patch_size=PATCH, use_mask_token=False
    )
    # Through from_pretrained, as it knows which of its own names the published ones have become.
    with quiet_loading():
        model, report = Dinov2Model.from_pretrained(
            None, config=config, state_dict=state, output_loading_info=True
        )
    unfit = {kind: keys for kind, keys in report.items() if keys}
    if unfit:
        raise ValueError(f"{DINOV2.path} is not a DINOv2 ViT-S/14: {unfit}")
    return freeze(Dinov2(model))


def read_published_state(path: Path) -> dict[str, Tensor]:
    """State dictionary, with the names of the Hugging Face hub, of the ONNX graph that carries the backbone.

    Biases and norms kept their names in that graph. The matrices lost them when they were transposed for
    MatMul: their names come from the nodes that use them.
    """
    graph = onnx.load(path).graph
    arrays = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    state = {
        name.removeprefix(_PREFIX): torch.from_numpy(array.copy())
        for name, array in arrays.items()
        if name.startswith(_PREFIX)
    }
    for node in graph.node:
        if node.op_type == "MatMul" and node.name.startswith("/backbone/") and node.input[1] in arrays:
            layer = node.name.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".")
            state[f"{layer}.weight"] = torch.from_numpy(arrays[node.input[1]].T.copy())
    constants = [array for name, array in arrays.items() if name.startswith("onnx::")]
    positions = [
        next(array for array in constants if array.shape == shape)
        for shape in (_CLASS_POSITION, _PATCH_POSITIONS)
    ]
    state["embeddings.position_embeddings"] = torch.cat(
        [torch.from_numpy(part.copy()) for part in positions], 1
    )
    return state
