"""T4: the service answers for another caller's object as for a missing one, and only the log tells the two apart.

The log of release 1.0.0 did not.
"""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.api.test_two_users import ASKED, NOBODYS, NOBODYS_PAYABLE, Route, ask, asked_of
from tests.conftest import Lines, MakeApp, dependencies_of
from tests.support.tokens import bearer
from tests.support.two_users import Belongings, make_belongings

BY_ITS_ID = [route for route, asked in ASKED.items() if asked.status != 200 and "idempotency" not in route[1]]
"""Routes that name a payment or an order. A key is its caller's own text, and so is never another's."""


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """Return the service where every channel needs a token."""
    return make_app(log_level="INFO", auth_open_channels=frozenset())


@pytest.fixture
def anns(app: Flask) -> Belongings:
    """Return the ids of Ann's payments and refunds."""
    return make_belongings(app, dependencies_of(app))


@pytest.fixture
def ben(app: Flask) -> FlaskClient:
    """Return a client that sends Ben's token."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = bearer("ben")["Authorization"]
    return client


def test_t4_a_foreign_payment_leaves_a_line_and_none_leaves_none(
    ben: FlaskClient, anns: Belongings, lines: Lines
) -> None:
    """Release 1.0.0 logged both as a 404 of the route."""
    assert len(BY_ITS_ID) > 15
    for route in BY_ITS_ID:
        lines()
        statuses = {}
        for sent, _, body, query in asked_of(anns, route):
            answer = ask(ben, route, sent, body, query)
            statuses[answer.headers["X-Request-ID"]] = answer.status_code
        found = [line for line in lines() if line["event"] == "auth.refused"]

        assert found, route
        assert {(line["reason"], line["subject"], line["level"]) for line in found} == {("foreign", "ben", "warning")}
        assert all(statuses[str(line["request_id"])] == line["status"] for line in found), route
        assert not any(f"/{number}" in str(line["route"]) for line in found for number in anns.numbers), route
        assert refused_of_nothing(ben, route, lines) == [], route


def refused_of_nothing(ben: FlaskClient, route: Route, lines: Lines) -> list[object]:
    """Return the log lines of a request for an unknown id."""
    asked = ASKED[route]
    none = NOBODYS[asked.ids] if isinstance(asked.ids, str) else NOBODYS_PAYABLE
    for body in asked.bodies:
        assert ask(ben, route, none, body).status_code == asked.status
    return [line for line in lines() if line["event"] == "auth.refused"]


def test_t4_a_foreign_payment_of_another_channel_leaves_a_line(
    ben: FlaskClient, anns: Belongings, lines: Lines
) -> None:
    """Release 1.0.0 logged a 404. The shared paths answer for every channel, so each of Ann's numbers is foreign."""
    for number in anns.numbers:
        for path in ("/payments", "/v1/payments"):
            lines()
            assert ben.get(f"{path}/{number}").status_code == 404
            assert [line["reason"] for line in lines() if line["event"] == "auth.refused"] == ["foreign"], number
