"""C14: retry advice is true, and an undecided outcome is known soon after the advised wait."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask.testing import FlaskClient

from payment_service import clock
from payment_service.cli.loops import recover_until
from payment_service.config import Settings
from payment_service.gateways.base import GatewayRequest, Pending, SendResult, Unknown
from payment_service.models import payments, timers
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from tests.support import checkouts
from tests.support.callers import pay_trip
from tests.support.database import assert_due, expire_leases, is_due, rows
from tests.support.gateways import LedgerGateway
from tests.support.markdown import document
from tests.support.orders import cancel_order, charge_order, create_order, paid
from tests.support.waiting import wait_until

DO_NOT = {"safe": False, "key": None, "after": None}


@pytest.mark.parametrize("key", ["another", None])
def test_c14_charge_of_a_paid_order_advises_no_new_key(client: FlaskClient, key: str | None) -> None:
    """Release 1.0.0 advised a new key, which got the same refusal."""
    assert paid(charge_order(client, "first"))["status"] == "COMPLETED"
    refusals = [create_order(client, key)]
    if key is not None:
        refusals += [charge_order(client, f"{key}-{number}") for number in range(2)]
    errors = [(refused.status_code, refused.get_json()["code"]) for refused in refusals]
    assert errors == [(400, "payable_already_paid")] * len(refusals)
    assert [refused.get_json()["retry"] for refused in refusals] == [DO_NOT] * len(refusals)
    assert [refused for refused in refusals if "Retry-After" in refused.headers] == []


def test_c14_new_key_works_after_the_cancellation_of_the_payment(client: FlaskClient) -> None:
    """The page says so."""
    number = paid(create_order(client))["payment_id"]
    assert charge_order(client, "refused").get_json()["retry"] == DO_NOT
    cancel_order(client, number)
    assert paid(charge_order(client, "new"))["status"] == "COMPLETED"


def test_c14_every_kind_of_advice_is_explained() -> None:
    """Release 1.0.0 explained three of four."""
    rows_of_table = list(document("docs/reference/errors.md").section("Retry advice").rows())
    explained = {re.sub(r"[`\"]", "", cells[0]) for cells in rows_of_table if "safe" in cells[0]}
    kinds = {"safe: true, key: same", "safe: true, key: new", "safe: true, key: null", "safe: false, key: null"}
    assert explained == kinds


@pytest.mark.parametrize("reply", [Unknown("silence"), Pending()], ids=["unknown", "pending"])
def test_c14_undecided_operation_is_looked_up_after_1_2_and_4_seconds(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, reply: SendResult
) -> None:
    """Release 1.0.0 began with 5 seconds."""
    gateway.script.append(reply)
    gateway.found.extend([Pending()] * 9)
    begun = clock.now()
    pay_trip(client)
    (timer,) = rows(deps, timers)
    assert_due(1, timer["due_at"], since=begun)

    pauses, in_time = (2, 4, 8, 16, 32, 64, 128, 256, 300), []
    for pause in pauses:
        expire_leases(deps)
        begun = clock.now()
        undecided = dict(recover(deps)) == {"undecided": 1}
        (timer,) = rows(deps, timers)
        in_time.append(undecided and is_due(pause, timer["due_at"], since=begun))
    assert dict(zip(pauses, in_time, strict=True)) == dict.fromkeys(pauses, True)


@contextmanager
def worker(deps: Dependencies) -> Iterator[None]:
    """Run the recovery worker as it runs beside the service, with the default pause."""
    stop = threading.Event()
    interval = Settings(database_url="sqlite://").recover_interval
    thread = threading.Thread(target=recover_until, args=(deps, interval, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_c14_outcome_of_a_keyless_request_is_known_within_seconds(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """Release 1.0.0 sent `Retry-After: 2` and took ten seconds."""

    def act_later(asked: GatewayRequest) -> SendResult:
        gateway.approve(asked)
        return Pending()

    gateway.script.append(act_later)
    gateway.found.append(Pending())
    with worker(deps):
        told = checkouts.process(client)
        began = time.monotonic()
        assert (told.status_code, told.headers["Retry-After"]) == (202, "2")
        wait_until(lambda: rows(deps, payments)[0]["status"] == "FAILED")
        assert time.monotonic() - began < 1 + 1 + 2 + 1 + 1 + 2, "two look-ups, and a reversal"
