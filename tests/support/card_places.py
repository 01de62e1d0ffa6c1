"""Requests with card data in odd places: refused, or with the id that carries it replaced, and stored nowhere.

Like `malformed`, each is made of a seed and a number alone. Those that are not refused for their card data are
malformed otherwise, or about something that does not exist.
"""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any
from urllib.parse import quote

from payment_service.domain.cards import contains_card_number
from tests.support.card_corpus import numbers
from tests.support.card_spellings import SPELLINGS, STRUCTURES
from tests.support.malformed import Case, Route, body_of, headers_of, on_the_wire
from tests.support.nasty import MORE

CARDS = tuple(number for _, number in numbers() if contains_card_number(number))
"""Numbers that the corpus counts as a miss are left out: a barcode, or microseconds since 1970."""
SECRETS = ("cvv", "CVV2", "cvc", "cardCvc", "card_security_code", "card-pin", "PIN", "track2", "trackData", "pin_block")
SPELLED = tuple(name for name in SPELLINGS if name not in {"as a float", "as a float with a sign"})
SANE = ("plain", "by dash", "by dot", "by underscore", "after a letter", "in eights by dash", "with leading noughts")
"""Spellings that may stand in an id."""
MAKES_A_TRIP = "/payments"


def card_data(seed: str, number: int, routes: Sequence[Route]) -> Case:
    """Return the case of this number, about one of `routes`."""
    rng = Random(f"{seed}/card/{number}")
    make = rng.choice(KINDS)
    chosen = [route for route in routes if not route.seldom]
    if make is _secret:
        chosen = [route for route in chosen if route.method == "POST" and route.rule == MAKES_A_TRIP]
    return make(rng, rng.choice(chosen))


def _spelled(rng: Random, names: Sequence[str] = SPELLED) -> str:
    return SPELLINGS[rng.choice(names)](rng.choice(CARDS))


def _value(rng: Random, route: Route) -> Case:
    """Return a card number as a value, a name or a list in a good body."""
    text = _spelled(rng)
    places: list[dict[str, Any]] = [
        {"note": text},
        {text: 1},
        {"unknown": [[text]]},
        {"metadata": {"a": {"b": text}}},
        {"reference": text},
    ]
    body = json.dumps({**body_of(rng, route), **rng.choice(places)}, ensure_ascii=rng.random() < 0.5).encode()
    return Case("card value", route.method, route.path(), body=body, headers=headers_of(rng), refused=route.writes)


def _structure(rng: Random, route: Route) -> Case:
    """Return a card number as a number, as a name, or in parts, in a body that is good where it is complete."""
    given = STRUCTURES[rng.choice(sorted(STRUCTURES))](rng.choice(CARDS))
    good = json.dumps(dict(body_of(rng, route)))
    # A channel without metadata drops it unread, also one with the parts of a number: there the body lacks its fields.
    body = given if '"p' in given or '{"a"' in given else f"{good[:-1]}, {given[1:]}"
    return Case(
        "card structure", route.method, route.path(), body=body.encode(), headers=headers_of(rng), refused=route.writes
    )


def _secret(rng: Random, route: Route) -> Case:
    """Metadata named like a security code."""
    metadata = rng.choice(({rng.choice(SECRETS): "123"}, {"card": [{rng.choice(SECRETS): 1234}]}))
    body = json.dumps({**body_of(rng, route), "metadata": metadata}).encode()
    return Case("card secret", route.method, route.path(), body=body, headers=headers_of(rng))


def _key(rng: Random, route: Route) -> Case:
    """Return a card number as the key, beside a body that is none."""
    headers = {**headers_of(rng), "Idempotency-Key": on_the_wire(_spelled(rng))}
    return Case("card key", route.method, route.path(), body=b"{}", headers=headers, refused=route.writes)


def _id(rng: Random, route: Route) -> Case:
    """Return a card number as the id of the request or its trace, beside a body that is none."""
    card = rng.choice(CARDS)
    trace = rng.choice((f"00-{card.rjust(32, '0')}-00f067aa0ba902b7-01", f"00-{'ab' * 16}-{card[:16]:0<16}-01"))
    ids = {"X-Request-ID": _spelled(rng, SANE), "X-Correlation-ID": _spelled(rng, SANE), "traceparent": trace}
    headers = {**headers_of(rng), **dict(rng.sample(sorted(ids.items()), 2))}
    return Case("card id", route.method, route.path(), body=b"{}", headers=headers, refused=route.writes)


def _path(rng: Random, route: Route) -> Case:
    """Return a card number as the id in a path."""
    name = rng.choice(sorted(route.variables) or [""])
    path = route.path(**{name: quote(_spelled(rng), safe="")}) if name else route.path()
    body = json.dumps(MORE).encode() if name else b"{}"
    return Case("card path", route.method, path, body=body, headers=headers_of(rng), refused=route.writes)


def _query(rng: Random, route: Route) -> Case:
    """Return a card number as a parameter, by its own name or another's."""
    names = ("q", "user_id", "trip_id", "order_id", "cursor", "status", _spelled(rng))
    query = f"{quote(rng.choice(names))}={quote(_spelled(rng))}"
    return Case("card query", route.method, route.path(), query, b"{}", headers=headers_of(rng), refused=route.writes)


def _header(rng: Random, route: Route) -> Case:
    """Send a card number in an unused header, or in one that is a term of the payment."""
    name = rng.choice(
        ("User-Agent", "Cookie", "Payment-Token", "Payment-Return-Url", "Referer", "X-User-ID", "tracestate")
    )
    headers = {**headers_of(rng), name: on_the_wire(_spelled(rng))}
    return Case("card header", route.method, route.path(), body=b"{}", headers=headers, refused=route.writes)


KINDS: tuple[Callable[[Random, Route], Case], ...] = (
    _value, _value, _structure, _secret, _key, _id, _path, _query, _header,
)  # fmt: skip
