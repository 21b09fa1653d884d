"""Writes docs/settings.md from the settings themselves: `python -m app.settings_page > docs/settings.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.settings import Settings

_INTRODUCTION = """\
# Settings

Every setting is an environment variable; there is no configuration file. A value out of its bounds, or a
name that does not exist within a group, stops the program with a message. This page is generated:
`python -m app.settings_page > docs/settings.md`.
"""
_PREFIX = Settings.model_config["env_prefix"]
_DELIMITER = Settings.model_config["env_nested_delimiter"]
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}  # attributes of pydantic's constraints


def settings_page() -> str:
    """The whole page as Markdown: one table for each group of the tree, then what is in none."""
    parts, loose = [_INTRODUCTION], {}
    for name, field in Settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            parts.append(_table(name, group.model_fields, prefix=f"{_PREFIX}{name.upper()}{_DELIMITER}"))
        else:
            loose[name] = field
    return "\n".join([*parts, _table("other", loose, prefix=_PREFIX)])


def _table(title: str, fields: dict[str, FieldInfo], *, prefix: str) -> str:
    lines = [f"## {title}", "", "| variable | default | bounds | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        cells = (
            f"`{prefix}{name.upper()}`",
            _default(field.default),
            _bounds(field),
            field.description or "",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _default(value: Any) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _bounds(field: FieldInfo) -> str:
    choices = [repr(choice).strip("'") for choice in get_args(field.annotation) if isinstance(choice, str)]
    return ", ".join(choices or _limits(field))


def _limits(field: FieldInfo) -> Iterator[str]:
    for bound in field.metadata:
        for name, sign in _SIGNS.items():
            if hasattr(bound, name):
                yield f"{sign} {getattr(bound, name)}"


if __name__ == "__main__":
    sys.stdout.write(settings_page())
