"""Every place of every route into which a caller can put a value, found in the routes and in their description."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.web.openapi import path_of
from payment_service.web.operators import COOKIE
from tests.support.description import Described, description_of
from tests.support.malformed import Route
from tests.support.refusals import routes
from tests.support.tokens import bearer

HEADERS = ("Idempotency-Key", "X-Request-ID", "X-Correlation-ID", "traceparent", "User-Agent", "Cookie", "Origin")
"""Headers that every route may get, described or not."""
QUERIES = ("limit", "cursor", "page", "q", "before", "sort", "unknown")


@dataclass(frozen=True)
class Place:
    """A place of a route (`body amount`, `path payment_id`, `query limit`, `header Origin`), and a body that fits.

    `known`: every field that the route's description has for its bodies.
    """

    route: Route
    kind: str
    name: str
    body: Mapping[str, Any] | None = field(default=None, hash=False)
    known: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.route.method} {self.route.rule} {self.kind} {self.name}"


def places(app: Flask) -> Iterator[Place]:
    """Return all places, in a fixed order."""
    described = description_of(app)
    rules = {rule.rule: path_of(rule) for rule in app.url_map.iter_rules()}
    for route in sorted(routes(app), key=lambda each: (each.rule, each.method)):
        operation = described["paths"].get(rules[route.rule], {}).get(route.method.lower(), {})
        schemas = list(_schemas(described, operation))
        known = frozenset(name for schema in schemas for name in schema["properties"])
        bodies = [_example(schema) for schema in schemas]
        whole = bodies[0] if bodies else ({"any": 1} if route.writes else None)
        for name in route.variables:
            yield Place(route, "path", name, whole, known)
        named = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
        for name in dict.fromkeys([*named, *QUERIES]):
            yield Place(route, "query", name, whole, known)
        for name in HEADERS:
            yield Place(route, "header", name, whole, known)
        for body in bodies:
            for name in body:
                yield Place(route, "body", name, body, known)


def _schemas(described: Described, operation: Described) -> Iterator[Described]:
    """Return the schema of each kind of body that the operation takes."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return _alternatives(described, content.get("schema", {}))


def _alternatives(described: Described, schema: Described) -> Iterator[Described]:
    if "$ref" in schema:
        yield from _alternatives(described, described["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    elif "oneOf" in schema or "anyOf" in schema:
        for each in [*schema.get("oneOf", ()), *schema.get("anyOf", ())]:
            yield from _alternatives(described, each)
    elif "properties" in schema:
        yield schema


def _example(schema: Described) -> dict[str, Any]:
    """Return a body made of the fields' examples."""
    known = {name: each.get("example") for name, each in schema["properties"].items()}
    return {name: value for name, value in known.items() if value is not None}


def caller(app: Flask) -> FlaskClient:
    """Return a caller with all rights and bad intentions."""
    client = FlaskClient(app, use_cookies=False)
    headers = bearer("mallory", scope="payments:service payments:operate", expires_in=10**5)
    client.environ_base["HTTP_AUTHORIZATION"] = headers["Authorization"]
    client.environ_base["HTTP_COOKIE"] = session_of(client, headers["Authorization"])
    return client


def session_of(client: FlaskClient, pasted: str) -> str:
    """Return the cookie of the operator session that this token begins; without a session, a cookie with the token."""
    answer = client.post("/ops/login", data={"token": pasted}, headers={"Cookie": ""})
    begun = answer.headers.get("Set-Cookie", "").partition(";")[0]
    return begun or f"{COOKIE}={pasted.removeprefix('Bearer ')}"


def sent(client: FlaskClient, place: Place, raw: str, number: int) -> TestResponse:
    """Send a request that is correct except for one place, which is `raw`: JSON in a body, text elsewhere.

    `number` makes its key and its payable unique.
    """
    headers = {"Authorization": client.environ_base["HTTP_AUTHORIZATION"], "Idempotency-Key": f"hostile-{number}"}
    headers["Cookie"] = client.environ_base["HTTP_COOKIE"]
    path, query, body = place.route.path(), {}, deepcopy(dict(place.body)) if place.body else None
    text = json.loads(raw) if raw.startswith('"') else raw
    if body and "idempotency_key" in body:
        body["idempotency_key"] = headers["Idempotency-Key"]
    if body and isinstance(body.get("order_id"), int):
        body["order_id"] = 10**6 + number
    if place.kind == "path":
        path = place.route.path(**{place.name: quote(text, safe="", errors="surrogatepass") or "%20"})
    elif place.kind == "query":
        query = {place.name: text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")}
    elif place.kind == "header":
        value = text.encode("utf-8", "surrogatepass").decode("latin-1")
        headers[place.name] = value.replace("\r", " ").replace("\n", " ")  # which every server stops
    written = None if body is None else json.dumps(body)
    if body is not None and place.kind == "body":
        written = json.dumps({**body, place.name: "<here>"}).replace('"<here>"', raw)
    media = "application/json" if written is not None else None
    return client.open(
        path, method=place.route.method, query_string=query, headers=headers, data=written, content_type=media
    )
