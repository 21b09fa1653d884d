"""What a client prefers (RFC 7240): to be answered later, or to wait a little for the end."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import Headers

MAX_WAIT_S = 30


@dataclass(frozen=True, slots=True)
class Preferences:
    """Attributes: wait_s: in [0, `MAX_WAIT_S`], whatever was asked for; None if nothing was."""

    respond_async: bool = False
    wait_s: int | None = None

    @property
    def applied(self) -> dict[str, str]:
        """The header that tells which of them were heeded; none if there were none."""
        names = ["respond-async"] * self.respond_async
        if self.wait_s is not None:
            names.append(f"wait={self.wait_s}")
        return {"Preference-Applied": ", ".join(names)} if names else {}


def preferences_of(headers: Headers) -> Preferences:
    """What the `Prefer` headers say. As the RFC wants it, the first of equals counts, and what is not
    understood is passed over."""
    asked: dict[str, str] = {}
    for entry in ",".join(headers.getlist("prefer")).split(","):
        name, _, value = entry.partition(";")[0].partition("=")
        asked.setdefault(name.strip().lower(), value.strip().strip('"'))
    wait = asked.get("wait", "")
    return Preferences(
        respond_async="respond-async" in asked,
        wait_s=min(MAX_WAIT_S, int(wait[:9])) if wait.isascii() and wait.isdigit() else None,
    )
