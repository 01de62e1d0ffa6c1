"""Hostile values in every field, header, parameter and path of every route: no crash, no delay, and no difference
between the databases. A new route is found in the table of routes, its fields in its own description."""

import json
import os
import time
from collections.abc import Callable
from random import Random, SystemRandom

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.security.places import Place, caller, places, sent
from tests.support.nasty import AMOUNTS, CARDS, KEYS, NASTY, NUMBERS, OBJECTS, TEXTS
from tests.support.refusals import LEAKS, SLOWEST

SEED = os.environ.get("HOSTILE_SEED") or str(SystemRandom().randrange(10**9))
VALUES_EACH = int(os.environ.get("HOSTILE_VALUES") or 2)
"""Values of the corpus, drawn anew for each place and run; with 1000 the whole corpus is sent everywhere."""
TRIES = 3
"""More tries, of which the quickest counts: a busy machine takes its time, too."""

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


def drawn(place: Place) -> list[str]:
    """Return some of the corpus, other values for every place and seed."""
    return Random(f"{SEED} {place}").sample(CORPUS, min(VALUES_EACH, len(CORPUS)))


def test_hostile_value_in_any_place_gets_the_same_answer_from_both_databases(both: list[Flask]) -> None:
    clients, number, tried = [caller(app) for app in both], 0, set()
    different = []
    for place in places(both[0]):
        # Documents and metrics depend on earlier requests, and are slow to write.
        for raw in drawn(place)[: 1 if place.route.seldom else None]:
            number += 1
            on_postgresql, on_sqlite = (judged(client, place, raw, number) for client in clients)
            if on_postgresql != on_sqlite:
                different.append((str(place), raw[:200], on_postgresql, on_sqlite))
        tried.add((place.route.method, place.route.rule))
    assert different == [], f"HOSTILE_SEED={SEED}"
    assert tried >= {(method, rule.rule) for rule in both[0].url_map.iter_rules() for method in of_ours(rule.methods)}
    assert number > 1000


def of_ours(methods: set[str] | None) -> set[str]:
    return (methods or set()) - {"HEAD", "OPTIONS"}


def timed(send: Callable[[], TestResponse]) -> tuple[TestResponse, float]:
    """Return the answer and the seconds until it came: a lock or a sleep delays it as well as work does."""
    began = time.perf_counter()
    return send(), time.perf_counter() - began


def judged(client: FlaskClient, place: Place, raw: str, number: int) -> int:
    """Return the status of the answer, which must be safe to show to any caller."""
    where = f"HOSTILE_SEED={SEED}: {place} = {raw[:200]}"
    answer, seconds = timed(lambda: sent(client, place, raw, number))
    if seconds > SLOWEST:
        assert min(timed(lambda: sent(client, place, raw, number))[1] for _ in range(TRIES)) < SLOWEST, where
    assert answer.status_code < 500 or (place.route.rule.endswith("/ready") and answer.status_code == 503), where
    if answer.status_code >= 400:
        said = answer.text
        assert not set(LEAKS.findall(said)) - set(LEAKS.findall(raw + place.route.rule)), (where, said)
    assert all(name.isascii() and value.isascii() for name, value in answer.headers.items()), where
    assert "\x00" not in answer.text, where
    return answer.status_code
