"""What a view takes and returns, declared beside it for the API's description. No request ever reads it.

Errors are not declared: each channel has one schema for all of them, which the description adds to every route.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from marshmallow import Schema

from payment_service.web.strict_json import LARGEST_INTEGER

View = TypeVar("View", bound=Callable[..., Any])


class KeyIn(Enum):
    """Where a route's idempotency key is: in the body, in a required header, or in an optional one."""

    BODY = "body"
    HEADER = "header"
    OPTIONAL_HEADER = "optional header"


@dataclass(frozen=True)
class Media:
    """A response that no schema of ours describes: its media type ("" without a body), and what it is."""

    media_type: str
    about: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


PathParam = Mapping[str, Any]
"""Name and schema of a parameter in the path."""

Body = Schema | Media | tuple[Schema | Media, ...]
"""A body, or the alternatives for it."""


@dataclass(frozen=True)
class ViewDoc:
    """What a view takes (`body`, `query`, `path`, `key`) and, by status, what it returns where nothing goes wrong."""

    responses: Mapping[int, Body]
    body: Body | None = None
    query: Schema | None = None
    path: Sequence[PathParam] = ()
    key: KeyIn | None = None


@dataclass(frozen=True)
class DispatchedRoute:
    """A route that dispatches to a view of one of several channels; `views` are these, by channel."""

    views: Mapping[str, Callable[..., Any]]
    path: Sequence[PathParam] = ()


_DOCS: "WeakKeyDictionary[Callable[..., Any], ViewDoc | DispatchedRoute]" = WeakKeyDictionary()


def describe(
    responses: Mapping[int, Body],
    *,
    body: Body | None = None,
    query: Schema | None = None,
    path: Sequence[PathParam] = (),
    key: KeyIn | None = None,
) -> Callable[[View], View]:
    """Declare a view. Its docstring is the summary, and after an empty line the description."""
    return _declare(ViewDoc(responses, body, query, path, key))


def dispatched(views: Mapping[str, Callable[..., Any]], *, path: Sequence[PathParam] = ()) -> Callable[[View], View]:
    """Declare a route that dispatches to one of several channels' views, which declare themselves."""
    return _declare(DispatchedRoute(views, path))


def _declare(doc: ViewDoc | DispatchedRoute) -> Callable[[View], View]:
    def declare(view: View) -> View:
        _DOCS[view] = doc
        return view

    return declare


def doc_of(view: Callable[..., Any]) -> ViewDoc | DispatchedRoute | None:
    """What a view declared, None where it declared nothing."""
    return _DOCS.get(view)


def integer_param(name: str, example: int) -> PathParam:
    """An integer in the path."""
    bounds = {"minimum": -LARGEST_INTEGER, "maximum": LARGEST_INTEGER}
    return {"name": name, "schema": {"type": "integer", "format": "int64", **bounds, "example": example}}


def uuid_param(name: str, example: str) -> PathParam:
    """A UUID in the path."""
    return {"name": name, "schema": {"type": "string", "format": "uuid", "example": example}}


def text_param(name: str, example: str) -> PathParam:
    """A text in the path."""
    return {"name": name, "schema": {"type": "string", "minLength": 1, "example": example}}
