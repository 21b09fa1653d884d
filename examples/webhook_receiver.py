"""Receives Earsight's webhooks (Standard Webhooks) and fetches the result of each job that they tell of.

    EARSIGHT_WEBHOOK_SECRET=whsec_... EARSIGHT_URL=http://127.0.0.1:8000 \\
        uvicorn --app-dir examples webhook_receiver:app --port 9443 --ssl-certfile FILE --ssl-keyfile FILE

The secret is one of the server's EARSIGHT_WEBHOOKS__SECRETS, and jobs name this program as their `webhook`:
https://HOST:9443/earsight. A message is written down before it is answered, so that none is lost if this
program ends, and one that comes again is not fetched again. Results become files in the directory RESULTS.
Run one process of it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request

from app.client import AsyncEarsight, JobFailed, WebhookRejected, verify_webhook

RESULTS = Path(os.environ.get("RESULTS", "results"))
MAX_MESSAGE_BYTES = 64 * 1024
RETRY_S = 60.0
GONE = {404, 410}  # the job, or its result, was removed

logger = logging.getLogger("uvicorn.error")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    make_database()
    app.state.secret = os.environ["EARSIGHT_WEBHOOK_SECRET"]
    app.state.news = asyncio.Event()
    url, key = os.environ.get("EARSIGHT_URL", "http://127.0.0.1:8000"), os.environ.get("EARSIGHT_API_KEY")
    async with AsyncEarsight(url, api_key=key) as earsight:
        fetching = asyncio.create_task(fetch_all(earsight, app.state.news))
        yield
        fetching.cancel()
        with suppress(asyncio.CancelledError):
            await fetching


app = FastAPI(lifespan=lifespan)


@app.post("/earsight", status_code=204)
async def receive(request: Request) -> None:
    if int(request.headers.get("content-length", MAX_MESSAGE_BYTES + 1)) > MAX_MESSAGE_BYTES:
        raise HTTPException(413)  # nothing is read yet: it may come from anybody
    try:
        message = verify_webhook(request.headers, await request.body(), request.app.state.secret)
    except WebhookRejected as error:
        raise HTTPException(400, "This is no message of Earsight.") from error
    keep = "INSERT OR IGNORE INTO messages (id, job) VALUES (?, ?)"
    await asyncio.to_thread(query, keep, request.headers["webhook-id"], message.data.id)
    request.app.state.news.set()


def make_database() -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    query("CREATE TABLE IF NOT EXISTS messages (id TEXT PRIMARY KEY, job TEXT, fetched INTEGER DEFAULT 0)")


def query(statement: str, *values: str) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(RESULTS / "messages.db")) as database, database:
        return database.execute(statement, values).fetchall()


async def fetch_all(earsight: AsyncEarsight, news: asyncio.Event) -> None:
    """Fetch what messages tell of, also those from before the start, for as long as the program runs."""
    while True:
        news.clear()
        for message_id, job_id in query("SELECT id, job FROM messages WHERE NOT fetched"):
            try:
                await fetch(earsight, job_id)
            except Exception as error:  # whatever it is, the other messages must not suffer
                logger.error("%s: %s", job_id, error)
                if not (isinstance(error, JobFailed) or getattr(error, "status", None) in GONE):
                    continue  # it will do in a while
            query("UPDATE messages SET fetched = 1 WHERE id = ?", message_id)
        with suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), RETRY_S)


async def fetch(earsight: AsyncEarsight, job_id: str) -> None:
    """Write the result of a job that has ended. Raises JobFailed if it has none."""
    job = await earsight.job(job_id)
    if job.status != "succeeded":
        raise JobFailed(job.document)
    result = await job.result()
    part = RESULTS / f"{job_id}.part"
    part.write_text(result.model_dump_json(by_alias=True), encoding="utf-8")
    part.replace(RESULTS / f"{job_id}.json")
    logger.info("%s: %d frames", job_id, len(result.frames))
