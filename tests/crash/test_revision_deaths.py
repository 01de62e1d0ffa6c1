"""C19: the process that records the gateway's change of mind dies around its COMMIT: no money is lost or doubled.

Each death is a fork that looks again and is killed by SIGKILL at its failpoint. The surviving rows are looked up again
in turn.
"""

import os
import signal
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service import failpoints
from payment_service.domain.operations import Kind
from payment_service.models import payments, transactions
from payment_service.services import holds
from payment_service.services.dependencies import Dependencies
from payment_service.services.later import look_again
from payment_service.services.verification import verify
from tests.support import checkouts
from tests.support.changing import ChangingGateway
from tests.support.database import expire_leases, recover_all, rows
from tests.support.every_event import DECLINED

POINTS = ("revise.before_commit", "revise.after_commit")

News = Callable[[Dependencies, ChangingGateway], None]


@pytest.fixture
def gateway() -> ChangingGateway:
    return ChangingGateway()


def refund_fails(deps: Dependencies, gateway: ChangingGateway) -> None:
    """Let a refund of the first payment fail after it had succeeded."""
    look_again(deps, deps.gateways.default, gateway_key=gateway.keys(Kind.REFUND)[0])


def hold_ends(deps: Dependencies, gateway: ChangingGateway) -> None:
    """Let the hold's time end."""
    expire_leases(deps)
    holds.look_after(deps)


def customer_disputes(deps: Dependencies, gateway: ChangingGateway) -> None:
    """Let the customer's bank take back the money of a charge."""
    look_again(deps, deps.gateways.default, reference="dp_1")


def decline_is_approved(deps: Dependencies, gateway: ChangingGateway) -> None:
    """Approve a charge that was reported as declined."""
    look_again(deps, deps.gateways.default, gateway_key=gateway.keys(Kind.CHARGE)[-1])


def dies(deps: Dependencies, point: str, work: Callable[[], None]) -> None:
    """Let a fork of this process do the work and be killed at a failpoint of it."""
    deps.database.engine.dispose()
    child = os.fork()
    if not child:
        failpoints.arm(f"{point}=kill")
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"{point} was never reached"
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize(
    ("news", "status", "changes"),
    [
        (refund_fails, "CAPTURED", 1),
        (hold_ends, "CANCELLED", 1),
        (customer_disputes, "REFUNDED", 1),
        (decline_is_approved, "FAILED", 2),
    ],
    ids=["refund fails", "hold ends", "dispute", "late approval"],
)
def test_death_while_a_later_result_is_stored_loses_nothing(
    app: Flask,
    client: FlaskClient,
    deps: Dependencies,
    gateway: ChangingGateway,
    point: str,
    news: News,
    status: str,
    changes: int,
) -> None:
    prepare(client, gateway, news)
    before = len(rows(deps, transactions))

    for _ in range(3):
        dies(deps, point, lambda: news(deps, gateway)) if len(rows(deps, transactions)) == before else None
    news(deps, gateway)
    news(deps, gateway)
    recover_all(deps)

    assert [row["status"] for row in rows(deps, payments)] == [status]
    assert len(rows(deps, transactions)) == before + changes
    assert list(verify(deps)) == []


def prepare(client: FlaskClient, gateway: ChangingGateway, news: News) -> None:
    """Prepare the payment that the news is about, and the gateway's change of mind."""
    if news is hold_ends:
        checkouts.held(client)
        gateway.expire_hold()
    elif news is decline_is_approved:
        gateway.script.append(DECLINED)
        checkouts.process(client, "key")
        gateway.approve_after_all()
    else:
        checkouts.refund(client, checkouts.paid(client), 100)
        if news is refund_fails:
            gateway.fail_refund()
        else:
            gateway.show("dp_1", "lost")
