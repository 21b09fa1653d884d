"""Hands settings on to a fresh process."""

from __future__ import annotations

import json
import os

from app.settings import Settings


def environment(settings: Settings) -> dict[str, str]:
    """The environment of this process, with variables that make `Settings()` there equal to `settings`."""
    variables = dict(os.environ)
    for group, values in settings.model_dump(mode="json").items():
        if isinstance(values, dict):
            for name, value in values.items():
                text = value if isinstance(value, str) else json.dumps(value)
                variables[f"EARSIGHT_{group.upper()}__{name.upper()}"] = text
        elif values is not None:
            variables[f"EARSIGHT_{group.upper()}"] = str(values)
    return variables
