"""ONNX Runtime sessions: which device they run on, with how many threads, in batches of which size."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_path

from app.errors import BundleError, InternalError, ModelNotReady
from app.inference.cores import usable_cores
from app.inference.manifest import GraphFile, Precision, TensorSpec
from app.settings import InferenceSettings

logger = logging.getLogger(__name__)

Provider = Literal["CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"]
CPU: Provider = "CPUExecutionProvider"
CUDA: Provider = "CUDAExecutionProvider"
TENSORRT: Provider = "TensorrtExecutionProvider"

# What a device runs best comes first.
PRECISIONS: dict[Provider, tuple[Precision, ...]] = {
    CPU: ("int8", "fp32", "fp16"),
    CUDA: ("fp16", "fp32", "int8"),
    TENSORRT: ("fp16", "fp32", "int8"),
}

# A GPU plans its kernels anew for each shape, so there a batch is padded up to one of these.
GPU_BUCKETS = (1, 2, 4, 8, 16)

# On the CPU a batch is cut, and so many pieces run at the same time, each on threads of its own: two frames
# side by side keep two cores busier than one after the other does, of which each operator takes both. A
# default batch has no more pieces than this.
_MOST_STREAMS = 4

_CUDA_OPTIONS = {
    "arena_extend_strategy": "kSameAsRequested",
    "cudnn_conv_algo_search": "HEURISTIC",  # the exhaustive search would run once per bucket
}


class ProviderMissing(Exception):
    """The execution provider that was asked for does not work on this machine."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the graphs of a bundle run.

    Attributes:
        provider: the execution provider.
        threads: that compute at the same time, on the CPU.
        buckets: rising batch sizes that are padded to; empty where any batch runs as it is.
        streams: pieces of a batch that run at the same time; not more than `threads`.
        alone: where pieces share the threads, a row that comes alone has a session of its own with all of
            them. That takes the memory of the weights once more.
        engines: directory where TensorRT keeps what it has built, which takes minutes.
    """

    provider: Provider
    threads: int
    buckets: tuple[int, ...] = ()
    streams: int = 1
    alone: bool = False
    engines: Path = Path()


def placements(settings: InferenceSettings) -> tuple[Placement, ...]:
    """The placements to be tried, the preferred one first.

    Raises ModelNotReady if there is no ONNX Runtime, or if the device is a GPU and it has no provider for it.
    """
    threads = settings.threads or usable_cores()
    cpu = Placement(CPU, threads, streams=min(threads, settings.streams or _MOST_STREAMS))
    cuda = Placement(CUDA, threads, buckets=GPU_BUCKETS)
    engines = settings.engines_dir or user_cache_path("earsight") / "tensorrt"
    tensorrt = Placement(TENSORRT, threads, buckets=GPU_BUCKETS, engines=engines)
    if settings.device == "cpu":
        return (cpu,)
    built_in = _onnxruntime().get_available_providers()
    if settings.device == "auto":
        return (cuda, cpu) if CUDA in built_in else (cpu,)
    wanted = cuda if settings.device == "cuda" else tensorrt
    if wanted.provider not in built_in:
        extra = "gpu" if wanted is cuda else "tensorrt"
        raise gpu_missing(settings, f"this ONNX Runtime was built without it; install 'earsight[{extra}]'")
    return (wanted,)


def gpu_missing(settings: InferenceSettings, reason: str) -> ModelNotReady:
    """The error for a hard demand of a GPU that cannot be met."""
    return ModelNotReady(
        f"the device '{settings.device}' was asked for, but no GPU answers: {reason}",
        setting="EARSIGHT_INFERENCE__DEVICE",
    )


class Runner(Protocol):
    """Runs one graph: a `GraphRunner`, or something around one that watches it."""

    @property
    def entry(self) -> GraphFile: ...

    @property
    def buckets(self) -> tuple[int, ...]: ...

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]: ...


def runtime_version() -> str:
    """The version of ONNX Runtime. Raises ModelNotReady if there is none."""
    return str(_onnxruntime().__version__)


class GraphRunner:
    """One graph, ready to run. Safe to share between threads; one batch runs at a time, since each already
    uses all the cores.

    Attributes:
        entry: what the manifest says of the graph.
        buckets: as in `Placement`.
        session: the `onnxruntime.InferenceSession`.
        alone: that of what is neither cut nor padded; the same, unless the placement asks for another.
    """

    def __init__(self, model: bytes, entry: GraphFile, *, placement: Placement) -> None:
        """Build the session.

        Raises:
            BundleError: the runtime refuses the model, or its inputs and outputs are not those of `entry`.
            ProviderMissing: the provider of the placement does not work here.
        """
        self.entry = entry
        self.buckets = placement.buckets
        self._streams = placement.streams
        self._pool = ThreadPoolExecutor(placement.streams, f"run-{entry.role}") if self._streams > 1 else None
        self._lock = threading.Lock()
        self.session = self.alone = _session(model, entry, placement)
        if self._streams > 1 and placement.alone:
            self.alone = _session(model, entry, replace(placement, streams=1))
        _check_interface("input", entry.path, declared=entry.inputs, found=self.session.get_inputs())
        _check_interface("output", entry.path, declared=entry.outputs, found=self.session.get_outputs())
        self._outputs = [spec.name for spec in entry.outputs]

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run on inputs as they are or, if there are streams or buckets, in pieces.

        Then all inputs and outputs share their first axis N.

        Returns:
            The outputs by name with the dtypes that `entry` declares.

        Raises:
            InternalError: the runtime failed.
        """
        with self._lock:
            if self._pool is not None and (count := len(next(iter(feeds.values())))) > 1:
                # Two for each stream, so that one that is slowed down by other work leaves some of its own.
                size = math.ceil(count / (2 * self._streams))
                return self._joined(list(self._pool.map(self._run_once, _pieces(feeds, size=size))))
            if self.buckets:
                size = self.buckets[-1]
                return self._joined([self._run_padded(piece) for piece in _pieces(feeds, size=size)])
            return self._run_once(feeds, alone=True)

    def _joined(self, pieces: list[dict[str, npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
        if len(pieces) == 1:
            return pieces[0]
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in self._outputs}

    def _run_padded(self, feeds: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        count = len(next(iter(feeds.values())))
        padding = next(bucket - count for bucket in self.buckets if bucket >= count)
        if padding:
            feeds = {name: _pad(values, padding) for name, values in feeds.items()}
        return {name: values[:count] for name, values in self._run_once(feeds).items()}

    def _run_once(
        self, feeds: Mapping[str, npt.NDArray[Any]], *, alone: bool = False
    ) -> dict[str, npt.NDArray[Any]]:
        session = self.alone if alone else self.session
        try:
            outputs = session.run(self._outputs, dict(feeds))
        except Exception as error:  # the classes of ONNX Runtime have no public base
            raise InternalError(f"{self.entry.path} failed: {error}") from error
        return dict(zip(self._outputs, outputs, strict=True))


def _pieces(feeds: Mapping[str, npt.NDArray[Any]], *, size: int) -> list[dict[str, npt.NDArray[Any]]]:
    """The inputs cut along their first axis into pieces of that many, the last one of fewer."""
    count = len(next(iter(feeds.values())))
    return [
        {name: values[start : start + size] for name, values in feeds.items()}
        for start in range(0, count, size)
    ]


def _pad(values: npt.NDArray[Any], rows: int) -> npt.NDArray[Any]:
    return np.concatenate([values, np.repeat(values[-1:], rows, axis=0)])


def _onnxruntime() -> Any:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it would report to its makers
    try:
        import onnxruntime  # here, since `earsight --help` need not wait for it
    except ImportError as error:
        raise ModelNotReady(
            "ONNX Runtime is not installed; install 'earsight[cpu]' or, for an NVIDIA GPU, 'earsight[gpu]'"
        ) from error
    return onnxruntime


@cache
def _share_arena(ort: Any) -> None:
    """Have all sessions of this process on the CPU take memory from one arena: one runs at a time."""
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(memory, None)


def _session(model: bytes, entry: GraphFile, placement: Placement) -> Any:
    ort = _onnxruntime()
    options = ort.SessionOptions()
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Those that run a piece compute as well; the others are shared by all pieces.
    options.intra_op_num_threads = placement.threads - placement.streams + 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that spin while they wait take the cores from the decoder and from the other graphs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if placement.provider == CPU:
        _share_arena(ort)
        options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        # The runtime's own fallback would take the CPU without an error.
        session = ort.InferenceSession(
            model, options, providers=_providers(ort, entry, placement), enable_fallback=0
        )
    except Exception as error:  # the classes of ONNX Runtime have no public base
        if placement.provider != CPU:
            raise ProviderMissing(str(error)) from error
        raise BundleError(f"ONNX Runtime refuses {entry.path}: {error}") from error
    if session.get_providers()[0] != placement.provider:
        raise ProviderMissing(f"ONNX Runtime chose {session.get_providers()[0]}")
    return session


def _providers(ort: Any, entry: GraphFile, placement: Placement) -> list[Any]:
    """The provider of the placement, and those that take the operators it lacks."""
    if placement.provider == CPU:
        return [CPU]
    ort.preload_dlls()
    cuda: list[Any] = [(CUDA, _CUDA_OPTIONS), CPU]
    if placement.provider == CUDA:
        return cuda
    try:
        import tensorrt  # noqa: F401 - loads the libraries, which the provider does not find by itself
    except ImportError as error:
        raise ProviderMissing("TensorRT is not installed; install 'earsight[tensorrt]'") from error
    placement.engines.mkdir(parents=True, exist_ok=True)
    half = str(entry.precision == "fp16")  # the graph says how exact it may be, not the device
    options = {
        "trt_fp16_enable": half,
        "trt_layer_norm_fp32_fallback": half,
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(placement.engines),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(placement.engines),
    }
    return [(TENSORRT, options), *cuda]


def _check_interface(kind: str, path: str, *, declared: tuple[TensorSpec, ...], found: Any) -> None:
    by_name = {argument.name: argument for argument in found}
    if set(by_name) != {spec.name for spec in declared}:
        names = sorted(by_name), sorted(spec.name for spec in declared)
        raise BundleError(f"{path} has the {kind}s {names[0]}, the manifest says {names[1]}")
    for spec in declared:
        argument = by_name[spec.name]
        if _dtype(argument.type) != spec.dtype:
            raise BundleError(
                f"{path}: {kind} {spec.name} is {_dtype(argument.type)}, the manifest says {spec.dtype}"
            )
        if not _shapes_agree(spec.shape, argument.shape):
            raise BundleError(
                f"{path}: {kind} {spec.name} is {argument.shape}, the manifest says {list(spec.shape)}"
            )


def _dtype(onnx_type: str) -> str:
    """`tensor(float)` to `float32`; numpy's names, since the manifest uses them."""
    inner = onnx_type.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(inner, inner)


def _shapes_agree(declared: tuple[int | str, ...], found: list[int | str | None]) -> bool:
    """Whether the ranks and all axes fixed in both agree. Exporters lose the size of some output axes;
    the warm-up compares those with real outputs."""
    return len(declared) == len(found) and all(
        isinstance(left, str) or not isinstance(right, int) or left == right
        for left, right in zip(declared, found, strict=True)
    )
