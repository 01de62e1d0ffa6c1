"""Notices that fit no operation, that never came, and that are old."""

import json
from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from payment_service import clock
from payment_service.models import gateway_notices, idempotency_keys
from payment_service.services import notices
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.retention import purge_notices
from tests.conftest import MakeApp
from tests.support.database import count, is_due, rows
from tests.support.notifying import (
    NotifyingGateway,
    decide_at_the_bank,
    deliver,
    event_about,
    leave_pending,
    let_notices_age,
    pay,
)
from tests.support.operators import page, signed_in, words


def test_unmatched_notice_is_retried_with_growing_pauses_then_shown(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    deliver(client, event_about(None, "charge.dispute.created", kind="dispute"))
    handled = []
    for attempt in range(14):
        begun = clock.now()
        ended = dict(notices.handle_due(deps))
        (notice,) = rows(deps, gateway_notices)
        handled.append((ended, is_due(min(2 ** (attempt + 1), 3600), notice["due_at"], since=begun)))
        let_notices_age(deps, timedelta(days=2))
    assert handled == [({"again": 1}, True)] * 14
    assert figures(client) == (1, 0)
    let_notices_age(deps, timedelta(days=3, minutes=1))
    assert figures(client) == (0, 1)
    assert dict(notices.handle_due(deps)) == {"again": 1}
    let_notices_due_stay(deps)
    assert figures(client) == (0, 1), "it stays for a person to see"


def let_notices_due_stay(deps: Dependencies) -> None:
    (notice,) = rows(deps, gateway_notices)
    assert notice["due_at"] > clock.now() + timedelta(days=29)


def figures(client: FlaskClient) -> tuple[int, int]:
    """Return the notices that /metrics counts: waiting, and unmatched."""
    told = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if not line.startswith("#"))
    return int(float(told["gateway_notices_waiting"])), int(float(told["gateway_notices_unmatched"]))


def test_notice_before_its_operation_is_matched_later(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    gateway_key = leave_pending(client, bank, deps)
    with deps.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(gateway_key="not-yet"))
    deliver(client, event_about(gateway_key))
    assert dict(notices.handle_due(deps)) == {"again": 1}
    with deps.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(gateway_key=gateway_key))
    let_notices_age(deps, timedelta(minutes=1))
    assert dict(notices.handle_due(deps)) == {"woke": 1}


def test_purge_deletes_notices_after_thirty_days(client: FlaskClient, deps: Dependencies) -> None:
    for _ in range(5):
        deliver(client, event_about("a"))
    assert list(purge_notices(deps)) == []
    let_notices_age(deps, timedelta(days=30, minutes=1))
    deliver(client, event_about("a"))
    assert list(purge_notices(deps, 2)) == [2, 2, 1]
    assert count(deps, gateway_notices) == 1


def catch_up(app: Flask, *words: str) -> Any:
    return app.test_cli_runner().invoke(args=["catch-up", "--gateway", "remote", *words])


def test_catch_up_stores_missing_notices_and_makes_look_ups_due(
    app: Flask, client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    gateway_key = leave_pending(client, bank, deps)
    decide_at_the_bank(bank, gateway_key)
    heard = event_about("heard", created=int(clock.now().timestamp()))
    deliver(client, heard)
    now = int(clock.now().timestamp())
    bank.listed = [
        heard,
        event_about(gateway_key),
        *(event_about(f"k{number}", created=now - 60) for number in range(30)),
    ]
    bank.listed.append(event_about("too old", created=now - 7200))
    since = (clock.now() - timedelta(hours=1)).isoformat()

    result = catch_up(app, "--since", since, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"seen": 32, "stored": 31}), result.output
    assert (count(deps, gateway_notices), dict(recover(deps))) == (32, {"finished": 1})
    again = catch_up(app, "--since", since)
    assert (again.exit_code, again.stdout) == (0, "32 seen, 0 of them were missing\n")


def test_catch_up_that_breaks_off_keeps_its_notices_and_reports_the_fault(
    app: Flask, deps: Dependencies, bank: NotifyingGateway
) -> None:
    bank.listed, bank.list_ends_after = [event_about(f"k{number}") for number in range(50)], 45
    result = catch_up(app, "--since", "2026-01-01")
    assert (result.exit_code, result.stdout) == (3, "")
    assert count(deps, gateway_notices) == 40, "whole batches"


def test_catch_up_of_an_unknown_gateway_or_a_future_moment_does_nothing(app: Flask, make_app: MakeApp) -> None:
    unknown = app.test_cli_runner().invoke(args=["catch-up", "--gateway", "nobody", "--since", "2026-01-01"])
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    silent = catch_up(make_app(), "--since", "2026-01-01")
    assert silent.exit_code == 1
    assert catch_up(app, "--since", "2199-01-01").exit_code == 2


def test_recover_handles_notices_too(
    app: Flask, client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    pay(client)
    deliver(client, event_about(rows(deps, idempotency_keys)[0]["gateway_key"]))
    assert app.test_cli_runner().invoke(args=["recover"]).exit_code == 0
    assert [notice["due_at"] for notice in rows(deps, gateway_notices)] == [None]


def test_operations_page_shows_unmatched_notices(app: Flask, client: FlaskClient, deps: Dependencies) -> None:
    assert "unmatched notices" not in words(page(signed_in(app)))
    deliver(client, event_about(None, "charge.dispute.created", kind="dispute"))
    let_notices_age(deps, timedelta(days=4))
    assert "1 unmatched notices" in words(page(signed_in(app)))
