"""A bundle of a few kilobytes whose answers can be worked out by hand.

It sees 32 x 32 pixels in a grid of 4 x 4 cells and hears windows of 0.2 s every 0.1 s:

* tokens: mean colour of each cell in [0, 1]; class map: softmax over the mean colour of each quarter;
* loudness of a window: twice its largest sample, at most 1; scores: Tone = loudness, Music = 0.6 loudness,
  Silence = 1 - loudness, Thunder = 0; embedding: (loudness, 1);
* heatmap: brightness of the cell times the largest event; presence: the largest value of the heatmap.

So with a tone of amplitude 0.5 or more a white square on black lights exactly the cells that it fills.

On demand it detects, too: every cell is a box with its brightness as the score, "plain" unless its green or
its blue exceeds its red by more than 0.1; from 0.5 on it counts, and `sounding` is the mean heat inside it.

It may name what sounds: the evidence for Tone is its score times the share of red in the box, for Music that
of green, for Thunder that of blue, all by the class map.

And it explains, four steps of 0.5 s at once, with windows (w0, w1):

* score of Tone: the largest w0; Music: 0.6 of it; Silence: the largest w1 - w0; Thunder: the largest w1 - 1;
* `when_audio`: w0 of each step as a share of its sum; `where`: the same with the heat of each cell;
* by_sound: 8 times the weight of the steps that are heard; by_sight: 4 times that of the cells that are
  shown; the constant is -6 for Tone, -8 for the others.

Of its two references thunder has the window (0, 2), and a tone (1, 1), like loud sounds of a clip.

A second bundle sees half as many pixels to a side and shares all other graphs with the first.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from app.inference.manifest import (
    AudioSpec,
    Calibration,
    Detector,
    Events,
    Explainer,
    GraphFile,
    Manifest,
    Sounding,
    TensorSpec,
    Weights,
    read_manifest,
    sha256_of,
    write_manifest,
)

SIZE, CELLS = 32, 4
WINDOW_SAMPLES, HOP_SAMPLES, CONTEXT_S = 3200, 1600, 0.4
LABELS = ("Tone", "Music", "Silence", "Thunder")
THRESHOLDS = (0.1, 0.3, 0.1, 0.1)

KINDS = ("plain", "green", "blue")

_DTYPES = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


def frames_of(size: int) -> TensorSpec:
    return TensorSpec(name="frames", dtype="uint8", shape=("N", size, size, 3))


FRAMES = frames_of(SIZE)
TOKENS = TensorSpec(name="tokens", dtype="float32", shape=("N", CELLS, CELLS, 3))
CLASS_MAP = TensorSpec(name="class_map", dtype="float32", shape=("N", 2, 2, 3))
WINDOWS = TensorSpec(name="windows", dtype="float32", shape=("W", WINDOW_SAMPLES))
SCORES = TensorSpec(name="scores", dtype="float32", shape=("W", len(LABELS)))
EMBEDDING = TensorSpec(name="embedding", dtype="float32", shape=("W", 2))
EVENTS = TensorSpec(name="events", dtype="float32", shape=("N", len(LABELS)))
HEATMAP = TensorSpec(name="heatmap", dtype="float32", shape=("N", CELLS, CELLS))
PRESENCE = TensorSpec(name="presence", dtype="float32", shape=("N",))
BOXES = TensorSpec(name="boxes", dtype="float32", shape=("N", CELLS**2, 4))
BOX_SCORES = TensorSpec(name="scores", dtype="float32", shape=("N", CELLS**2))
BOX_LABELS = TensorSpec(name="labels", dtype="int64", shape=("N", CELLS**2))
LOOKS = TensorSpec(name="looks", dtype="float32", shape=("M", 3))
NAMED_EVENTS = TensorSpec(name="events", dtype="float32", shape=("M", len(LABELS)))
EVIDENCE = TensorSpec(name="evidence", dtype="float32", shape=("M", len(LABELS)))

WINDOW = TensorSpec(name="window", dtype="float32", shape=("T", 2))
HEAT = TensorSpec(name="heat", dtype="float32", shape=("T", CELLS, CELLS))
SHOWN = TensorSpec(name="cells", dtype="float32", shape=("B", "T", CELLS, CELLS))
STEPS = TensorSpec(name="steps", dtype="float32", shape=("B", "T"))
TARGET = TensorSpec(name="target", dtype="int64", shape=())
EXPLAIN_INPUTS = (WINDOW, HEAT, SHOWN, STEPS, TARGET)
EXPLAIN_OUTPUTS = (
    TensorSpec(name="scores", dtype="float32", shape=(len(LABELS),)),
    TensorSpec(name="chosen", dtype="int64", shape=()),
    TensorSpec(name="logits", dtype="float32", shape=("B",)),
    TensorSpec(name="by_sight", dtype="float32", shape=("B",)),
    TensorSpec(name="by_sound", dtype="float32", shape=("B",)),
    TensorSpec(name="when_audio", dtype="float32", shape=("T",)),
    TensorSpec(name="when_visual", dtype="float32", shape=("T",)),
    TensorSpec(name="where", dtype="float32", shape=("T", CELLS, CELLS)),
    TensorSpec(name="reference_events", dtype="float32", shape=(2, len(LABELS))),
    TensorSpec(name="reference_window", dtype="float32", shape=(2, 2)),
)
EXPLAINER = Explainer(
    step_s=0.5, steps=4, threshold=0.5, vague=0.9, presence=0.5, references=("thunder", "tone")
)


def visual_graph(size: int = SIZE) -> onnx.ModelProto:
    cell, quarter = [size // CELLS] * 2, [size // 2] * 2
    nodes = [
        helper.make_node("Cast", ["frames"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "white"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["cells"], kernel_shape=cell, strides=cell),
        helper.make_node("Transpose", ["cells"], ["tokens"], perm=[0, 2, 3, 1]),
        helper.make_node("AveragePool", ["planes"], ["quarters"], kernel_shape=quarter, strides=quarter),
        helper.make_node("Transpose", ["quarters"], ["colours"], perm=[0, 2, 3, 1]),
        helper.make_node("Softmax", ["colours"], ["class_map"], axis=-1),
    ]
    return _model("visual", nodes, (frames_of(size),), (TOKENS, CLASS_MAP), {"white": np.float32(255)})


def audio_graph() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Abs", ["windows"], ["level"]),
        helper.make_node("ReduceMax", ["level"], ["peak"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["peak", "two"], ["doubled"]),
        helper.make_node("Clip", ["doubled", "zero", "one"], ["loudness"]),
        helper.make_node("Mul", ["loudness", "slope"], ["sloped"]),
        helper.make_node("Add", ["sloped", "offset"], ["scores"]),
        helper.make_node("Mul", ["loudness", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "one"], ["ones"]),
        helper.make_node("Concat", ["loudness", "ones"], ["embedding"], axis=1),
    ]
    constants = {
        "zero": np.float32(0),
        "one": np.float32(1),
        "two": np.float32(2),
        "slope": np.array([1, 0.6, -1, 0], np.float32),
        "offset": np.array([0, 0, 1, 0], np.float32),
    }
    return _model("audio", nodes, (WINDOWS,), (SCORES, EMBEDDING), constants)


def localize_graph() -> onnx.ModelProto:
    nodes = [
        helper.make_node("ReduceMean", ["tokens"], ["brightness"], axes=[3], keepdims=0),
        helper.make_node("ReduceMax", ["events"], ["loudest"], axes=[1], keepdims=1),
        helper.make_node("Unsqueeze", ["loudest", "last"], ["loudest_cell"]),
        # The class map has a part in the sum, as an input that nothing reads could be dropped.
        helper.make_node("ReduceMean", ["class_map"], ["mean_class"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean_class", "zero"], ["nothing"]),
        helper.make_node("Mul", ["brightness", "loudest_cell"], ["heatmap"]),
        helper.make_node("ReduceMax", ["heatmap"], ["brightest"], axes=[1, 2], keepdims=0),
        helper.make_node("Add", ["brightest", "nothing"], ["presence"]),
    ]
    constants = {"zero": np.float32(0), "last": np.array([2], np.int64)}
    return _model("localize", nodes, (TOKENS, CLASS_MAP, EVENTS), (HEATMAP, PRESENCE), constants)


def detect_graph() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Reshape", ["tokens", "rows"], ["cells"]),
        helper.make_node("ReduceMean", ["cells"], ["scores"], axes=[2], keepdims=0),
        helper.make_node("Unsqueeze", ["scores", "last"], ["column"]),
        helper.make_node("Mul", ["column", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "corners"], ["boxes"]),
        helper.make_node("Add", ["cells", "favour"], ["colours"]),
        helper.make_node("ArgMax", ["colours"], ["labels"], axis=2, keepdims=0),
    ]
    row, column = np.divmod(np.arange(CELLS**2), CELLS)
    constants = {
        "rows": np.array([-1, CELLS**2, 3], np.int64),
        "last": np.array([2], np.int64),
        "zero": np.float32(0),
        "corners": np.stack([column, row, column + 1, row + 1], 1).astype(np.float32)[None] / CELLS,
        "favour": np.array([0.1, 0, 0], np.float32),
    }
    return _model("detect", nodes, (TOKENS,), (BOXES, BOX_SCORES, BOX_LABELS), constants)


def name_graph() -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["looks", "link"], ["linked"]),
        helper.make_node("Mul", ["linked", "events"], ["evidence"]),
    ]
    link = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], np.float32)
    return _model("name", nodes, (LOOKS, NAMED_EVENTS), (EVIDENCE,), {"link": link})


def explain_graph() -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["window", "parts"], ["evidence"]),
        helper.make_node("Add", ["evidence", "offset"], ["moved"]),
        helper.make_node("Clip", ["moved", "zero", "one"], ["at_steps"]),
        helper.make_node("ReduceMax", ["at_steps"], ["scores"], axes=[0], keepdims=0),
        helper.make_node("Mul", ["scores", "audible"], ["nameable"]),
        helper.make_node("ArgMax", ["nameable"], ["best"], axis=0, keepdims=0),
        helper.make_node("Less", ["target", "first"], ["unasked"]),
        helper.make_node("Where", ["unasked", "best", "target"], ["chosen"]),
        helper.make_node("Gather", ["window", "first"], ["loudness"], axis=1),
        *_shares("loudness", "when_audio"),
        *_shares("heat", "where"),
        helper.make_node("ReduceSum", ["where", "grid"], ["when_visual"], keepdims=0),
        helper.make_node("Mul", ["cells", "where"], ["seen"]),
        helper.make_node("ReduceSum", ["seen", "inner"], ["sight"], keepdims=0),
        helper.make_node("Mul", ["sight", "four"], ["by_sight"]),
        helper.make_node("MatMul", ["steps", "when_audio"], ["sound"]),
        helper.make_node("Mul", ["sound", "eight"], ["by_sound"]),
        helper.make_node("Add", ["by_sight", "by_sound"], ["both"]),
        helper.make_node("Gather", ["constants", "chosen"], ["constant"], axis=0),
        helper.make_node("Add", ["both", "constant"], ["logits"]),
        helper.make_node("Identity", ["events_of_references"], ["reference_events"]),
        helper.make_node("Identity", ["window_of_references"], ["reference_window"]),
    ]
    constants = {
        "parts": np.array([[1, 0.6, -1, 0], [0, 0, 1, 1]], np.float32),
        "offset": np.array([0, 0, 0, -1], np.float32),
        "audible": np.array([1, 1, 0, 1], np.float32),
        "constants": np.array([-6, -8, -8, -8], np.float32),
        "zero": np.float32(0),
        "one": np.float32(1),
        "four": np.float32(4),
        "eight": np.float32(8),
        "tiny": np.float32(1e-6),
        "first": np.int64(0),
        "grid": np.array([1, 2], np.int64),
        "inner": np.array([1, 2, 3], np.int64),
        "events_of_references": np.array([[0, 0, 0, 1], [1, 0.6, 0, 0]], np.float32),
        "window_of_references": np.array([[0, 2], [1, 1]], np.float32),
    }
    return _model("explain", nodes, EXPLAIN_INPUTS, EXPLAIN_OUTPUTS, constants)


def _shares(values: str, shares: str) -> list[onnx.NodeProto]:
    """Values divided by their sum, equal ones if they are all 0."""
    return [
        helper.make_node("Add", [values, "tiny"], [f"{values}_some"]),
        helper.make_node("ReduceSum", [f"{values}_some"], [f"{values}_sum"], keepdims=0),
        helper.make_node("Div", [f"{values}_some", f"{values}_sum"], [shares]),
    ]


def write_tiny_bundle(
    root: Path,
    *,
    name: str = "tiny",
    version: str = "1",
    detects: bool = False,
    names: bool = False,
    explains: bool = False,
) -> Path:
    """Write the bundle to `root/name` and return that directory."""
    directory = root / name
    directory.mkdir(parents=True)
    files = [
        write_graph(directory, "visual", visual_graph(), (FRAMES,), (TOKENS, CLASS_MAP)),
        write_graph(directory, "audio", audio_graph(), (WINDOWS,), (SCORES, EMBEDDING)),
        write_graph(
            directory, "localize", localize_graph(), (TOKENS, CLASS_MAP, EVENTS), (HEATMAP, PRESENCE)
        ),
    ]
    manifest = tiny_manifest(files, name=name, version=version)
    if detects:
        outputs = (BOXES, BOX_SCORES, BOX_LABELS)
        detect = write_graph(directory, "detect", detect_graph(), (TOKENS,), outputs)
        detector = Detector(labels=KINDS, threshold=0.5, sounding=Sounding(scale=1, offset=0))
        manifest = _with_task(manifest, "detect", detect, detector=detector)
    if names:
        file = write_graph(directory, "name", name_graph(), (LOOKS, NAMED_EVENTS), (EVIDENCE,))
        manifest = manifest.model_copy(update={"files": (*manifest.files, file)})
    if explains:
        explain = write_graph(directory, "explain", explain_graph(), EXPLAIN_INPUTS, EXPLAIN_OUTPUTS)
        manifest = _with_task(manifest, "explain", explain, explainer=EXPLAINER)
    write_manifest(manifest, directory)
    return directory


def write_sharing_bundle(source: Path) -> Path:
    """Write `tiny-small` beside the bundle in `source`; its graphs but the visual one are those of that
    bundle. Returns its directory."""
    directory = source.with_name("tiny-small")
    directory.mkdir()
    size, manifest = SIZE // 2, read_manifest(source)
    visual = write_graph(directory, "visual", visual_graph(size), (frames_of(size),), (TOKENS, CLASS_MAP))
    shared = (entry.model_copy(update={"bundle": manifest.name}) for entry in manifest.files[1:])
    changes = {"name": directory.name, "input_size": size, "files": (visual, *shared)}
    write_manifest(manifest.model_copy(update=changes), directory)
    return directory


def _with_task(manifest: Manifest, task: str, file: GraphFile, **described: object) -> Manifest:
    changes = {"tasks": (*manifest.tasks, task), "files": (*manifest.files, file), **described}
    return manifest.model_copy(update=changes)


def write_graph(
    directory: Path,
    role: str,
    model: onnx.ModelProto,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
) -> GraphFile:
    """Write `role.onnx` and return its entry for the manifest."""
    path = directory / f"{role}.onnx"
    onnx.save(model, path)
    return GraphFile(
        role=role,
        path=path.name,
        sha256=sha256_of(path),
        size_bytes=path.stat().st_size,
        opset=17,
        precision="fp32",
        inputs=inputs,
        outputs=outputs,
    )


def tiny_manifest(files: list[GraphFile], *, name: str, version: str) -> Manifest:
    return Manifest(
        name=name,
        version=version,
        created=date(2026, 1, 1),
        licence="CC0-1.0",
        tasks=("localize",),
        weights=(Weights(name="none", licence="CC0-1.0", source="written by hand"),),
        training_data=(),
        training_command="none",
        encoders={"visual": "mean colour", "audio": "peak level"},
        input_size=SIZE,
        sample_fps=4.0,
        grid=(CELLS, CELLS),
        audio=AudioSpec(
            sample_rate_hz=16_000,
            window_samples=WINDOW_SAMPLES,
            hop_samples=HOP_SAMPLES,
            context_s=CONTEXT_S,
        ),
        events=Events(labels=LABELS, thresholds=THRESHOLDS),
        calibration=Calibration(fitted_on="nothing"),
        metrics=(),
        files=tuple(files),
    )


def _model(
    name: str,
    nodes: list[onnx.NodeProto],
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    constants: dict[str, np.ndarray],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        name,
        [_value(spec) for spec in inputs],
        [_value(spec) for spec in outputs],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def _value(spec: TensorSpec) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(spec.name, _DTYPES[spec.dtype], spec.shape)
