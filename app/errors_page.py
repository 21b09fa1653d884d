"""Writes docs/errors.md from the exceptions themselves: `python -m app.errors_page > docs/errors.md`."""

from __future__ import annotations

import sys
from collections import defaultdict

from app.api.problems import FRAMEWORK_CODES, status_of
from app.errors import error_kinds

_INTRODUCTION = """\
# Error codes

What stands in the `code` of a problem, of the `error` of a job, and of a line in the log. A code is
stable, its title and the rest of the text are for people; [api.md](api.md#errors) says what else a problem
tells. This page is generated: `python -m app.errors_page > docs/errors.md`.
"""

WHEN = {
    "canceled": "the server stopped the analysis because it is shutting down",
    "deadline_exceeded": "only as the `error` of a job: it ran for longer than `EARSIGHT_JOBS__DEADLINE_S`",
    "decode_timeout": "decoding stood still or took too much CPU time",
    "forbidden": "the key lacks the scope that the page needs",
    "idempotency_in_progress": "the first request with that `Idempotency-Key` is still being received",
    "idempotency_mismatch": "that `Idempotency-Key` came before, with another request",
    "internal": "a fault of the server; the log has it under the request id",
    "invalid_bundle": "a bundle on the server is damaged, or one that it shares graphs with is not there",
    "invalid_request": "a wrong, missing or repeated field, an option out of its bounds, a broken multipart"
    " body",
    "limits_exceeded": "too many pixels, frames, seconds, or too much memory: see `setting`",
    "media_corrupt": "an empty file, broken headers, or not one frame that can be decoded",
    "method_not_allowed": "the page does not know this method",
    "model_not_ready": "the model cannot run at the moment",
    "no_audio_stream": "the file sent as `audio` has no sound",
    "no_result": "the job failed or was canceled",
    "no_space": "the disk of the server is full",
    "no_video_stream": "the file has no picture",
    "not_acceptable": "no such `format`, or nothing in `Accept` can be written, or the job did not make it",
    "not_found": "no such page, job or bundle; for a bundle `detail` names those there are",
    "overloaded": "too much work waits, or the server is shutting down; `Retry-After` says when to come back",
    "range_not_satisfiable": "the file ends before the `Range` that was asked for",
    "rate_limited": "too many requests, uploads, bytes or jobs of one key: see `setting`; `Retry-After` says"
    " when to come back",
    "result_expired": "the results of the job were removed",
    "result_not_ready": "the job has not ended",
    "store_unavailable": "the store of jobs cannot be used at the moment",
    "unauthorized": "the server has keys, and none or no valid one was sent",
    "unsupported_media": "not multipart; or a container or codec that is not accepted, such as a text file or"
    " a playlist",
    "upload_timeout": "the client paused for longer than `EARSIGHT_SERVER__UPLOAD_TIMEOUT_S`",
    "upload_too_large": "a file is larger than `EARSIGHT_LIMITS__MAX_UPLOAD_BYTES`",
    "worker_lost": "only as the `error` of a job: its worker was lost `EARSIGHT_JOBS__MAX_ATTEMPTS` times",
}
"""When each code is given, as Markdown."""


def errors_page() -> str:
    """The whole page as Markdown: one row for each code, by status."""
    statuses, titles = _codes()
    lines = [_INTRODUCTION, "| status | code | title | when |", "|---|---|---|---|"]
    for code in sorted(titles, key=lambda code: (min(statuses[code]), code)):
        shown = ", ".join(map(str, sorted(statuses[code])))
        lines.append(f"| {shown} | `{code}` | {titles[code]} | {WHEN[code]} |")
    return "\n".join([*lines, ""])


def _codes() -> tuple[dict[str, set[int]], dict[str, str]]:
    """Statuses and title of each code. Errors that others derive from are never raised themselves."""
    statuses: defaultdict[str, set[int]] = defaultdict(set)
    titles = {}
    for status, (code, title) in FRAMEWORK_CODES.items():
        statuses[code].add(status)
        titles[code] = title
    for kind in error_kinds():
        if not kind.__subclasses__():
            statuses[kind.code].add(status_of(kind("")))
            titles[kind.code] = kind.title
    return statuses, titles


if __name__ == "__main__":
    sys.stdout.write(errors_page())
