"""Which representation of a result a client gets: `format` wins, then the Accept header with its q-values."""

from __future__ import annotations

from collections.abc import Mapping

import mimeparse

from app.errors import NotAcceptable

DEFAULT = "json"
# Names in use for one JSON document a line; only the first is ever sent.
_ALIASES = {"application/jsonl": "ndjson", "application/ndjson": "ndjson"}


def choose_format(accept: str | None, *, wanted: str | None, media_types: Mapping[str, str]) -> str:
    """The name of the format to answer with.

    Args:
        accept: the Accept header, None or blank if there was none.
        wanted: the format that the client named, if it did.
        media_types: media type of each format that can be written, by name; JSON is the default or, if it
            is not among them, the first.

    Raises NotAcceptable when nothing that is offered will do.
    """
    offered = ", ".join(f"{name} ({media_type})" for name, media_type in media_types.items())
    if wanted is not None:
        if wanted not in media_types:
            raise NotAcceptable(f"there is no such format; there are {offered}")
        return wanted
    if accept is None or not accept.strip():
        return DEFAULT if DEFAULT in media_types else next(iter(media_types))
    # mimeparse prefers the last of equals, so what comes first in `media_types` goes last here.
    by_type = {media_type: name for media_type, name in _ALIASES.items() if name in media_types}
    by_type |= {media_type: name for name, media_type in reversed(list(media_types.items()))}
    try:
        best = mimeparse.best_match(by_type, accept)
    except mimeparse.MimeTypeParseException as error:
        raise NotAcceptable("the Accept header cannot be read") from error
    if not best:
        raise NotAcceptable(f"nothing in the Accept header can be written; there are {offered}")
    return by_type[best]
