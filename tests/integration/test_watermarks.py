"""Watermarks: recovery and purge walk up the keys' numbers and pass nothing that still needs them."""

import threading
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import literal, select

from payment_service import failpoints
from payment_service.connection import Connection
from payment_service.gateways.base import Unknown
from payment_service.models import idempotency_keys, watermarks
from payment_service.repositories import recovery
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.verification import verify
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_leases, purge_answers, rows
from tests.support.gateways import LedgerGateway


def abandon(client: FlaskClient, key: str) -> None:
    """Make a charge with an owner that dies once its claim is committed."""
    failpoints.arm("claim.after_commit=raise")
    try:
        assert pay_trip(client, idempotency_key=key).status_code == 500
    finally:
        failpoints.arm("")


def watermark(deps: Dependencies) -> int:
    with deps.database.reading() as connection:
        found = connection.execute(select(watermarks.c.value).where(watermarks.c.name == "recovery")).scalar()
    return int(found or 0)


def numbers(deps: Dependencies) -> list[int]:
    return [row["key_id"] for row in rows(deps, idempotency_keys)]


def test_watermark_stays_before_an_abandoned_key_until_its_lease_ends(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    pay_trip(client, idempotency_key="first")
    expire_leases(deps)
    abandon(client, "abandoned")

    assert not recover(deps), "its owner may still be at work"
    assert watermark(deps) == numbers(deps)[0]
    expire_leases(deps)
    assert recover(deps) == {"finished": 1}
    assert len(gateway.ledger) == 2
    assert not list(verify(deps))


def test_watermark_passes_no_young_key_that_the_look_for_the_first_one_missed(
    client: FlaskClient, deps: Dependencies
) -> None:
    """Machines of a spread database look at different moments: here the first look saw no key at all."""
    pay_trip(client, idempotency_key="old")
    expire_leases(deps)
    abandon(client, "young")
    with deps.database.reading() as connection:
        last = connection.execute(recovery.last_passed(literal(2**63 - 1)), {"margin": -recovery.MARGIN})
        assert last.scalar() == numbers(deps)[0]


def test_watermark_passes_finished_keys_and_keys_with_a_timer(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.append(Unknown("silence"))
    pay_trip(client, idempotency_key="undecided")
    pay_trip(client, idempotency_key="finished")
    gateway.found.append(Unknown("silence"))
    expire_leases(deps)

    assert recover(deps) == {"undecided": 1}
    expire_leases(deps)
    assert recover(deps) == {"finished": 1}
    expire_leases(deps)
    recover(deps)
    assert watermark(deps) == numbers(deps)[-1]


def test_watermark_stays_before_a_key_claimed_meanwhile(
    client: FlaskClient, deps: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay_trip(client, idempotency_key="finished")
    expire_leases(deps)
    execute, between = Connection.execute, iter(["abandoned"])

    def execute_and_abandon(self: Connection, statement: Any, parameters: Any = None) -> Any:
        found = execute(self, statement, parameters)
        for key in between:
            abandon(client, key)
        return found

    monkeypatch.setattr(Connection, "execute", execute_and_abandon)
    with deps.database.reading() as connection:
        reached = recovery.next_watermark(connection)

    finished, abandoned = numbers(deps)
    assert reached in {None, finished}, f"passed {abandoned}"


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)  # on SQLite numbers are commit order
def test_watermark_stays_before_a_lower_number_that_commits_late(
    app: Flask, deps: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed, go_on = threading.Event(), threading.Event()
    commit = Connection.commit

    def commit_late(self: Connection) -> None:
        if threading.current_thread() is late:
            claimed.set()
            assert go_on.wait(20)
            commit(self)
            raise RuntimeError("the owner dies")
        commit(self)

    late = threading.Thread(target=lambda: pay_trip(app.test_client(), idempotency_key="late"))
    monkeypatch.setattr(Connection, "commit", commit_late)
    late.start()
    assert claimed.wait(20)
    assert pay_trip(app.test_client(), idempotency_key="higher").status_code == 200
    recover(deps)
    go_on.set()
    late.join()

    lower, higher = rows(deps, idempotency_keys)
    assert (lower["response_status"], higher["response_status"]) == (None, 200)
    assert watermark(deps) < lower["key_id"]
    expire_leases(deps)
    assert recover(deps) == {"finished": 1}


def test_number_of_a_purged_key_is_not_used_again(client: FlaskClient, deps: Dependencies) -> None:
    payment_id = trip_id_of(pay_trip(client))
    assert refund_trip(client, payment_id, idempotency_key="too much", amount=1000).status_code == 400
    purged = numbers(deps)[-1]
    expire_leases(deps)
    recover(deps)
    purge_answers(deps)
    assert purged not in numbers(deps)
    assert watermark(deps) == purged

    abandon(client, "abandoned")
    expire_leases(deps)
    assert recover(deps) == {"finished": 1}
