"""Whether this process can do its work right now, shown by doing some of it."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.api.gate import AnalysisGate
from app.errors import StoreUnavailable
from app.inference.bundle import Bundle
from app.inference.registry import BundleRegistry
from app.jobs.backend import JobBackend
from app.jobs.places import Places
from app.jobs.store import JobStore
from app.settings import Settings

logger = logging.getLogger(__name__)

CANARY_MAX_AGE_S = 30.0
MIN_FREE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Check:
    """One reason to be ready or not."""

    name: str
    ok: bool
    detail: str


class Readiness:
    """Runs the checks behind `/readyz`. Its methods block: call them in a worker thread."""

    def __init__(
        self,
        *,
        settings: Settings,
        registry: BundleRegistry,
        gate: AnalysisGate,
        places: Places,
        store: JobStore,
        backend: JobBackend,
    ) -> None:
        self._directories = settings.scratch_dir or Path(tempfile.gettempdir()), places.directory
        self._store = store
        self._backend = backend
        self._registry = registry
        self._gate = gate
        self._lock = threading.Lock()
        self._proofs: dict[str, tuple[Bundle, float]] = {}

    def checks(self) -> tuple[Check, ...]:
        """Every check, whether or not one before it failed."""
        return (self._accepting(), self._room(), self._jobs(), self._inference())

    def _accepting(self) -> Check:
        ok = not self._gate.draining
        return Check("accepting", ok, "takes new work" if ok else "is shutting down")

    def _room(self) -> Check:
        try:
            free = min(shutil.disk_usage(directory).free for directory in self._directories)
        except OSError as error:
            return Check("scratch", False, f"the directories for files cannot be used: {error.strerror}")
        ok = free >= MIN_FREE_BYTES
        return Check("scratch", ok, f"{free // 2**20} MiB free, {MIN_FREE_BYTES // 2**20} MiB needed")

    def _jobs(self) -> Check:
        try:
            self._store.ping()
        except StoreUnavailable as error:
            return Check("jobs", False, error.detail)
        ailment, capacity = self._backend.ailment(), self._backend.capacity()
        return Check(
            "jobs", ailment is None, ailment or f"{capacity.busy} of {capacity.workers} workers busy"
        )

    def proved(self, bundle: Bundle) -> None:
        """Note that the bundle has just answered, in a canary or in real work."""
        self._proofs[bundle.info.name] = bundle, time.monotonic()

    def _inference(self) -> Check:
        try:
            bundle = self._registry.get(None)
            with self._lock:
                if not self._is_proved(bundle):
                    run_canary(bundle)
                    self.proved(bundle)
        except Exception:
            # Whatever the reason, a process that cannot infer must not be sent work.
            logger.exception("canary_failed", extra={"code": "model_not_ready"})
            return Check("inference", False, "the default bundle did not answer; the log has the cause")
        return Check("inference", True, f"{bundle.info.name} {bundle.info.version} on {bundle.info.provider}")

    def _is_proved(self, bundle: Bundle) -> bool:
        proved, at_s = self._proofs.get(bundle.info.name, (None, 0.0))
        return proved is bundle and time.monotonic() - at_s < CANARY_MAX_AGE_S


def run_canary(bundle: Bundle) -> None:
    """Localise silence in one grey frame through every graph. Raises RuntimeError on a wrong answer."""
    manifest = bundle.manifest
    frames = np.full((1, manifest.input_size, manifest.input_size, 3), 128, np.uint8)
    windows = np.zeros((1, manifest.audio.window_samples), np.float32)
    scores, embedding = bundle.audio(windows)
    tokens, class_map = bundle.visual(frames)
    heatmap, presence = bundle.localize(tokens, class_map, scores, embedding)
    if heatmap.shape != (1, *manifest.grid) or presence.shape != (1,):
        raise RuntimeError(f"canary: shapes {heatmap.shape} and {presence.shape}")
    for values in (heatmap, presence):
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise RuntimeError("canary: values that are no probabilities")
