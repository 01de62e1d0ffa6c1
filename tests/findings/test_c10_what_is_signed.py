"""A signature covers the event that it belongs to, and each receiver has its own secret.

In release 1.0.0 the order stood in the path alone, which is not signed, and one secret served all receivers.
"""

import json

from payment_service.config import Settings
from payment_service.delivery.http import HttpSink
from payment_service.delivery.signatures import Signer
from payment_service.delivery.sinks import build_sinks
from payment_service.models import outbox_deliveries
from tests.conftest import MakeApp, dependencies_of
from tests.support.database import rows
from tests.support.orders import charge_order, paid

URL = "http://127.0.0.1:9"


def test_c10_body_for_the_order_service_names_order_amount_and_currency(make_app: MakeApp) -> None:
    app = make_app(order_service_url=URL)
    number = paid(charge_order(app.test_client()))["payment_id"]

    (row,) = rows(dependencies_of(app), outbox_deliveries)

    assert json.loads(row["body"]) == {
        "payment_id": number,
        "payment_status": "COMPLETED",
        "order_id": 3001,
        "amount": 2499.99,
        "currency": "INR",
    }


def test_c10_receiver_has_its_own_secret_or_the_common_one() -> None:
    settings = Settings(
        database_url="sqlite://",
        order_service_url=URL,
        inventory_service_url=URL,
        webhook_secret="common",
        order_webhook_secret="of orders",
    )
    sinks = build_sinks({name.upper(): value for name, value in vars(settings).items()})

    signers = {name: sink._signer for name, sink in sinks.items() if isinstance(sink, HttpSink)}

    assert signers == {"order": Signer.of("of orders"), "inventory": Signer.of("common")}
