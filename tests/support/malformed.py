"""Requests that no caller's document knows: values, bodies, headers, paths, queries, tokens and methods gone wrong.

Every case is made of a seed and a number alone, so that a failure can be repeated by naming the two. A case that could
change something is malformed for certain, or about something that does not exist.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, quote_from_bytes

from tests.support.nasty import (
    BODIES,
    BROKEN,
    CARDS,
    DETOURS,
    METHODS,
    MORE,
    NASTY,
    PARAMETERS,
    REQUEST_IDS,
    TOKENS,
)
from tests.support.tokens import bearer

JSON = "application/json"
SKIPPED = 0.9
"""Of the requests for pages for everybody."""
CALLER = bearer(expires_in=86400)


@dataclass(frozen=True)
class Route:
    """A method and a rule of the service, with what stands for each variable of its path.

    `seldom`: a page for everybody, which reads next to nothing of a request, and takes long to write.
    """

    method: str
    rule: str
    variables: Mapping[str, str] = field(default_factory=dict)
    seldom: bool = False

    def path(self, **changes: str) -> str:
        """Return the path with its variables filled in, some of them differently."""
        path = self.rule
        for name, value in {**self.variables, **changes}.items():
            start, end = path.index("<"), path.index(">") + 1
            path = path[:start] + (changes.get(name) or value) + path[end:]
        return path

    @property
    def writes(self) -> bool:
        """Whether something could change."""
        return self.method not in {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Case:
    """One malformed request, as the test client takes it; `refused` ones must be answered 4xx."""

    what: str
    method: str
    path: str
    query: str = ""
    body: bytes | None = None
    content_type: str | None = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    refused: bool = True


def malformed(seed: str, number: int, routes: Sequence[Route]) -> Case:
    """Return the case of this number, about one of `routes`."""
    rng = Random(f"{seed}/{number}")
    make = rng.choice(KINDS)
    fitting = (
        [route for route in routes if route.method == "POST" and route.rule in BODIES] if make is _field else routes
    )
    route = rng.choice(fitting)
    if route.seldom and rng.random() < SKIPPED:
        route = rng.choice([route for route in fitting if not route.seldom])
    return make(rng, route)


def on_the_wire(text: str) -> str:
    """A header's value as a server hands it over: bytes as Latin-1, without the line ends no server lets through."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1").replace("\r", " ").replace("\n", " ")


def headers_of(rng: Random) -> dict[str, str]:
    """Return a caller's headers, now and then with a request id that is none."""
    headers = {**CALLER, "Idempotency-Key": "a key"}
    if rng.random() < 0.3:
        headers["X-Request-ID"] = on_the_wire(rng.choice(REQUEST_IDS))
    return headers


def body_of(rng: Random, route: Route) -> Mapping[str, Any]:
    """Return a good body, or one about no payment."""
    return rng.choice(BODIES[route.rule])[0] if route.rule in BODIES else MORE


def _field(rng: Random, route: Route) -> Case:
    """Return one field of a good body is not."""
    good, bad = rng.choice(BODIES[route.rule])
    name = rng.choice(sorted(bad))
    value = rng.choice(bad[name])
    text = json.dumps({**good, name: "<here>"}).replace('"<here>"', value)
    return Case("field", "POST", route.path(), body=text.encode(), headers=headers_of(rng))


def _card(rng: Random, route: Route) -> Case:
    """Return a card number somewhere in a good body."""
    card = rng.choice(CARDS)
    good = dict(body_of(rng, route))
    places: list[dict[str, Any]] = [{"note": card}, {card: 1}, {"unknown": [[card]]}, {"metadata": {"a": {"b": card}}}]
    body = json.dumps({**good, **rng.choice(places)}, ensure_ascii=rng.random() < 0.5)
    return Case(
        "card number", route.method, route.path(), body=body.encode(), headers=headers_of(rng), refused=route.writes
    )


def _broken(rng: Random, route: Route) -> Case:
    """Return a body that is no JSON object."""
    return Case(
        "body", route.method, route.path(), body=rng.choice(BROKEN), headers=headers_of(rng), refused=route.writes
    )


def _mutated(rng: Random, route: Route) -> Case:
    """Return a good body with a few bytes lost or gained."""
    body = bytearray(json.dumps(dict(body_of(rng, route))).encode())
    if rng.random() < 0.4:
        del body[-rng.randint(1, len(body) - 1) :]
    for _ in range(rng.randint(0, 5)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    body.insert(rng.randrange(len(body)), rng.choice(b"\x00\x01\x1f\xff\xc0"))
    return Case("bytes", route.method, route.path(), body=bytes(body), headers=headers_of(rng), refused=route.writes)


def _wrapped(rng: Random, route: Route) -> Case:
    """Return a good body under a false flag."""
    body = json.dumps(dict(body_of(rng, route))).encode()
    content_type: str | None = JSON
    headers, environ = headers_of(rng), {}
    match rng.randrange(4):
        case 0:
            content_type = rng.choice(
                (None, "text/plain", "application/xml", "multipart/form-data; boundary=x", "\u00fc")
            )
        case 1:
            headers["Content-Encoding"] = rng.choice(("gzip", "deflate", "br", "identity", "x"))
        case 2:
            content_type = "application/json; charset=" + rng.choice(("latin-1", "utf-16", "x"))
        case _:
            environ["CONTENT_LENGTH"] = rng.choice(("70000", "10000000000", "9" * 30, "0", str(len(body) - 1)))
    return Case("wrapping", route.method, route.path(), "", body, content_type, headers, environ, refused=route.writes)


def _key(rng: Random, route: Route) -> Case:
    """Return a key in the header that is none, beside a body that is none either."""
    key = on_the_wire(rng.choice((*NASTY, *CARDS, "k" * 256, "k" * 8190, "\x01")))
    headers = {**headers_of(rng), "Idempotency-Key": key}
    return Case("key", route.method, route.path(), body=b"{}", headers=headers, refused=route.writes)


def _path(rng: Random, route: Route) -> Case:
    """Return a payment's name that is none, or a way round the paths."""
    body = json.dumps(MORE).encode()
    if not route.variables or rng.random() < 0.1:
        return Case(
            "detour", route.method, rng.choice(DETOURS), body=body, headers=headers_of(rng), refused=route.writes
        )
    name = rng.choice(sorted(route.variables))
    value = quote_from_bytes(rng.choice((*NASTY[1:], *CARDS, "-1", "1.5", "00000000-0000-0000")).encode(), safe="")
    path = route.path(**{name: value})
    return Case("path", route.method, path, body=body, headers=headers_of(rng), refused=route.writes)


def _query(rng: Random, route: Route) -> Case:
    """Return parameters of any caller, with invalid values."""
    names = rng.choices(PARAMETERS, k=rng.randint(1, 4))
    values = (rng.choice((*NASTY, *CARDS, "\ud800", "x" * 3000)) for _ in names)
    query = "&".join(
        f"{name}={quote(value, errors='surrogatepass')}" for name, value in zip(names, values, strict=True)
    )
    if rng.random() < 0.1:
        query = rng.choice(("%", "&&&", "=", "%ff=%fe", "limit=%80", "a" * 4000))
    return Case("query", route.method, route.path(), query, b"{}", headers=headers_of(rng), refused=route.writes)


def _token(rng: Random, route: Route) -> Case:
    """Return a good request without a user."""
    headers = {**headers_of(rng), "Authorization": on_the_wire(rng.choice(TOKENS))}
    body = json.dumps(dict(body_of(rng, route))).encode()
    return Case("token", route.method, route.path(), body=body, headers=headers, refused=route.writes)


def _method(rng: Random, route: Route) -> Case:
    """Return a method that the path does not have."""
    headers = {**headers_of(rng), "X-HTTP-Method-Override": "POST"}
    method = rng.choice(METHODS)
    return Case("method", method, route.path(), body=b"{}", headers=headers, refused=False)


def _header(rng: Random, route: Route) -> Case:
    """Send headers that the service should not believe, over a body that is none."""
    name = rng.choice(
        ("Host", "X-Forwarded-For", "X-Forwarded-Host", "X-User-ID", "Cookie", "Accept", "Origin", "User-Agent")
    )
    headers = {**headers_of(rng), name: on_the_wire(rng.choice(NASTY))}
    return Case("header", route.method, route.path(), body=b"{}", headers=headers, refused=route.writes)


KINDS: tuple[Callable[[Random, Route], Case], ...] = (
    _field, _field, _field, _card, _broken, _mutated, _mutated, _wrapped, _key, _path, _path, _query, _query, _token,
    _method, _header,
)  # fmt: skip
