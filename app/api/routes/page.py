"""The page for people, at `/`: its files lie in `app/web` as they are, and need no key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from app.api.service import service_of

_APP = Path(__file__).parents[2]
_SAMPLE = _APP / "samples" / "sample.mp4"
_WEB = _APP / "web"
_HEADERS = {
    # Everything from here, and the clip that the reader chose (blob:) as picture and sound.
    "Content-Security-Policy": (
        "default-src 'self'; media-src 'self' blob:; img-src 'self' data: blob:; object-src 'none';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",  # a browser may keep it, but has to ask
}

router = APIRouter(include_in_schema=False)


class _PageFiles(StaticFiles):
    def file_response(self, *arguments: Any, **keywords: Any) -> Response:
        response = super().file_response(*arguments, **keywords)
        response.headers.update(_HEADERS)
        return response


files = GZipMiddleware(_PageFiles(directory=_WEB))
"""What lies in `app/web`, below `/page`."""


class PageLimits(BaseModel):
    """What the page has to know before it sends a clip."""

    max_upload_bytes: int


@router.get("/")
async def get_page() -> Response:
    return FileResponse(_WEB / "index.html", headers=_HEADERS)


@router.get("/page/limits.json")
async def get_limits(request: Request) -> PageLimits:
    """Of a refusal while a large upload is under way a browser shows no more than a broken connection."""
    return PageLimits(max_upload_bytes=service_of(request.app).settings.limits.max_upload_bytes)


@router.get("/page/sample.mp4")
async def get_sample() -> Response:
    return FileResponse(_SAMPLE, headers={"Cache-Control": "no-cache"})
