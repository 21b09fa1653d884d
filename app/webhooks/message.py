"""What a webhook tells of a job."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from app.jobs.record import Job


def job_message(job: Job) -> str:
    """The message about a job that has ended, as JSON. It tells no more than who may ask for the rest."""
    time = job.finished_at or datetime.now(UTC)
    message = {
        "type": f"job.{job.status}",
        "timestamp": time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": {"id": job.id, "status": job.status},
    }
    return json.dumps(message, separators=(",", ":"))
