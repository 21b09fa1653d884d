"""Options of a request that come as text, in the query or as form fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from app.api.schemas import ClipOptions
from app.errors import InvalidRequest

T = TypeVar("T", bound=ClipOptions)


def query_options(model: type[T], request: Request) -> T:
    """Those of the query, to be asked before an upload is read. Raises RequestValidationError."""
    return _parsed(model, request.query_params, place="query")


def all_options(model: type[T], request: Request, form: Mapping[str, str]) -> T:
    """Those of query and form. Raises RequestValidationError, and InvalidRequest if one is in both."""
    query = request.query_params
    twice = sorted(query.keys() & form.keys())
    if twice:
        raise InvalidRequest(f"{', '.join(twice)}: given both in the query and in the form")
    return _parsed(model, {**query, **form}, place="form")


def _parsed(model: type[T], given: Mapping[str, str], *, place: str) -> T:
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        entries = [{**entry, "loc": (place, *entry["loc"])} for entry in error.errors(include_url=False)]
        raise RequestValidationError(entries) from error
