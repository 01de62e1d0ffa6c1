"""An event goes to any number of sinks. Release 1.0.0 raised KeyError inside the claim for a sixth."""

from typing import Any

from flask.testing import FlaskClient

from payment_service.channels.orders import CHANNEL
from payment_service.channels.orders.renderer import OrderRenderer
from payment_service.domain.deliveries import Event, WebhookRequest
from payment_service.domain.lifecycle import Move
from payment_service.domain.records import PaymentContext
from payment_service.models import outbox_deliveries
from tests.conftest import MakeApp, dependencies_of
from tests.support.database import rows
from tests.support.orders import charge_order, paid

SINKS = ("order", "inventory", "notification", "trip_notification")
BODY: dict[str, Any] = {"payment_id": 1}


class TellsEverybody(OrderRenderer):
    """Renders for the orders callers, and has four webhook requests for each event."""

    def event(self, move: Move, context: PaymentContext) -> Event:
        """Return one request for each HTTP sink."""
        event = super().event(move, context)
        return Event(event.type, event.data, tuple(WebhookRequest(sink, "POST", "/v1/all", BODY) for sink in SINKS))


def test_e1_charge_with_events_for_four_webhooks_and_two_brokers_succeeds(make_app: MakeApp) -> None:
    urls = {f"{sink}_service_url": "http://127.0.0.1:9" for sink in SINKS}
    app = make_app(rabbitmq_enabled=True, kafka_brokers="127.0.0.1:9", **urls)
    deps = dependencies_of(app)
    renderers: Any = deps.renderers
    renderers[CHANNEL.name] = TellsEverybody()
    client: FlaskClient = app.test_client()

    paid(charge_order(client))

    assert len(rows(deps, outbox_deliveries)) == 2 * 6
