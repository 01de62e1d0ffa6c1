"""G5: `decide` declines no operation that may still be on its way to the gateway."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from payment_service.domain.operations import Kind
from payment_service.gateways.base import GatewayRequest, SendResult, Unknown
from payment_service.models import idempotency_keys, payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import rows
from tests.support.gateways import LedgerGateway

IN_FLIGHT = 30.0


@pytest.fixture(autouse=True)
def patient(gateway: LedgerGateway) -> None:
    """Let the gateway act on a request long after the service gave its answer up."""
    gateway.capabilities = replace(gateway.capabilities, max_in_flight=IN_FLIGHT)


def undecided(deps: Dependencies) -> str:
    (found,) = [row for row in rows(deps, idempotency_keys) if row["operation_status"] == "PENDING"]
    return str(found["operation_id"])


def decide(app: Flask, operation: str, outcome: str) -> tuple[int, str]:
    words = ["decide", operation, outcome, "--why", "Ticket 7", "--actor", "maria"]
    result = app.test_cli_runner().invoke(args=words)
    return result.exit_code, result.output


def let_pass(deps: Dependencies, seconds: float) -> None:
    """Let the leases have ended so many seconds earlier."""
    with deps.database.atomic("test") as connection:
        for row in rows(deps, idempotency_keys):
            earlier = row["leased_until"] - timedelta(seconds=seconds)
            changed = update(idempotency_keys).where(idempotency_keys.c.key_id == row["key_id"])
            connection.execute(changed.values(leased_until=earlier))


def seconds_in(said: str) -> int:
    (found,) = re.findall(r"in (\d+) seconds", said)
    return int(found)


def test_g5_operator_declines_a_charge_only_when_no_request_is_under_way(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """Release 1.0.0 declined it at once; the bank charged a moment later."""
    gateway.script.append(Unknown("silence"))
    assert pay_trip(client).status_code == 202
    operation = undecided(deps)

    code, said = decide(app, operation, "declined")
    assert (code, IN_FLIGHT - 5 <= seconds_in(said) <= IN_FLIGHT) == (3, True)
    assert rows(deps, payments)[0]["status"] == "PROCESSING"
    let_pass(deps, 20)
    code, said = decide(app, operation, "declined")
    assert (code, 5 <= seconds_in(said) <= 10) == (3, True)
    let_pass(deps, 10)
    assert decide(app, operation, "declined")[0] == 0
    assert rows(deps, payments)[0]["status"] == "FAILED"
    assert not list(verify(deps))


def test_g5_operator_declines_a_refund_only_when_no_request_is_under_way(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """Release 1.0.0 gave its amount back at once; the bank refunded a moment later."""
    number = trip_id_of(pay_trip(client))
    gateway.script.append(Unknown("silence"))
    assert refund_trip(client, number, amount=50).status_code == 202
    assert decide(app, undecided(deps), "declined")[0] == 3
    assert rows(deps, payments)[0]["refund_pending_amount"] == 50
    let_pass(deps, IN_FLIGHT)
    assert decide(app, undecided(deps), "declined")[0] == 0
    assert rows(deps, payments)[0]["refund_pending_amount"] == 0


def test_g5_while_an_owner_works_the_wait_includes_its_lease(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """Release 1.0.0 answered "try again later" and not when."""
    tried: list[tuple[int, str]] = []

    def meanwhile(asked: GatewayRequest) -> SendResult:
        tried.extend(decide(app, undecided(deps), outcome) for outcome in ("approved", "declined"))
        return gateway.approve(asked)

    gateway.script.append(meanwhile)
    assert pay_trip(client).status_code == 200
    (approved, said), (declined, said_longer) = tried
    assert (approved, declined) == (3, 3)
    lease = deps.limits.lease
    assert lease - 5 <= seconds_in(said) <= lease
    assert lease + IN_FLIGHT - 5 <= seconds_in(said_longer) <= lease + IN_FLIGHT
    assert gateway.count(Kind.CHARGE) == 1


def test_g5_operation_that_the_bank_has_made_is_approved_at_once(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """Nothing that comes later can make an approval wrong: it does not wait."""
    gateway.script.append(gateway.lose_answer)
    pay_trip(client)
    assert decide(app, undecided(deps), "approved")[0] == 0
    assert rows(deps, payments)[0]["status"] == "CAPTURED"
