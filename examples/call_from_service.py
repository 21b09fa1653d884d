"""A service that asks Earsight which of the things in its users' clips sounds.

    EARSIGHT_URL=http://127.0.0.1:8000 uvicorn --app-dir examples call_from_service:app --port 9000
    curl -F clip=@clip.mp4 http://127.0.0.1:9000/clips

Its users are told what is wrong with their clip, and nothing of what is wrong with Earsight: that goes into
the log. The bundle must have the task `detect`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import NamedTemporaryFile
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, UploadFile
from pydantic import BaseModel

from app.client import AsyncEarsight, EarsightApiError, Patience, ResultDocument, Unreachable

MAX_CLIP_BYTES = 64 * 1024 * 1024
TIMEOUT_S = 60.0  # of all that Earsight may take for a clip
PATIENCE = Patience(outage_s=10.0)  # somebody waits for the answer: better none than a late one
CLIP_FAULTS = {
    "limits_exceeded": "The clip is too long or its picture is too large.",
    "media_corrupt": "The clip is damaged.",
    "no_video_stream": "The clip has no picture.",
    "unsupported_media": "This is no video that we can read.",
    "upload_too_large": "The clip is too large.",
}

logger = logging.getLogger("uvicorn.error")


class Thing(BaseModel):
    label: str
    start_s: float
    end_s: float
    sounds: bool
    probability: float
    heard_as: str | None


class Answer(BaseModel):
    sounds: str | None  # what sounds most surely, if anything does
    things: list[Thing]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client for all requests: it keeps its connections open."""
    url, key = os.environ.get("EARSIGHT_URL", "http://127.0.0.1:8000"), os.environ.get("EARSIGHT_API_KEY")
    async with AsyncEarsight(url, api_key=key, patience=PATIENCE) as app.state.earsight:
        yield


def earsight_of(request: Request) -> AsyncEarsight:
    earsight: AsyncEarsight = request.app.state.earsight
    return earsight


app = FastAPI(lifespan=lifespan)


@app.post("/clips")
async def ask(clip: UploadFile, earsight: Annotated[AsyncEarsight, Depends(earsight_of)]) -> Answer:
    if (clip.size or 0) > MAX_CLIP_BYTES:
        raise HTTPException(413, CLIP_FAULTS["upload_too_large"])
    with NamedTemporaryFile() as copy:
        await asyncio.to_thread(shutil.copyfileobj, clip.file, copy)
        copy.flush()
        try:
            async with asyncio.timeout(TIMEOUT_S):  # what runs out of time is given up at Earsight as well
                result = await earsight.detect(copy.name, fps=2)
        except TimeoutError as error:
            raise HTTPException(504, "The analysis takes too long. Send a shorter clip.") from error
        except Unreachable as error:
            logger.error("Earsight cannot be reached: %s", error)
            raise HTTPException(503, "We cannot look at clips at the moment.") from error
        except EarsightApiError as error:
            raise refusal(error) from error
    return answer_of(result)


def refusal(error: EarsightApiError) -> HTTPException:
    """What the users are told when Earsight refuses."""
    if error.code in CLIP_FAULTS:
        return HTTPException(error.status, CLIP_FAULTS[error.code])
    logger.error("Earsight refused, its request id is %s: %s", error.request_id, error)
    if error.status in (429, 503):
        wait_s = round(error.retry_after_s or 5)
        return HTTPException(503, "Too many clips at a time. Come back later.", {"Retry-After": str(wait_s)})
    return HTTPException(502, "We cannot look at clips at the moment.")


def answer_of(result: ResultDocument) -> Answer:
    things = [
        Thing(
            label=track.label,
            start_s=track.start_s,
            end_s=track.end_s,
            sounds=track.sounding >= result.thresholds.sounding,
            probability=track.sounding,
            heard_as=track.sound.label if track.sound else None,
        )
        for track in sorted(result.tracks or (), key=lambda track: -track.sounding)
    ]
    return Answer(sounds=next((thing.label for thing in things if thing.sounds), None), things=things)
