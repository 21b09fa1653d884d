"""Hands settings on to a fresh process."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from app.settings import Settings


def environment(settings: Settings) -> dict[str, str]:
    """The environment of this process, with variables that make `Settings()` there equal to `settings`."""
    variables = dict(os.environ)
    for name, value in _flat(settings.model_dump()).items():
        if value is None:
            variables.pop(name, None)
        else:
            variables[name] = _text(value)
    return variables


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Values by the name of their variable."""
    flat = {}
    for group, values in settings.items():
        members = values.items() if isinstance(values, dict) else [(None, values)]
        for name, value in members:
            flat["__".join(filter(None, (f"EARSIGHT_{group}", name))).upper()] = value
    return flat


def _text(value: Any) -> str:
    plain = _plain(value) if isinstance(value, SecretStr | Path) else value
    return plain if isinstance(plain, str) else json.dumps(plain, default=_plain)


def _plain(value: SecretStr | Path) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
