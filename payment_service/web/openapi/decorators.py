"""Decorators that declare a view's parameters and responses for the API's description. No request reads them.

Errors of many routes are not declared: each channel has one schema for all of them, which the description adds to every
route. An error of a few routes is declared, so that the description names it there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from marshmallow import Schema

from payment_service.domain.errors import ServiceError
from payment_service.web.strict_json import LARGEST_INTEGER

View = TypeVar("View", bound=Callable[..., Any])


class KeyIn(Enum):
    """The place of a route's idempotency key: in the body, in a required header, or in an optional one."""

    BODY = "body"
    HEADER = "header"
    OPTIONAL_HEADER = "optional header"


@dataclass(frozen=True)
class Media:
    """A response that no schema of ours describes: its media type ("" without a body), and a description."""

    media_type: str
    about: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


PathParam = Mapping[str, Any]
"""Name and schema of a parameter in the path."""

Body = Schema | Media | tuple[Schema | Media, ...]
"""A body, or the alternatives for it."""


@dataclass(frozen=True)
class ViewDoc:
    """The inputs of a view (`body`, `query`, `path`, `key`), its successful responses by status, its own `errors`."""

    responses: Mapping[int, Body]
    body: Body | None = None
    query: Schema | None = None
    path: Sequence[PathParam] = ()
    key: KeyIn | None = None
    errors: Sequence[type[ServiceError]] = ()


@dataclass(frozen=True)
class DispatchedRoute:
    """A route that dispatches to a view of one of several channels; `views` has them by channel."""

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
    errors: Sequence[type[ServiceError]] = (),
) -> Callable[[View], View]:
    """Declare a view. Its docstring is the summary, and after an empty line the description."""
    return _declare(ViewDoc(responses, body, query, path, key, errors))


def dispatched(views: Mapping[str, Callable[..., Any]], *, path: Sequence[PathParam] = ()) -> Callable[[View], View]:
    """Declare a route that dispatches to the views of several channels, each with its own declaration."""
    return _declare(DispatchedRoute(views, path))


def _declare(doc: ViewDoc | DispatchedRoute) -> Callable[[View], View]:
    def declare(view: View) -> View:
        _DOCS[view] = doc
        return view

    return declare


def doc_of(view: Callable[..., Any]) -> ViewDoc | DispatchedRoute | None:
    """Return a view's declaration, None without one."""
    return _DOCS.get(view)


def integer_param(name: str, example: int) -> PathParam:
    """Return an integer in the path."""
    bounds = {"minimum": -LARGEST_INTEGER, "maximum": LARGEST_INTEGER}
    return {"name": name, "schema": {"type": "integer", "format": "int64", **bounds, "example": example}}


def uuid_param(name: str, example: str) -> PathParam:
    """Return a UUID in the path."""
    return {"name": name, "schema": {"type": "string", "format": "uuid", "example": example}}


def text_param(name: str, example: str) -> PathParam:
    """Return a text in the path."""
    return {"name": name, "schema": {"type": "string", "minLength": 1, "example": example}}
