"""One route of the service as one operation of its description."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema
from marshmallow.fields import Nested

from payment_service.domain.principals import TokenScope
from payment_service.web.access import Access, Need
from payment_service.web.errors import ErrorRenderer
from payment_service.web.field_errors import BaseField
from payment_service.web.key_header import KEY_HEADER
from payment_service.web.openapi.converter import Converter, Described, about_of, either
from payment_service.web.openapi.decorators import Body, DispatchedRoute, KeyIn, Media, ViewDoc, doc_of
from payment_service.web.openapi.introduction import scheme_of
from payment_service.web.parsing import LONGEST_KEY
from payment_service.web.responses import JSON

View = Callable[..., Any]

ERROR = "An error: `code` says which one, `retry` whether and how to repeat the request."
ON_EVERY_RESPONSE = ("X-Request-ID", "X-Correlation-ID")
KEY_ABOUT = (
    "The same for every repeat of one request, another one for another. It may stand in double quotes; with a comma in "
    "it, it must. Several equal headers are one."
)
REPLAYED, RETRY_AFTER = "Idempotent-Replayed", "Retry-After"


@dataclass(frozen=True)
class ChannelView:
    """The view with which a channel (or none) serves a route."""

    channel: str
    view: View
    doc: ViewDoc


def views_of(view: View, channel: str) -> list[ChannelView]:
    """Return the declared views that serve a route, that of its path's `channel` first."""
    doc = doc_of(view)
    views = doc.views if isinstance(doc, DispatchedRoute) else {channel: view}
    found = [(name, each, doc_of(each)) for name, each in views.items()]
    described = [ChannelView(name, each, known) for name, each, known in found if isinstance(known, ViewDoc)]
    return sorted(described, key=lambda each: each.channel != channel)


@dataclass(frozen=True)
class OperationDoc:
    """A route: its view, its access and need, the channel of its path, and the views of the channels that serve it."""

    method: str
    path: str
    view: View
    access: Access
    need: Need
    channel_of_path: str
    views: list[ChannelView]

    def build(
        self, converter: Converter, errors: ErrorRenderer, open_channels: frozenset[str], plain: frozenset[str]
    ) -> Described:
        """Return the OpenAPI operation; its errors are one `default` response, but for those that a view declares."""
        channels = dict.fromkeys([self.channel_of_path, *(each.channel for each in self.views)])
        schemas = [errors.schema_of(name) for name in channels]
        default = _response([ERROR], schemas, [REPLAYED, RETRY_AFTER])
        summary, description = self._texts()
        operation: Described = {
            "operationId": re.sub("[^A-Za-z0-9]+", "_", f"{self.method}{self.path}").rstrip("_"),
            "tags": list(dict.fromkeys(each.channel or "service" for each in self.views)),
            "summary": summary.rstrip("."),
            "parameters": [*self._path_parameters(), *self._key_parameter(), *self._query_parameters(converter)],
            "responses": {**self._responses(), **self._declared_errors(schemas), "default": default},
        }
        if description:
            operation["description"] = description
        if bodies := _bodies(each.doc.body for each in self.views):
            content = {"schema": either(bodies, "oneOf"), "examples": dict(map(_example, bodies))}
            operation["requestBody"] = {"required": True, "content": {JSON: content}}
        if not self.access.is_public:
            operation["security"] = self._security(open_channels, plain)
            operation["x-required-scope"] = self.need.value
        return operation

    def _security(self, open_channels: frozenset[str], plain: frozenset[str]) -> list[Described]:
        """Return the tokens that one of the channels accepts: plain ones, those with a scope, or none."""
        channels = set(self.access.channels)
        names = ["token"] if channels & plain else []
        if isinstance(self.need, TokenScope) and channels - plain:
            names += map(scheme_of, (self.need, TokenScope.SERVICE))
        return [{name: []} for name in names] + ([{}] if channels & open_channels else [])

    def _texts(self) -> tuple[str, str]:
        """Return summary and description: the only view's docstring, or the route's own and one line per channel."""
        if len(self.views) == 1:
            return _paragraphs(self.views[0].view)
        lines = [f"- **{each.channel}**: {' '.join(filter(None, _paragraphs(each.view)))}" for each in self.views]
        return _paragraphs(self.view)[0], "\n".join(lines)

    def _path_parameters(self) -> Iterator[Described]:
        doc = doc_of(self.view)
        yield from ({"in": "path", "required": True, **param} for param in (doc.path if doc else ()))

    def _key_parameter(self) -> Iterator[Described]:
        keys = {each.channel: each.doc.key for each in self.views}
        if not {KeyIn.HEADER, KeyIn.OPTIONAL_HEADER} & set(keys.values()):
            return
        needed = [channel for channel, key in keys.items() if key is KeyIn.HEADER]
        about = f"Required by {', '.join(needed)}." if needed and len(needed) < len(self.views) else ""
        yield {
            "in": "header",
            "name": KEY_HEADER,
            "required": len(needed) == len(self.views),
            "description": f"{KEY_ABOUT} {about}".strip(),
            "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "example": "unique-key-123"},
        }

    def _query_parameters(self, converter: Converter) -> Iterator[Described]:
        """Yield the parameters of all views; a name in several views has either of their schemas."""
        by_name: dict[str, dict[str, Described]] = {}
        for each in self.views:
            for parameter in converter.query_parameters(each.doc.query) if each.doc.query else ():
                by_name.setdefault(parameter["name"], {})[each.channel] = parameter
        for found in by_name.values():
            merged, *_ = found.values()
            if len(self.views) > 1:
                about = " ".join(filter(None, [f"For {', '.join(found)}.", merged.get("description")]))
                merged = {**merged, "schema": either([each["schema"] for each in found.values()]), "description": about}
            yield merged

    def _responses(self) -> Described:
        """Return the responses that the views declare, by status."""
        by_status: dict[int, list[ViewDoc]] = {}
        for each in self.views:
            for status in each.doc.responses:
                by_status.setdefault(status, []).append(each.doc)
        built = {}
        for status, docs in sorted(by_status.items()):
            bodies = _bodies(doc.responses[status] for doc in docs)
            headers = [REPLAYED] * any(doc.key for doc in docs) + [RETRY_AFTER] * (status == 202)
            built[str(status)] = _response([about_of(body) for body in bodies], bodies, headers)
        return built

    def _declared_errors(self, schemas: Sequence[Schema]) -> Described:
        """Return the responses for the errors that the views declare, by status."""
        by_status: dict[int, dict[str, str]] = {}
        for error in (error for each in self.views for error in each.doc.errors):
            by_status.setdefault(error.status, {})[error.code] = f"- `{error.code}`: {inspect.getdoc(error)}."
        return {
            str(status): _response(["\n".join([ERROR, *lines.values()])], schemas, [REPLAYED, RETRY_AFTER])
            for status, lines in sorted(by_status.items())
        }


def _response(about: Iterable[str], bodies: Iterable[Schema | Media], headers: Iterable[str]) -> Described:
    content: Described = {
        body.media_type: {"schema": dict(body.schema)} for body in bodies if isinstance(body, Media) and body.media_type
    }
    if schemas := [body for body in bodies if isinstance(body, Schema)]:
        content[JSON] = {"schema": either(schemas), "examples": dict(map(_example, schemas))}
    return {
        "description": "\n\n".join(dict.fromkeys(about)),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in (*ON_EVERY_RESPONSE, *headers)},
        "content": content,
    }


def _bodies(declared: Iterable[Body | None]) -> list[Any]:
    return [each for body in declared if body for each in (body if isinstance(body, tuple) else (body,))]


def _paragraphs(view: View) -> tuple[str, str]:
    """Return the first paragraph of a docstring, and the rest."""
    summary, _, more = (inspect.getdoc(view) or "").partition("\n\n")
    return " ".join(summary.split()), more.strip()


def _example(schema: Schema) -> tuple[str, Described]:
    """Return an example of a body, made of the fields' examples."""
    return type(schema).__name__, {"value": _value(schema)}


def _value(schema: Schema) -> Any:
    """Return all fields of a request, or the fields that a response always has."""
    shown = (each for each in schema.fields.items() if each[1].required or isinstance(each[1], BaseField))
    fields = {field.data_key or name: field for name, field in shown}
    known = {name: field.metadata["example"] for name, field in fields.items() if "example" in field.metadata}
    inner = {name: _value(field.schema) for name, field in fields.items() if isinstance(field, Nested)}
    value = {name: {**known, **inner}[name] for name in fields if name in known or name in inner}
    return [value] if schema.many else value
