"""Writes docs/openapi.json from the routes themselves: `python -m app.openapi_page > docs/openapi.json`."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from app.api.application import create_app
from app.api.service import service_of
from app.settings import JobSettings, Settings


def openapi_page() -> str:
    """What `GET /openapi.json` answers, as text whose lines can be compared."""
    with tempfile.TemporaryDirectory() as directory:
        app = create_app(Settings(jobs=JobSettings(directory=Path(directory))))
        service_of(app).store.close()
        return json.dumps(app.openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi_page())
