"""When the service may listen."""

from __future__ import annotations

import ipaddress

from app.auth.key_file import KEYS_FILE_SETTING
from app.errors import InvalidRequest
from app.settings import Settings


def check_listening(settings: Settings) -> None:
    """Raises InvalidRequest when other machines could reach a service that asks for no keys, unless the
    settings say that this is wanted."""
    if settings.auth.keys_file is not None or settings.auth.allow_anonymous:
        return
    if not _is_loopback(settings.server.host):
        raise InvalidRequest(
            f"will not listen on {settings.server.host!r}, which other machines may reach, without API keys:"
            f" set {KEYS_FILE_SETTING} to a file of `earsight keys create`, or"
            " EARSIGHT_AUTH__ALLOW_ANONYMOUS=true to let everybody in"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
