"""Hostile values in every field, header, parameter and path of every route: no crash, no delay, and no difference
between the databases. A new route is found in the table of routes, its fields in its own description."""

import json
import os
import time
from collections.abc import Callable, Iterator
from random import Random, SystemRandom

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service import create_app
from payment_service.config import Settings
from payment_service.db import db
from payment_service.models import payments
from tests.conftest import empty
from tests.security.places import Place, places, sent
from tests.support.database import rows
from tests.support.effort import least_work
from tests.support.gateways import LedgerGateway
from tests.support.nasty import AMOUNTS, CARDS, KEYS, NASTY, NUMBERS, OBJECTS, TEXTS
from tests.support.refusals import LEAKS, SLOWEST
from tests.support.tokens import SECRET, bearer

SEED = os.environ.get("HOSTILE_SEED") or str(SystemRandom().randrange(10**9))
VALUES_EACH = int(os.environ.get("HOSTILE_VALUES") or 2)
"""Of the corpus, drawn anew for each place and run; with 1000 the whole corpus is sent everywhere."""

INJECTIONS = (
    "' OR '1'='1", "1; SELECT pg_sleep(5) --", "' UNION SELECT key_hash FROM idempotency_keys --", "1) OR (1=1", "%",
    "_", "\\", "1' AND 1=CAST((SELECT version()) AS int) --", "x'; DROP TABLE payments; --", "1 OR sleep(5)#",
    "randomblob(1000000000)", "$1", ":name", "%(name)s", "{0.__class__}", "=cmd|' /C calc'!A0", "\u2028", "\ufeff",
    "a" * 256, "b" * 4000, "../../etc/passwd", "file:///etc/passwd", "http://169.254.169.254/", "\ud83d", "0" * 40,
    "9223372036854775808", "-9223372036854775809", "2147483648", "00000000-0000-0000-0000-000000000000", "{}", "[1]",
)  # fmt: skip
CORPUS = tuple(
    dict.fromkeys(
        [*(json.dumps(text) for text in (*NASTY, *INJECTIONS, *CARDS)), *AMOUNTS, *NUMBERS, *TEXTS, *OBJECTS, *KEYS]
    )
)


@pytest.fixture(scope="module")
def both(migrated: Callable[[str], str]) -> Iterator[list[Flask]]:
    """The service above each database."""
    apps = []
    for name in ("postgresql", "sqlite"):
        settings = Settings(database_url=migrated(name), log_level="CRITICAL", jwt_secret_key=SECRET)
        apps.append(create_app(settings, gateway=LedgerGateway()))
        empty(apps[-1].extensions["payment_service"].database)
    yield apps
    for app in apps:
        with app.app_context():
            db.engine.dispose()


def caller(app: Flask) -> FlaskClient:
    client = FlaskClient(app, use_cookies=False)
    client.environ_base["HTTP_AUTHORIZATION"] = bearer("mallory", scope="payments:service", expires_in=10**5)[
        "Authorization"
    ]
    return client


def drawn(place: Place) -> list[str]:
    """Some of the corpus, other ones for every place and seed."""
    return Random(f"{SEED} {place}").sample(CORPUS, min(VALUES_EACH, len(CORPUS)))


def test_no_value_anywhere_crashes_delays_or_divides_the_databases(both: list[Flask]) -> None:
    clients, number, tried = [caller(app) for app in both], 0, set()
    for place in places(both[0]):
        # Documents and figures differ by what happened before, and cost much to write.
        for raw in drawn(place)[: 1 if place.route.seldom else None]:
            number += 1
            answered = [judged(client, place, raw, number) for client in clients]
            where = f"HOSTILE_SEED={SEED}: {place} = {raw[:200]}"
            assert answered[0] == answered[1], f"{where}: PostgreSQL and SQLite answer {answered}"
        tried.add((place.route.method, place.route.rule))
    assert tried >= {(method, rule.rule) for rule in both[0].url_map.iter_rules() for method in of_ours(rule.methods)}
    assert number > 1000


def of_ours(methods: set[str] | None) -> set[str]:
    return (methods or set()) - {"HEAD", "OPTIONS"}


def judged(client: FlaskClient, place: Place, raw: str, number: int) -> int:
    """The status of the answer, which must be one that anybody may see."""
    where = f"HOSTILE_SEED={SEED}: {place} = {raw[:200]}"
    before = time.thread_time()
    answer = sent(client, place, raw, number)
    if time.thread_time() - before > SLOWEST:
        assert least_work(lambda: sent(client, place, raw, number)) < SLOWEST, where
    assert answer.status_code < 500 or (place.route.rule.endswith("/ready") and answer.status_code == 503), where
    if answer.status_code >= 400:
        said = answer.text
        assert not set(LEAKS.findall(said)) - set(LEAKS.findall(raw + place.route.rule)), (where, said)
    assert all(name.isascii() and value.isascii() for name, value in answer.headers.items()), where
    assert "\x00" not in answer.text, where
    return answer.status_code


EXTRA = sorted({column.name for table in payments.metadata.sorted_tables for column in table.columns})
"""What the tables call their columns: none of it is a caller's to set, unless a document says so."""


def test_no_column_can_be_set_by_naming_it(both: list[Flask]) -> None:
    for app in both:
        client, runtime = caller(app), app.extensions["payment_service"]
        compared = 0
        for place in {str(each.route) + str(each.body): each for each in places(app) if each.kind == "body"}.values():
            if place.route.variables or place.body is None:
                continue
            made = []
            for extra in (False, True):
                empty(runtime.database)
                hostile = {name: "REFUNDED" if "status" in name else 7 for name in EXTRA} | {"__proto__": {"a": 1}}
                body = dict(hostile if extra else {}) | dict(place.body) | {"idempotency_key": "one"}
                answer = client.open(
                    place.route.path(), method=place.route.method, json=body, headers={"Idempotency-Key": "one"}
                )
                assert answer.status_code < 500, (place, answer.text)
                made.append((answer.status_code, [visible(row) for row in rows(runtime, payments)]))
            if made[1][0] < 400:  # a name that the document does know may make it another request, or none
                assert made[0] == made[1], place
                compared += 1
        assert compared >= 3


VOLATILE = {"payment_id", "public_id", "reference", "transaction_id", "payment_intent_id", "fingerprint"}


def visible(row: dict[str, object]) -> dict[str, object]:
    """A row without what differs from one payment to the next."""
    return {name: value for name, value in row.items() if name not in VOLATILE and not name.endswith("_at")}
