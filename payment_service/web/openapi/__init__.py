"""The service's description in OpenAPI 3.0, built from its routes and their views' declarations."""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, cast

from apispec import APISpec
from flask import Flask
from werkzeug.routing import Rule

from payment_service.web.channel import Channel
from payment_service.web.errors import ERROR_RENDERER
from payment_service.web.openapi.converter import Converter, Plugin
from payment_service.web.openapi.introduction import (
    HEADERS,
    INTRODUCTION,
    SCOPES,
    SERVICE_TAG,
    TITLE,
    TOKEN,
    scheme_of,
    token_with,
)
from payment_service.web.openapi.operations import OperationDoc, views_of

VERSION = "3.0.3"
_CONVERTER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""HEAD and OPTIONS are not described."""


class Description:
    """An app's description, built on first use and then cached."""

    def __init__(self, app: Flask, channels: Sequence[Channel]) -> None:
        self._app = app
        self._channels = channels

    @cached_property
    def document(self) -> dict[str, Any]:
        """The description itself; callers must not change it."""
        return build(self._app, self._channels)


def build(app: Flask, channels: Sequence[Channel]) -> dict[str, Any]:
    """Return the description of all routes with a declared view."""
    plugin = Plugin()
    spec = APISpec(
        TITLE,
        app.config["SERVICE_VERSION"],
        VERSION,
        info={"description": INTRODUCTION},
        servers=[{"url": "/", "description": "This service"}],
        plugins=[plugin],
    )
    spec.components.security_scheme("token", TOKEN)
    for scope in SCOPES:
        spec.components.security_scheme(scheme_of(scope), token_with(scope))
    for name, (about, example) in HEADERS.items():
        spec.components.header(name, {"description": about, "schema": {"type": "string", "example": example}})
    for channel in channels:
        spec.tag({"name": channel.name, "description": channel.about})
    spec.tag(SERVICE_TAG)
    converter, errors = cast(Converter, plugin.converter), app.extensions[ERROR_RENDERER]
    policies = app.extensions["open_channels"], app.extensions["plain_channels"]
    for operation in routes_of(app):
        if operation.views:
            spec.path(operation.path, operations={operation.method: operation.build(converter, errors, *policies)})
    return spec.to_dict()


def routes_of(app: Flask) -> Iterator[OperationDoc]:
    """Yield every route and method of the service, described or not, in the order of the paths."""
    accesses, errors = app.extensions["access"], app.extensions[ERROR_RENDERER]
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        path = path_of(rule)
        view = app.view_functions[rule.endpoint]
        access, need = accesses[rule.endpoint.rpartition(".")[0]], app.extensions["needs"][rule.endpoint]
        channel = access.channels[0] if len(access.channels) == 1 else errors.channel_of(path)
        for method in _METHODS:
            if method in (rule.methods or ()):
                yield OperationDoc(method.lower(), path, view, access, need, channel, views_of(view, channel))


def path_of(rule: Rule) -> str:
    """Return a route's path as OpenAPI writes it: `/payments/{payment_id}`."""
    return _CONVERTER.sub(r"{\1}", rule.rule)
