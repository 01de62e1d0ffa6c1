"""The service answers the requests of a recorded run as release 1.0.0 did, byte for byte but for ids and times.

`tests/fixtures/recorded_changes.json` lists the intended differences, each with its reason.

`tests/fixtures/recorded_run.json` holds every documented request and many more of every channel, with the answers of
release 1.0.0; `python -m tests.fixtures.record` made it. `tests/support/placeholders.py` says how ids and times are
compared. Each section begins on an empty database. After the first different answer of a section the numbers of
placeholders may shift, so the test reports that one only.
"""

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException

from payment_service.web.openapi import path_of
from tests.conftest import MakeApp
from tests.support.placeholders import Placeholders
from tests.support.recorded import Player, Sent
from tests.support.recorded_run import differences, recorded_run, settings_of

SECTIONS = recorded_run()["sections"]
NEW_ROUTES = {
    ("GET", "/ops/login/callback"),
    ("GET", "/ops/login/provider"),
    ("GET", "/v1/idempotency-keys"),
    ("POST", "/webhooks/{gateway}"),
}
"""Routes that release 1.0.0 does not have: their own tests cover them."""


@pytest.mark.parametrize("name", SECTIONS)
def test_every_recorded_request_gets_the_recorded_answer(make_app: MakeApp, name: str) -> None:
    section = SECTIONS[name]
    with settings_of(section) as changes:
        player = Player(make_app(gateway=None, **changes), Placeholders(recorded_run()["constants"]))
        first = next(differences(player, name), None)

    assert first is None, f"{name}, request {first}"


def test_every_route_is_recorded(app: Flask) -> None:
    adapter = app.url_map.bind("localhost")
    routes = {(method, path_of(rule)) for rule in app.url_map.iter_rules() for method in rule.methods or ()}
    recorded = set()
    for request in (Sent(**entry["request"]) for section in SECTIONS.values() for entry in section["entries"]):
        try:
            rule, _ = adapter.match(request.path.partition("?")[0], request.method, return_rule=True)
        except HTTPException:  # a path that no route has, or only under other settings
            continue
        recorded.add((request.method, path_of(rule)))

    assert {(method, path) for method, path in routes if method not in {"HEAD", "OPTIONS"}} - recorded == NEW_ROUTES


def test_every_kind_of_answer_is_recorded() -> None:
    recorded = [entry["answer"] for section in SECTIONS.values() for entry in section["entries"]]
    statuses = {200, 201, 202, 303, 400, 401, 402, 403, 404, 405, 409, 415, 422, 503}
    assert statuses <= {answer["status"] for answer in recorded}
    assert sum("Idempotent-Replayed" in answer for answer in recorded) > 150
    assert len(recorded) > 1800
