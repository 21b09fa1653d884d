"""Networks to a bundle: an ONNX graph of each, in the wanted precision, and the manifest."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import torch
from torch import Tensor, nn

from app.inference.contract import NAME
from app.inference.manifest import MANIFEST, Manifest, Precision, write_manifest
from training.encoders.events import EVENT_NAMES
from training.encoders.visual import FRAME_SIZE, load_visual
from training.encoders.yamnet import WINDOW_SAMPLES, load_yamnet
from training.manifest import CONFIGS, DETECT, EXPLAIN, build_manifest
from training.onnx_graph import to_onnx
from training.precision import store_as_half, to_half, to_int8
from training.student.manifest import build_student_manifest, is_student

if TYPE_CHECKING:
    from training.explainer.shipped import Kept
    from training.methods.avdet.module import Avdet

_BATCH = 2  # of the examples; any but 1, which tracing would take for a constant
_SPECTROGRAM = "log_mel."  # its constants need all their digits: quiet bands lie 1e5 below loud ones


@dataclass(frozen=True, slots=True)
class Networks:
    """What a bundle is made of; the shapes are those of `app.inference.bundle`. Not every bundle detects,
    names what it detects, or explains.

    Attributes:
        name: (1000, 521), how near the names of ImageNet classes and of events are.
    """

    visual: nn.Module
    audio: nn.Module
    localize: nn.Module
    detect: Avdet | None = None
    name: Tensor | None = None
    explain: Kept | None = None


def load_networks() -> Networks:
    """The published encoders and the committed heads. Raises WeightsMissing."""
    # The heads are rooms of their own: the encoders can be exported and tested without them.
    from training.detector import shipped as detector
    from training.explainer import shipped as explainer
    from training.guided.localizer import load_localizer
    from training.guided.names import class_names
    from training.methods.language_guidance.naming import name_link

    explain = explainer.load_shipped() if explainer.WEIGHTS.exists() else None
    return Networks(
        load_visual(),
        load_yamnet(),
        load_localizer(),
        detect=detector.load_shipped(),
        name=name_link(class_names(), EVENT_NAMES),
        explain=explain,
    )


def export_bundle(
    out: Path,
    *,
    precision: Precision = "int8",
    networks: Networks | None = None,
    name: str = "default",
    configs: Path = CONFIGS,
    describe: Callable[[Path], Manifest] | None = None,
    say: Callable[[str], None] | None = None,
) -> Manifest:
    """Write the graphs and `manifest.json` into a directory.

    The same versions of the libraries write the same bytes. The manifest is written last, each file in one
    step: a server that reloads meanwhile finds the old bundle or a wrong hash, never half a file.

    Args:
        out: directory of the bundle; made if need be.
        precision: of the visual encoder. Audio encoder and heads are small and always compute in float32.
        networks: the published encoders and the committed heads by default.
        name, configs: which configuration to use, see `training.manifest`.
        describe: makes the manifest of the graphs in a directory; None does so from the configuration.
        say: called with one line of progress.

    Raises:
        WeightsMissing: run `earsight-train fetch-weights` first.
    """
    out.mkdir(parents=True, exist_ok=True)
    for role in (DETECT, NAME, EXPLAIN):
        (out / f"{role}.onnx").unlink(missing_ok=True)  # of an earlier export, which may have had that graph
    for role, graph in build_graphs(networks or load_networks(), precision):
        path = out / f"{role}.onnx"
        _write(path, graph.SerializeToString(deterministic=True))
        if say:
            say(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    if describe is None:
        return rewrite_manifest(out, name=name, configs=configs)
    return _replace_manifest(out, describe(out))


def rewrite_manifest(out: Path, *, name: str = "default", configs: Path = CONFIGS) -> Manifest:
    """Write `manifest.json` anew for the graphs that lie in a directory, as after an evaluation.

    Raises what `build_manifest` raises.
    """
    if is_student(name, configs):
        return _replace_manifest(out, build_student_manifest(out, name=name, configs=configs))
    return _replace_manifest(out, build_manifest(out, name=name, configs=configs))


def _replace_manifest(out: Path, manifest: Manifest) -> Manifest:
    with tempfile.TemporaryDirectory(dir=out, prefix=".new-") as scratch:
        write_manifest(manifest, Path(scratch))
        (Path(scratch) / MANIFEST).replace(out / MANIFEST)
    return manifest


def build_graphs(networks: Networks, precision: Precision) -> Iterator[tuple[str, onnx.ModelProto]]:
    """Role and graph of each network, one after the other."""
    yield "visual", reduce_visual(visual_graph(networks.visual), precision)
    yield "audio", reduce_audio(audio_graph(networks.audio), precision)
    yield "localize", localize_graph(networks)
    if networks.detect is not None:
        from training.detector.graph import detect_graph

        yield DETECT, detect_graph(networks.detect)
    if networks.name is not None:
        from training.methods.language_guidance.naming import said
        from training.methods.language_guidance.naming_graph import name_graph

        yield NAME, name_graph(networks.name, said(EVENT_NAMES))
    if networks.explain is not None:
        from training.explainer.graph import explain_graph

        yield EXPLAIN, explain_graph(*networks.explain)


def visual_graph(network: nn.Module) -> onnx.ModelProto:
    """frames (N, 448, 448, 3) uint8 to tokens (N, 16, 16, 384) and class_map (N, 14, 14, 1000), float32."""
    return to_onnx(network, {"frames": _frames()}, outputs=("tokens", "class_map"))


def reduce_visual(graph: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """The float32 visual graph in another precision."""
    if precision == "fp16":
        return to_half(graph)
    if precision == "int8":
        return store_as_half(to_int8(graph))
    return graph


def audio_graph(network: nn.Module) -> onnx.ModelProto:
    """windows (W, 15600) to scores (W, 521) and embedding (W, 1024), float32."""
    return to_onnx(network, {"windows": _windows()}, outputs=("scores", "embedding"), batch="W")


def reduce_audio(graph: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """The audio graph for a bundle of that precision: it always computes in float32.

    It takes 2 ms a window, so there is little to win, and fewer bits change what it hears: computing in
    16-bit floats moves scores of plain tones by 0.1, and 8-bit integers leave a cosine of 0.36 (static) or
    0.52 (dynamic) to the float embedding, over 84 windows of recorded sounds. Storing the weights at half
    size moves scores by 0.01 at most.
    """
    if precision == "fp32":
        return graph
    names = [constant.name for constant in graph.graph.initializer]
    return store_as_half(graph, keep=[name for name in names if name.startswith(_SPECTROGRAM)])


def localize_graph(networks: Networks) -> onnx.ModelProto:
    """Features of a frame and of its sound to heatmap (N, G, G) and presence (N,), float32.

    The graph has those of the inputs tokens, class_map, events and embedding that `forward` names, in the
    sizes that the other two networks make them.
    """
    with torch.inference_mode():
        tokens, class_map = networks.visual(_frames())
        events, embedding = networks.audio(_windows())
    offered = {"tokens": tokens, "class_map": class_map, "events": events, "embedding": embedding}
    examples = {
        name: torch.rand(offered[name].shape)
        for name in inspect.signature(networks.localize.forward).parameters
    }
    return to_onnx(networks.localize, examples, outputs=("heatmap", "presence"))


def _frames() -> Tensor:
    return torch.zeros(_BATCH, FRAME_SIZE, FRAME_SIZE, 3, dtype=torch.uint8)


def _windows() -> Tensor:
    return torch.zeros(_BATCH, WINDOW_SAMPLES)


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
