"""What can be known to be wrong with a job before it is accepted."""

from __future__ import annotations

from dataclasses import replace

from app.errors import InvalidRequest
from app.inference.registry import BundleRegistry
from app.jobs.record import JobRequest
from app.pipeline.options import AnalyzeOptions, check_target, check_tasks, sampling_fps
from app.results.formats import FORMATS
from app.settings import Settings


def checked_request(request: JobRequest, *, settings: Settings, registry: BundleRegistry) -> JobRequest:
    """The request with what it leaves open filled in: tasks, all that the bundle offers; formats, all that
    these tasks allow but the overlay, which takes long. It may block, since the bundle may have to be loaded.

    Raises InvalidRequest, NotFound, BundleError or ModelNotReady.
    """
    manifest = registry.get(request.model).manifest
    tasks = request.tasks or manifest.tasks
    options = AnalyzeOptions(fps=request.fps, tasks=tasks, target=request.target, group_by=request.group_by)
    sampling_fps(options, settings=settings, manifest=manifest)
    check_tasks(options, manifest=manifest)
    check_target(options, manifest=manifest)
    formats = request.formats or tuple(
        name
        for name, entry in FORMATS.items()
        if entry.document is not None and (entry.needs is None or entry.needs in tasks)
    )
    for name in formats:
        if name not in FORMATS:
            raise InvalidRequest(f"there is no format {name[:40]!r}; there are {', '.join(FORMATS)}")
        FORMATS[name].check_tasks(tasks)
    if request.webhook is not None:
        _check_webhook(request.webhook, settings)
    return replace(request, tasks=tasks, formats=formats)


def _check_webhook(url: str, settings: Settings) -> None:
    if not settings.webhooks.secrets:
        raise InvalidRequest(
            "this server calls no webhooks, since it has no secret to sign them with",
            setting="EARSIGHT_WEBHOOKS__SECRETS",
        )
    from app.webhooks import address  # here, since most servers need no HTTP client

    address.check_target(url, settings.webhooks)
