"""Who may use a route: the dependency `require`, and what it found out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated, cast

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from app.api.service import service_of
from app.auth.key_file import Scope
from app.auth.keys import Identity
from app.errors import Forbidden

_WHY = "A key of `earsight keys create`; not needed if the server has no keys."
# Without a key the ring decides what to answer, since there may be no keys at all.
_BEARER = HTTPBearer(scheme_name="bearer", description=_WHY, auto_error=False)
_HEADER = APIKeyHeader(name="X-API-Key", scheme_name="X-API-Key", description=_WHY, auto_error=False)


@cache
def require(scope: Scope | None = None) -> Callable[..., Awaitable[Identity]]:
    """A dependency that lets those pass whose key has the scope, or any valid key if none is named, and gives
    their identity. However often a request depends on it with one scope, it is counted once.

    Without keys the rate limits count by address. Behind a proxy that is the proxy's own, and so one limit
    for all, unless uvicorn is told to believe its `X-Forwarded-For`: it does for a proxy on this machine, and
    for others that the variable FORWARDED_ALLOW_IPS names.

    It raises Unauthorized, Forbidden and RateLimited.
    """

    async def identified(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
        header: Annotated[str | None, Security(_HEADER)],
    ) -> Identity:
        service = service_of(request.app)
        address = request.client.host if request.client is not None else ""
        identity = service.keys.identify(bearer.credentials if bearer else header, address=address)
        request.state.identity = identity
        service.rates.check_request(identity)
        if scope is not None and not identity.may(scope):
            raise Forbidden(f"the API key lacks the scope {scope!r}")
        return identity

    return identified


def identity_of(request: Request) -> Identity:
    """Who sent a request whose route depends on `require`."""
    return cast(Identity, request.state.identity)
