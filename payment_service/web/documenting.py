"""What a view takes and gives, declared beside it for the API's description; requests pay nothing for it.

What every route of a kind can answer is not declared: a body can be refused, a key can be in use, a token can be
missing. The description adds those by itself, and lets the channel's own presenter word each refusal.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from marshmallow import Schema

from payment_service.domain.errors import CardDataNotAccepted, Fault, Invalid, ServiceError
from payment_service.web.strict_json import LARGEST_INTEGER

View = TypeVar("View", bound=Callable[..., Any])


class Key(Enum):
    """Where a route's idempotency key is: in the body, in the header that it demands, or in one that may be sent."""

    BODY = "body"
    HEADER = "header"
    OPTIONAL_HEADER = "optional header"


@dataclass(frozen=True)
class Media:
    """An answer that no schema of ours describes: its media type ("" without a body), and what it is."""

    media_type: str
    about: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True)
class InPath:
    """A part of the path, and what is answered where a request has something else there."""

    name: str
    schema: Mapping[str, Any]
    refuses: tuple[ServiceError, ...] = ()


Shape = Schema | Media | tuple[Schema | Media, ...]
"""What an answer's body is like; one of several."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What a view takes (`body`, one of several schemas; `query`, `path`, `key`) and gives (`answers`, `refuses`)."""

    answers: Mapping[int, Shape] = field(default_factory=dict)
    body: tuple[Schema, ...] = ()
    query: Schema | None = None
    path: Sequence[InPath] = ()
    key: Key | None = None
    refuses: Sequence[ServiceError] = ()


@dataclass(frozen=True)
class Shared(Declaration):
    """A route that several channels serve: each one's own view, by channel, and what the route itself refuses."""

    parts: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


_DECLARED: "WeakKeyDictionary[Callable[..., Any], Declaration]" = WeakKeyDictionary()


def documented(
    answers: Mapping[int, Shape],
    *,
    body: Schema | tuple[Schema, ...] = (),
    query: Schema | None = None,
    path: Sequence[InPath] = (),
    key: Key | None = None,
    refuses: Sequence[ServiceError] = (),
) -> Callable[[View], View]:
    """Declare a view: status → shape of its answers, and examples of the errors it raises besides the usual ones.

    Its docstring is the description: the first sentence in short, the rest at length.
    """
    bodies = (body,) if isinstance(body, Schema) else body
    return _declare(Declaration(answers=answers, body=bodies, query=query, path=path, key=key, refuses=refuses))


def shared(
    parts: Mapping[str, Callable[..., Any]], *, path: Sequence[InPath] = (), refuses: Sequence[ServiceError] = ()
) -> Callable[[View], View]:
    """Declare a route whose requests go to one of several channels' views, which have declared themselves."""
    return _declare(Shared(parts=parts, path=path, refuses=refuses))


def _declare(declaration: Declaration) -> Callable[[View], View]:
    def declare(view: View) -> View:
        _DECLARED[view] = declaration
        return view

    return declare


def declaration_of(view: Callable[..., Any]) -> Declaration | None:
    """What a view declared, None where it declared nothing."""
    return _DECLARED.get(view)


def number(name: str, example: int, otherwise: ServiceError | None = None) -> InPath:
    """A whole number in the path; anything else is `otherwise`, or not valid."""
    refusal = otherwise or Invalid([Fault(("path", name), f"{name} must be a whole number", "int_parsing")])
    bounds = {"minimum": -LARGEST_INTEGER, "maximum": LARGEST_INTEGER}
    return InPath(name, {"type": "integer", "format": "int64", **bounds, "example": example}, (refusal,))


def uuid(name: str, example: str, otherwise: ServiceError) -> InPath:
    """A UUID in the path; anything else is `otherwise`."""
    return InPath(name, {"type": "string", "format": "uuid", "example": example}, (otherwise,))


def text(name: str, example: str) -> InPath:
    """A text in the path, without control characters and card numbers."""
    refusal = Invalid([Fault(("path", name), f"{name} contains control characters", "string_unicode")])
    return InPath(name, {"type": "string", "minLength": 1, "example": example}, (refusal, card_number(("path", name))))


def card_number(loc: tuple[str, ...]) -> CardDataNotAccepted:
    """The refusal of a card number in this place."""
    return CardDataNotAccepted([Fault(loc, CardDataNotAccepted.__doc__ or "", CardDataNotAccepted.code)])
