"""One route of the service as one operation of its description."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from payment_service.domain.errors import (
    BodyTooLarge,
    DatabaseUnavailable,
    Fault,
    GatewayUnavailable,
    InternalError,
    Invalid,
    KeyInUse,
    KeyMismatch,
    OutcomeUnknown,
    ServiceError,
    TokenMissing,
    Unauthenticated,
    UnsupportedMediaType,
    UserNotFound,
)
from payment_service.web.access import Access
from payment_service.web.documenting import Declaration, Key, Shared, card_number, declaration_of
from payment_service.web.errors import Voices
from payment_service.web.fields import load
from payment_service.web.openapi.responses import JSON, Responses
from payment_service.web.openapi.schemas import Described, Schemas, either, example_of, name_of
from payment_service.web.parsing import KEY_HEADER, LONGEST_KEY

View = Callable[..., Any]

_BOUND = SimpleNamespace(
    payment_id=353, public_id="6f1c2f0e-6a39-4c5b-9d0e-3f1f3d1a7c11", reference="PAY-20251103-dd961ae0"
)
"""What an example says of the payment that a key stands for."""


@dataclass(frozen=True)
class Part:
    """What one channel (or none) does on a route."""

    channel: str
    view: View
    declared: Declaration


def parts_of(view: View, channel: str) -> list[Part]:
    """Whoever serves a route, `channel`, whose path it is, first; nobody where nothing is declared."""
    declared = declaration_of(view)
    if declared is None:
        return []
    if not isinstance(declared, Shared):
        return [Part(channel, view, declared)]
    own_first = sorted(declared.parts.items(), key=lambda part: part[0] != channel)
    found = ((name, part, declaration_of(part)) for name, part in own_first)
    return [Part(name, part, known) for name, part, known in found if known is not None]


@dataclass(frozen=True)
class Operation:
    """A route: its view, who may enter, whose words are spoken on its path, and what its channels do there."""

    method: str
    path: str
    view: View
    access: Access
    channel_of_path: str
    parts: list[Part]

    @property
    def route(self) -> Declaration:
        """What the route itself declared: on a shared one, besides its parts."""
        return declaration_of(self.view) or Declaration()

    @property
    def channels(self) -> list[str]:
        """The channels that may answer, the path's own first."""
        return list(dict.fromkeys([self.channel_of_path, *(part.channel for part in self.parts)]))

    def described(self, schemas: Schemas, voices: Voices, open_channels: frozenset[str]) -> Described:
        """The OpenAPI operation."""
        summary, description = self._words()
        operation: Described = {
            "operationId": re.sub("[^A-Za-z0-9]+", "_", f"{self.method}{self.path}").rstrip("_"),
            "tags": list(dict.fromkeys(part.channel or "service" for part in self.parts)),
            "summary": summary,
            "parameters": self._parameters(schemas),
            "responses": self._responses(schemas, voices),
        }
        if description:
            operation["description"] = description
        if bodies := [body for part in self.parts for body in part.declared.body]:
            shape = either([schemas.reference(body) for body in bodies], "oneOf")
            examples = {name_of(body): {"value": example_of(body)} for body in bodies}
            operation["requestBody"] = {"required": True, "content": {JSON: {"schema": shape, "examples": examples}}}
        if not self.access.is_public:
            free: list[Described] = [{}] if open_channels & set(self.access.channels) else []
            operation["security"] = [{"token": []}, *free]
        return operation

    def _words(self) -> tuple[str, str]:
        """The route's own docstring, or its only part's; where there are several, what each of them does."""
        several = len(self.parts) > 1
        summary, description = _paragraphs(self.view if several else self.parts[0].view)
        if several:
            lines = [f"- **{part.channel}**: {' '.join(_paragraphs(part.view)).strip()}" for part in self.parts]
            description = "\n\n".join(filter(None, [description, "\n".join(lines)]))
        return summary.rstrip("."), description

    def _parameters(self, schemas: Schemas) -> list[Described]:
        in_path = [
            {"in": "path", "name": part.name, "required": True, "schema": dict(part.schema)} for part in self.route.path
        ]
        return [*in_path, *self._key_parameter(), *self._query(schemas)]

    def _key_parameter(self) -> Iterator[Described]:
        keys = {part.channel: part.declared.key for part in self.parts}
        if not {Key.HEADER, Key.OPTIONAL_HEADER} & set(keys.values()):
            return
        needed = [channel for channel, key in keys.items() if key is Key.HEADER]
        about = f"Required by {', '.join(needed)}." if needed and len(needed) < len(self.parts) else ""
        yield {
            "in": "header",
            "name": KEY_HEADER,
            "required": len(needed) == len(self.parts),
            "description": f"The same for every repeat of one request, another one for another. {about}".strip(),
            "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "example": "unique-key-123"},
        }

    def _query(self, schemas: Schemas) -> list[Described]:
        """The parameters of all parts; of a name that several have, one of their schemas."""
        by_name: dict[str, list[tuple[str, Described]]] = {}
        for part in self.parts:
            for parameter in schemas.parameters(part.declared.query) if part.declared.query else ():
                by_name.setdefault(parameter["name"], []).append((part.channel, parameter))
        return [self._merged(found) for found in by_name.values()]

    def _merged(self, found: list[tuple[str, Described]]) -> Described:
        merged = found[0][1] | {"schema": either([parameter["schema"] for _, parameter in found])}
        if len(self.parts) > 1:
            owners = f"For {', '.join(channel for channel, _ in found)}."
            merged["description"] = " ".join(filter(None, [owners, found[0][1].get("description")]))
        return merged

    def _responses(self, schemas: Schemas, voices: Voices) -> Mapping[str, Any]:
        responses = Responses(schemas, voices)
        for part in self.parts:
            keyed = part.declared.key is not None
            for status, shape in part.declared.answers.items():
                responses.answer(status, shape, replayed=keyed)
            responses.refuse(_refusals(part.declared), [part.channel], replayed=keyed)
        if isinstance(self.route, Shared):
            in_path = [error for part in self.route.path for error in part.refuses]
            responses.refuse([*in_path, *self.route.refuses], [self.channel_of_path], replayed=False)
        responses.refuse(self._refusals_of_every_route(), self.channels, replayed=False)
        return responses.described()

    def _refusals_of_every_route(self) -> Iterator[ServiceError]:
        if not self.access.is_public:
            yield from (TokenMissing(), Unauthenticated(), UserNotFound())
            yield DatabaseUnavailable()
        yield InternalError()


def _paragraphs(view: View) -> tuple[str, str]:
    summary, _, more = (inspect.getdoc(view) or "").partition("\n\n")
    return " ".join(summary.split()), more.strip()


def _refusals(declared: Declaration) -> Iterator[ServiceError]:
    """What a view can refuse by what it takes: body, query, path and key; and what it says itself."""
    for schema in declared.body:
        yield from _invalid(schema, "body", {})
        yield from (card_number(("body", "metadata")), UnsupportedMediaType(), BodyTooLarge())
    if declared.query:
        nonsense = dict.fromkeys(declared.query.load_fields, "?")
        yield from (Invalid(refusal.faults[:1]) for refusal in _invalid(declared.query, "query", nonsense))
    for part in declared.path:
        yield from part.refuses
    yield from declared.refuses
    if declared.key is Key.HEADER:
        yield Invalid([Fault(("header", KEY_HEADER), f"{KEY_HEADER} is required", "missing")])
    if declared.key is not None:
        yield from (KeyInUse(), KeyMismatch(fields=["amount"], payment=_BOUND))
    if 202 in declared.answers and (declared.key or declared.body):
        yield GatewayUnavailable()
        if declared.key not in (Key.BODY, Key.HEADER):
            yield OutcomeUnknown()  # to whoever sent no key


def _invalid(schema: Any, location: str, nonsense: Mapping[str, Any]) -> Iterator[Invalid]:
    """What the schema says of nothing, or of nonsense."""
    try:
        load(schema, nonsense, location)
    except Invalid as refusal:
        yield refusal
