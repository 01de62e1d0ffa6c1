"""Payments that differ from the gateway's list in one known way each, and what reconciliation says of them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import insert
from werkzeug.test import TestResponse

from payment_service import clock
from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined, GatewayRequest
from payment_service.gateways.listed import Unasked
from payment_service.models import disputes
from tests.support.callers import pay_trip
from tests.support.desk import NAME, TEN, Desk
from tests.support.gateways import LedgerGateway


def _declined(answer: TestResponse) -> None:
    assert "declined" in answer.text.lower() or "FAILED" in answer.text, answer.text


def _lied(gateway: LedgerGateway) -> None:
    """Let the gateway execute the next operation, and deny it."""

    def lie(instruction: GatewayRequest) -> Declined:
        gateway.approve(instruction)
        return Declined("CARD_DECLINED", "Card was declined by issuer")

    gateway.script.append(lie)


def strange_charge(desk: Desk) -> None:
    desk.entry("v1-strange")


def strange_charge_without_key(desk: Desk) -> None:
    desk.entry(None, reference="pi_strange")


def missing_charge(desk: Desk) -> None:
    _, key = desk.paid()
    del desk.gateway.ledger[key]


def missing_refund(desk: Desk) -> None:
    number, _ = desk.paid()
    assert desk.refunded(number).status_code == 200
    del desk.gateway.ledger[desk.last_key()]


def other_amount(desk: Desk) -> None:
    _, key = desk.paid()
    desk.gateway.ledger[key] = replace(desk.gateway.ledger[key], amount=Decimal("151.00"))


def other_currency(desk: Desk) -> None:
    _, key = desk.paid()
    desk.gateway.ledger[key] = replace(desk.gateway.ledger[key], currency="USD")


def other_amount_on_another_day(desk: Desk) -> None:
    """Charge a payment that only the look-up shows, outside the period's list."""
    other_amount(desk)
    key = desk.last_key()
    asked = desk.gateway.ledger.pop(key)
    desk.gateway.found.append(desk.gateway.approve(asked))
    del desk.gateway.ledger[key]


def charged_twice(desk: Desk) -> None:
    _, key = desk.paid()
    desk.entry(key, amount=Decimal("150.00"))


def refund_done_though_it_failed(desk: Desk) -> None:
    number, _ = desk.paid()
    _lied(desk.gateway)
    _declined(desk.refunded(number))


def charge_declined_though_it_succeeded(desk: Desk) -> None:
    missing_charge(desk)
    desk.gateway.found.append(Declined("CARD_DECLINED", "Card was declined by issuer"))


def charge_done_and_undecided_here(desk: Desk) -> None:
    desk.gateway.script.append(desk.gateway.lose_answer)
    assert pay_trip(desk.client, idempotency_key="undecided").status_code == 202
    desk.alter(desk.last_key(), created_at=clock.now() - timedelta(hours=2))


def charge_done_after_a_told_decline(desk: Desk) -> None:
    _lied(desk.gateway)
    _declined(pay_trip(desk.client, idempotency_key="declined"))


def refund_made_elsewhere(desk: Desk) -> None:
    _, key = desk.paid()
    desk.entry("v1-desk", kind=Kind.REFUND, parent_key=key)


def capture_made_elsewhere_without_key(desk: Desk) -> None:
    _, key = desk.paid()
    desk.entry(None, kind=Kind.CAPTURE, parent_key=key, reference="ch_elsewhere")


def refund_that_came_back(desk: Desk) -> None:
    number, _ = desk.paid()
    assert desk.refunded(number).status_code == 200
    desk.entry(desk.last_key(), kind=Unasked.REFUND_FAILED, amount=Decimal("150.00"))


def unknown_dispute(desk: Desk) -> None:
    _, key = desk.paid()
    desk.entry(None, kind=Unasked.DISPUTE, parent_key=key, reference="du_1")


def capture_of_a_charge(desk: Desk) -> None:
    _, key = desk.paid()
    asked = desk.gateway.ledger[key]
    desk.gateway.ledger[key] = replace(asked, kind=Kind.AUTHORIZE)


Seed = Callable[[Desk], None]

DIFFERENCES: Mapping[Seed, tuple[str, str]] = {
    strange_charge: ("not_here", "charge of 10.00 INR at the gateway that no operation asked for"),
    strange_charge_without_key: ("not_here", "charge of 10.00 INR at the gateway that no operation asked for"),
    missing_charge: ("not_there", "done here, unknown to the gateway"),
    missing_refund: ("not_there", "done here, unknown to the gateway"),
    other_amount: ("amount", "150.00 INR here, 151.00 INR at the gateway"),
    other_currency: ("amount", "150.00 INR here, 150.00 USD at the gateway"),
    other_amount_on_another_day: ("amount", "150.00 INR here, 151.00 INR at the gateway"),
    charged_twice: ("twice", "the gateway moved it more than once"),
    refund_done_though_it_failed: ("state", "failed here, done at the gateway"),
    charge_declined_though_it_succeeded: ("state", "done here, declined at the gateway: CARD_DECLINED"),
    charge_done_and_undecided_here: ("state", "undecided here, done at the gateway"),
    refund_that_came_back: ("state", "done here, and it came back at the gateway"),
    capture_of_a_charge: ("state", "charge here, authorize at the gateway"),
    charge_done_after_a_told_decline: ("after_decline", "done at the gateway, and its caller was told that it failed"),
    refund_made_elsewhere: ("elsewhere", "refund of 10.00 INR on payment {number} that was made elsewhere"),
    capture_made_elsewhere_without_key: (
        "elsewhere",
        "capture of 10.00 INR on payment {number} that was made elsewhere",
    ),
    unknown_dispute: ("dispute", "dispute that is not known here"),
}


def known_dispute(desk: Desk) -> None:
    """Record the gateway's dispute here, too."""
    unknown_dispute(desk)
    now = datetime.now(UTC)
    row = {
        "gateway": NAME,
        "reference": "du_1",
        "payment_id": 1,
        "amount": TEN,
        "currency": "INR",
        "status": "OPEN",
        "gateway_status": "needs_response",
        "created_at": now,
        "updated_at": now,
    }
    with desk.deps.database.atomic("test") as connection:
        connection.execute(insert(disputes).values(row))


def charge_in_the_list_of_another_day(desk: Desk) -> None:
    """The gateway has it, and lists it elsewhere."""
    _, key = desk.paid()
    asked = desk.gateway.ledger.pop(key)
    desk.gateway.found.append(desk.gateway.approve(asked))
    del desk.gateway.ledger[key]


def charge_listed_by_its_reference_alone(desk: Desk) -> None:
    """List the charge without metadata, as if a person had emptied those of the gateway's object."""
    _, key = desk.paid()
    asked = desk.gateway.ledger.pop(key)
    desk.entry(None, amount=asked.amount, reference=f"LG-{key[-8:]}")


def charge_that_is_undecided_for_a_moment(desk: Desk) -> None:
    desk.gateway.script.append(desk.gateway.lose_answer)
    assert pay_trip(desk.client).status_code == 202


def declined_charge(desk: Desk) -> None:
    desk.gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    _declined(pay_trip(desk.client))


def failed_refund_that_came_back(desk: Desk) -> None:
    number, _ = desk.paid()
    desk.gateway.script.append(Declined("REFUND_FAILED", "The refund failed"))
    _declined(desk.refunded(number))
    desk.entry(desk.last_key(), kind=Unasked.REFUND_FAILED, amount=Decimal("150.00"))


def free_trip(desk: Desk) -> None:
    """The gateway was never asked, for there was nothing to pay."""
    assert pay_trip(desk.client, amount=0).status_code == 200


SAME: tuple[Seed, ...] = (
    known_dispute,
    charge_in_the_list_of_another_day,
    charge_listed_by_its_reference_alone,
    charge_that_is_undecided_for_a_moment,
    declined_charge,
    failed_refund_that_came_back,
    free_trip,
)
