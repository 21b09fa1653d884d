"""The commands `earsight keys`: create, list and revoke the API keys of the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.table import Table

from app.auth.key_file import KEYS_FILE_SETTING, Scope, create_key, read_keys, revoke_key
from app.errors import InvalidRequest
from app.settings import Settings

keys_cli = typer.Typer(
    no_args_is_help=True, help=f"API keys of the service, kept in the file that {KEYS_FILE_SETTING} names."
)

_SCOPES: tuple[Scope, ...] = get_args(Scope)
_PIPE_WIDTH = 160  # columns of a table that goes to a file


@keys_cli.command()
def create(
    label: Annotated[
        str, typer.Option("--label", metavar="LABEL", help="Whose key it is; several may share it.")
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="NAME",
            help=f"What it is for: {', '.join(_SCOPES)}. May be repeated; analyze by default.",
        ),
    ] = None,
) -> None:
    """Make a key and print it, this once."""
    asked = scope or ["analyze"]
    unknown = [name for name in asked if name not in _SCOPES]
    if unknown:
        raise typer.BadParameter(
            f"{', '.join(unknown)} is not among {', '.join(_SCOPES)}", param_hint="--scope"
        )
    scopes = tuple(name for name in _SCOPES if name in asked)
    key, record = create_key(_keys_file(), label=label, scopes=scopes)
    typer.echo(key)
    typer.echo(f"{record.id} of {record.label} ({', '.join(record.scopes)}); it is not shown again", err=True)


@keys_cli.command("list")
def list_keys() -> None:
    """List the keys that are valid, without the keys themselves."""
    table = Table("id", "label", "scopes", "created")
    for record in read_keys(_keys_file()):
        created = record.created.isoformat(timespec="seconds")
        table.add_row(record.id, record.label, ", ".join(record.scopes), created)
    console = Console(markup=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(table)


@keys_cli.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")]) -> None:
    """Make a key worthless; a running service takes notice with the next request."""
    record = revoke_key(_keys_file(), key_id)
    typer.echo(f"{record.id} of {record.label} revoked")


def _keys_file() -> Path:
    file = Settings().auth.keys_file
    if file is None:
        raise InvalidRequest("no file of API keys is named", setting=KEYS_FILE_SETTING)
    return file
