"""What is not counted as it happens, but looked at when the metrics are asked for."""

from __future__ import annotations

import logging
import math
from contextlib import suppress

from app.api.service import Service
from app.errors import StoreUnavailable
from app.media import spool

logger = logging.getLogger(__name__)


def figures_of(service: Service) -> bytes:
    """All metrics as Prometheus reads them. It blocks: call it in a worker thread."""
    metrics = service.metrics
    metrics.set_models([bundle.info for bundle in service.registry.loaded()])
    metrics.jobs_in_progress.set(service.backend.capacity().busy)
    metrics.job_queue_depth.set(_queue_depth(service))
    with suppress(OSError):  # readiness tells of that
        directories = service.settings.scratch_dir, service.places.uploads
        metrics.scratch_bytes.set(sum(map(spool.used_bytes, directories)))
    return metrics.render()


def _queue_depth(service: Service) -> float:
    try:
        return service.store.counts()["queued"]
    except StoreUnavailable as error:
        logger.warning("store_unavailable", extra={"code": error.code, "detail": error.detail})
        return math.nan
