"""Whom a webhook may call: a client must not reach through the server what it cannot reach itself."""

from __future__ import annotations

import ipaddress
import re
import socket
from ipaddress import IPv4Address, IPv6Address

import anyio
import httpx

from app.errors import InvalidRequest
from app.settings import WebhookSettings

_MAX_URL_LENGTH = 2048
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052; the IPv4 address is the last 32 bits


class BlockedAddress(InvalidRequest):
    """A host at an address that webhooks may not call."""


def check_target(url: str, settings: WebhookSettings) -> None:
    """Refuse a URL that can never be called. It looks nothing up, so it does not block.

    Raises:
        InvalidRequest: it is no https URL of an allowed host, or it holds a user name or password.
        BlockedAddress: its host is an address that is not public.
    """
    parsed = _parse(url)
    host = host_of(parsed)
    if parsed.scheme != "https":
        raise InvalidRequest("the webhook must be an https URL")
    if parsed.userinfo:
        raise InvalidRequest("the URL of the webhook must not hold a user name or password")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise InvalidRequest("the port in the URL of the webhook does not exist")
    address = _literal(host)
    if address is None and not _HOST_NAME.fullmatch(host):
        raise InvalidRequest("the URL of the webhook has no host name")
    if settings.allow_hosts and host not in {_normal(allowed) for allowed in settings.allow_hosts}:
        raise InvalidRequest(
            "this server calls no webhook at that host", setting="EARSIGHT_WEBHOOKS__ALLOW_HOSTS"
        )
    if address is not None:
        _check_public([address], settings)


async def resolve_public(host: str, port: int, settings: WebhookSettings) -> list[str]:
    """The addresses of a host, in the order in which to try them.

    One address that is not public is enough to refuse the host: which one would be called is chance.

    Raises:
        BlockedAddress: it has an address that is not public, unless `webhooks.allow_private` is set.
        OSError: it cannot be resolved.
    """
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    _check_public([ipaddress.ip_address(address) for address in addresses], settings)
    return addresses


def host_of(url: httpx.URL) -> str:
    """The host as certificates and the DNS have it: ASCII, lower case, no final dot, no brackets."""
    return url.raw_host.decode("ascii").lower().removesuffix(".")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address, and the IPv4 address it may stand for, belongs to the public internet.

    IPv4 addresses hide in IPv6 ones: mapped (RFC 4291), 6to4 (RFC 3056), and NAT64 (RFC 6052). Teredo and the
    local NAT64 prefix (RFC 8215) are not public.
    """
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    if inner is not None:
        return is_public(inner)
    return address in _GLOBAL_UNICAST and address.is_global


def _parse(url: str) -> httpx.URL:
    if len(url) > _MAX_URL_LENGTH:
        raise InvalidRequest("the URL of the webhook is too long", limit=_MAX_URL_LENGTH)
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidRequest("the webhook is no URL") from error


def _normal(host: str) -> str:
    """A host of the settings, which may be written in Unicode, as `host_of` gives it."""
    return host_of(httpx.URL(scheme="https", host=host))


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _check_public(addresses: list[IPv4Address | IPv6Address], settings: WebhookSettings) -> None:
    if not settings.allow_private and not all(map(is_public, addresses)):
        raise BlockedAddress(
            "the host of the webhook is at an address that is not public",
            setting="EARSIGHT_WEBHOOKS__ALLOW_PRIVATE",
        )
