"""Operator sessions end by each way, and sign-ins leave rows in the database and lines in the log."""

import json
import time
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert

from payment_service import clock
from payment_service.domain.errors import Unavailable
from payment_service.models import operator_revocations, operator_sessions
from payment_service.services import operator_sessions as sessions
from payment_service.services.dependencies import Dependencies
from tests.conftest import Lines, MakeApp
from tests.support.database import rows
from tests.support.operators import HOME, SCOPE, form_token, sign_in, signed_in
from tests.support.tokens import token
from tests.support.waiting import wait_until


def test_sign_out_ends_the_session_for_every_copy_of_the_cookie(app: Flask, lines: Lines) -> None:
    client, copy, other = signed_in(app), app.test_client(), signed_in(app)
    cookie = client.get_cookie("ops")
    assert cookie is not None
    copy.set_cookie("ops", cookie.value)
    assert copy.get(HOME).status_code == 200
    assert client.post("/ops/logout").status_code == 403
    assert client.get(HOME).status_code == 200

    answer = client.post("/ops/logout", data={"form_token": form_token(client)})

    assert (answer.status_code, answer.headers["Location"]) == (303, "/ops/login")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert [each.get(HOME).status_code for each in (client, copy, other)] == [401, 401, 200]
    assert "Your session has ended" in copy.get(HOME).text


def test_second_sign_in_ends_the_earlier_session(app: Flask) -> None:
    client, copy = signed_in(app), app.test_client()
    cookie = client.get_cookie("ops")
    assert cookie is not None
    copy.set_cookie("ops", cookie.value)

    assert sign_in(client).status_code == 303

    assert [client.get(HOME).status_code, copy.get(HOME).status_code] == [200, 401]


@pytest.mark.parametrize(
    ("expires_in", "longest", "lasts"), [(3600, 8 * 3600, 3600), (250_000_000_000, 8 * 3600, 8 * 3600), (3600, 60, 60)]
)
def test_session_ends_with_its_token_or_its_time(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, expires_in: int, longest: int, lasts: int
) -> None:
    client = make_app(ops_session_seconds=longest, ops_idle_seconds=8 * 3600).test_client()
    assert sign_in(client, token("maria", scope=SCOPE, expires_in=expires_in)).status_code == 303
    begun = clock.now()

    def at(seconds: float) -> datetime:
        return begun + timedelta(seconds=seconds)

    monkeypatch.setattr(clock, "now", lambda: at(lasts - 30))
    assert client.get(HOME).status_code == 200
    monkeypatch.setattr(clock, "now", lambda: at(lasts + 1))
    answer = client.get(HOME)
    assert (answer.status_code, "Your session has ended" in answer.text) == (401, True)


def test_a_session_ends_by_idleness_and_each_request_puts_that_off(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(ops_idle_seconds=600)
    busy, idle = signed_in(app), signed_in(app)
    begun = clock.now()

    def status_after(client: FlaskClient, minutes: float) -> int:
        monkeypatch.setattr(clock, "now", lambda: begun + timedelta(minutes=minutes))
        return client.get(HOME).status_code

    assert [status_after(busy, minutes) for minutes in (9, 18, 27)] == [200, 200, 200]
    assert status_after(idle, 27) == 401
    assert status_after(busy, 36.9) == 200
    assert "Your session has ended" in idle.get(HOME).text
    assert [status_after(busy, minutes) for minutes in (47, 48)] == [401, 401]


def test_a_session_stays_open_where_its_last_request_cannot_be_stored(
    app: Flask, deps: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = signed_in(app)
    later = clock.now() + timedelta(minutes=5)
    monkeypatch.setattr(clock, "now", lambda: later)

    def unavailable(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr("payment_service.repositories.operator_sessions.see", unavailable)
    assert client.get(HOME).status_code == 200


def test_revocation_ends_every_session_of_its_subject_and_no_other(
    make_app: MakeApp, deps: Dependencies, lines: Lines
) -> None:
    app = make_app(log_level="INFO")
    maria, again, ben = signed_in(app), signed_in(app), signed_in(app, "ben")
    issued = token("maria", scope=SCOPE, iat=int(time.time()))

    ended = app.test_cli_runner().invoke(args=["ops", "revoke", "--subject", "maria", "--actor", "chief", "--json"])

    assert json.loads(ended.stdout) == {"subject": "maria", "sessions": 2}
    assert [each.get(HOME).status_code for each in (maria, again, ben)] == [401, 401, 200]
    (revoked,) = [line for line in lines() if line["event"] == "ops.revoked"]
    assert (revoked["subject"], revoked["actor"], revoked["sessions"]) == ("maria", "chief", 2)
    answer = sign_in(maria, issued)
    assert (answer.status_code, "were revoked" in answer.text) == (401, True)
    later = token("maria", scope=SCOPE, iat=int(time.time()) + 20)  # the issuer's clock may be ahead
    wait_until(lambda: sign_in(maria, later).status_code == 303)
    assert maria.get(HOME).status_code == 200


def test_session_that_begins_during_a_revocation_is_over(app: Flask, deps: Dependencies) -> None:
    client = signed_in(app)
    before = clock.now()
    with deps.database.atomic("test") as connection:  # committed by a command that did not see the session
        values = {"subject": "maria", "actor": "chief", "revoked_at": before}
        connection.execute(insert(operator_revocations), values)

    assert client.get(HOME).status_code == 401


def test_purge_deletes_expired_sessions_and_keeps_revocations(
    app: Flask, deps: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in(app)
    sessions.revoke(deps, "maria", "chief")
    runner = app.test_cli_runner()
    assert json.loads(runner.invoke(args=["purge", "--json"]).stdout)["sessions"] == 0
    later = clock.now() + timedelta(hours=9)
    monkeypatch.setattr(clock, "now", lambda: later)

    assert "1 sessions" in runner.invoke(args=["purge"]).stdout

    assert rows(deps, operator_sessions) == []
    assert len(rows(deps, operator_revocations)) == 1


def test_token_of_an_operator_is_neither_stored_nor_logged(make_app: MakeApp, deps: Dependencies, lines: Lines) -> None:
    client = make_app(log_level="DEBUG").test_client()
    good, bad = token("maria", scope=SCOPE), token("ben")
    sign_in(client, good)
    sign_in(client, bad)
    sign_in(client, "nonsense")
    logged = lines()

    said = [(line["reason"], line["subject"], line["address"]) for line in logged if line["event"] == "auth.refused"]
    assert said == [("scope_missing", "ben", "127.0.0.1"), ("malformed", None, "127.0.0.1")]
    stored = str(rows(deps, operator_sessions))
    assert not any(secret in text for secret in (good, bad) for text in (stored, str(logged)))


@pytest.mark.parametrize(
    ("peer", "told", "address"),
    [
        ("10.0.0.7", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.7", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("8.8.4.4", "203.0.113.9", "8.8.4.4"),
        ("10.0.0.7", "nonsense", "10.0.0.7"),
    ],
)
def test_session_has_the_client_address_from_the_proxy(
    client: FlaskClient, lines: Lines, make_app: MakeApp, peer: str, told: str, address: str
) -> None:
    browser = make_app(log_level="INFO").test_client()
    browser.post(
        "/ops/login", data={"token": "x"}, headers={"X-Forwarded-For": told}, environ_base={"REMOTE_ADDR": peer}
    )

    assert [line["address"] for line in lines() if line["event"] == "auth.refused"] == [address]
