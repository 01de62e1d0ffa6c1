"""`POST /webhooks/{gateway}`: receives gateways' notices. A notice wakes a look-up and decides nothing.

Public: the gateway's signature over the received bytes protects it.
"""

from flask import Blueprint, Response, request
from marshmallow import Schema

from payment_service.services import notices
from payment_service.web import response_fields as field
from payment_service.web.context import dependencies
from payment_service.web.openapi.decorators import describe, text_param
from payment_service.web.parsing import raw_body
from payment_service.web.responses import show

blueprint = Blueprint("webhooks", __name__)

MOST_BYTES = 256 * 1024
"""Of one request: an event contains a whole object of the gateway."""


class GatewayEvent(Schema):
    """An event as the gateway writes and signs it; its id is the same at every delivery"""

    id = field.text("evt_1PgafyL2eZvKYlo2")
    type = field.text("payment_intent.succeeded")


class Received(Schema):
    """Stored, now or before: the gateway need not send it again"""

    received = field.boolean(example=True)


EVENT, RECEIVED = GatewayEvent(), Received()


@blueprint.post("/webhooks/<gateway>")
@describe({200: RECEIVED}, body=EVENT, path=[text_param("gateway", "stripe")])
def receive(gateway: str) -> Response:
    """Take a gateway's word that something happened.

    For gateways, not for callers: signed by a secret of the endpoint. It brings the service's own look-up at the
    gateway forward; nothing that it says of a payment is believed. 400 where the signature does not fit.
    """
    headers = {name.lower(): value for name, value in request.headers.items()}
    notices.receive(dependencies(), gateway, headers, raw_body(MOST_BYTES), request.args.to_dict())
    return show(RECEIVED.dump({"received": True}))
