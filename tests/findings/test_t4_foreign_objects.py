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


def test_t4_request_for_a_foreign_payment_is_logged_and_for_an_unknown_one_is_not(
    ben: FlaskClient, anns: Belongings, lines: Lines
) -> None:
    """Release 1.0.0 logged both as a 404 of the route."""
    assert len(BY_ITS_ID) > 15
    found: dict[Route, object] = {}
    for route in BY_ITS_ID:
        lines()
        answers = [ask(ben, route, sent, body, query) for sent, _, body, query in asked_of(anns, route)]
        statuses = {answer.headers["X-Request-ID"]: answer.status_code for answer in answers}
        refused = [line for line in lines() if line["event"] == "auth.refused"]
        found[route] = (
            {(line["reason"], line["subject"], line["level"]) for line in refused},
            [line for line in refused if statuses[str(line["request_id"])] != line["status"]],
            [line for line in refused for number in anns.numbers if f"/{number}" in str(line["route"])],
            refused_of_nothing(ben, route, lines),
        )
    assert found == {route: ({("foreign", "ben", "warning")}, [], [], []) for route in BY_ITS_ID}


def refused_of_nothing(ben: FlaskClient, route: Route, lines: Lines) -> list[object]:
    """Return the log lines of a request for an unknown id."""
    asked = ASKED[route]
    none = NOBODYS[asked.ids] if isinstance(asked.ids, str) else NOBODYS_PAYABLE
    for body in asked.bodies:
        assert ask(ben, route, none, body).status_code == asked.status
    return [line for line in lines() if line["event"] == "auth.refused"]


@pytest.mark.parametrize("path", ["/payments", "/v1/payments"])
def test_t4_request_for_a_foreign_payment_of_another_channel_is_logged(
    ben: FlaskClient, anns: Belongings, lines: Lines, path: str
) -> None:
    """Release 1.0.0 logged a 404. The shared paths answer for every channel, so each of Ann's numbers is foreign."""
    lines()
    assert [ben.get(f"{path}/{number}").status_code for number in anns.numbers] == [404] * len(anns.numbers)
    reasons = [line["reason"] for line in lines() if line["event"] == "auth.refused"]
    assert reasons == ["foreign"] * len(anns.numbers)
