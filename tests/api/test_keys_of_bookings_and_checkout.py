"""A key stands for its payment, also after its stored response has expired or was purged: no second charge."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind
from payment_service.models import payment_refunds, payments
from payment_service.services.dependencies import Dependencies
from tests.support.bookers import Booker, error_of, payment_of
from tests.support.checkouts import body_of, detail_of, post, process, refund
from tests.support.database import count, expire_answers, purge_answers
from tests.support.gateways import LedgerGateway

ENDINGS = [pytest.param(expire_answers, id="expired"), pytest.param(purge_answers, id="purged")]
End = Callable[[Dependencies], None]


@pytest.mark.parametrize("end", ENDINGS)
def test_expired_key_of_a_booking_answers_with_the_payment_as_it_is_now(
    ada: Booker, gateway: LedgerGateway, deps: Dependencies, end: End
) -> None:
    payment_id = payment_of(ada.create("create"), 201)["payment_id"]
    ada.process(payment_id, "process")
    end(deps)
    created, processed = ada.create("create"), ada.process(payment_id, "process")
    assert (payment_of(created, 201)["payment_id"], payment_of(created, 201)["status"]) == (payment_id, "completed")
    assert payment_of(processed)["status"] == "completed"
    ada.refund(payment_id, "refund")
    end(deps)
    assert payment_of(ada.process(payment_id, "process"))["status"] == "refunded"
    again = ada.refund(payment_id, "refund")
    assert (payment_of(again)["status"], again.headers["Idempotent-Replayed"]) == ("refunded", "true")
    assert count(deps, payments) == 1
    assert (gateway.count(Kind.CHARGE), gateway.count(Kind.REFUND)) == (1, 1)


@pytest.mark.parametrize("end", ENDINGS)
def test_booking_without_keys_is_protected_by_its_status(
    ada: Booker, gateway: LedgerGateway, deps: Dependencies, end: End
) -> None:
    payment_id = ada.paid()
    end(deps)
    assert error_of(ada.process(payment_id)) == "Payment already completed"
    ada.refund(payment_id)
    expire_answers(deps)  # a purge would find nothing: the service stores no response without a key
    assert error_of(ada.refund(payment_id)) == "Only completed payments can be refunded"
    assert len(gateway.sent) == 2


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("capture", [True, False])
def test_expired_key_of_a_checkout_answers_with_the_payment_as_it_is_now(
    client: FlaskClient, gateway: LedgerGateway, deps: Dependencies, end: End, capture: bool
) -> None:
    first = body_of(process(client, "process", capture=capture))
    transaction = first["transaction_id"]
    if not capture:
        body_of(post(client, "capture", "capture", transaction_id=transaction))
    refunded = body_of(refund(client, transaction, 100, "refund"))
    end(deps)
    again = process(client, "process", capture=capture)
    assert body_of(again) == first | {"status": "refunded"}
    assert again.headers["Idempotent-Replayed"] == "true"
    assert body_of(refund(client, transaction, 100, "refund")) == refunded
    if not capture:
        assert body_of(post(client, "capture", "capture", transaction_id=transaction))["status"] == "refunded"
    assert (count(deps, payments), count(deps, payment_refunds)) == (1, 1)
    assert len(gateway.sent) == len(gateway.ledger) == (2 if capture else 3)


@pytest.mark.parametrize("end", ENDINGS)
def test_expired_key_of_another_request_answers_422(client: FlaskClient, deps: Dependencies, end: End) -> None:
    process(client, "key")
    end(deps)
    assert detail_of(process(client, "key", amount=1), 422).endswith("(different: amount)")
    assert count(deps, payments) == 1
