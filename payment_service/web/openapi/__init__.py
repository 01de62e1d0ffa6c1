"""The service's description in OpenAPI 3.0, made of the routes it really has and of what their views declare."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from apispec import APISpec
from flask import Flask
from werkzeug.routing import Rule

from payment_service.web.channel import Channel
from payment_service.web.errors import VOICES
from payment_service.web.openapi.introduction import HEADERS, INTRODUCTION, SERVICE_TAG, TITLE, TOKEN
from payment_service.web.openapi.operations import Operation, parts_of
from payment_service.web.openapi.schemas import Plugin, Schemas, name_of
from payment_service.web.responses import dumps

VERSION = "3.0.3"
_CONVERTER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""HEAD and OPTIONS are the web's own."""


class Description:
    """An app's description, made when it is first asked for and then kept."""

    def __init__(self, app: Flask, channels: Sequence[Channel]) -> None:
        self._app = app
        self._channels = channels

    @cached_property
    def document(self) -> dict[str, Any]:
        """The description itself; not to be changed."""
        return describe(self._app, self._channels)

    @cached_property
    def text(self) -> str:
        """The description as JSON."""
        return dumps(self.document)

    @cached_property
    def tag(self) -> str:
        """What tells one description from another."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def describe(app: Flask, channels: Sequence[Channel]) -> dict[str, Any]:
    """The description of all routes whose views declare what they take and give."""
    plugin = Plugin(schema_name_resolver=name_of)
    spec = APISpec(
        TITLE,
        app.config["SERVICE_VERSION"],
        VERSION,
        info={"description": INTRODUCTION},
        servers=[{"url": "/", "description": "This service"}],
        plugins=[plugin],
    )
    spec.components.security_scheme("token", TOKEN)
    for name, (about, example) in HEADERS.items():
        spec.components.header(name, {"description": about, "schema": {"type": "string", "example": example}})
    schemas = Schemas(spec, plugin)
    for channel in channels:
        spec.tag(_tag(channel))
    spec.tag(SERVICE_TAG)
    for operation in operations_of(app):
        described = operation.described(schemas, app.extensions[VOICES], app.extensions["open_channels"])
        spec.path(operation.path, operations={operation.method: described})
    return spec.to_dict()


def operations_of(app: Flask) -> Iterator[Operation]:
    """Every route and method that is described, in the order of the paths."""
    yield from (operation for operation in routes_of(app) if operation.parts)


def routes_of(app: Flask) -> Iterator[Operation]:
    """Every route and method of the service, described or not."""
    access, voices = app.extensions["access"], app.extensions[VOICES]
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        path = path_of(rule)
        view = app.view_functions[rule.endpoint]
        entrance = access[rule.endpoint.rpartition(".")[0]]
        channel = entrance.channels[0] if len(entrance.channels) == 1 else voices.of_path(path)
        for method in _METHODS:
            if method in (rule.methods or ()):
                yield Operation(method.lower(), path, view, entrance, channel, parts_of(view, channel))


def path_of(rule: Rule) -> str:
    """A route's path as OpenAPI writes it: `/payments/{payment_id}`."""
    return _CONVERTER.sub(r"{\1}", rule.rule)


def _tag(channel: Channel) -> dict[str, str]:
    return {"name": channel.name, "description": channel.about}
