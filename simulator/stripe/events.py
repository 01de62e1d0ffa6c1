"""Events: every change adds one, with the object as it was then, and a delivery to each endpoint that wants it."""

import json

from payment_service import clock
from simulator.stripe.call import API_VERSION, Answer, Call, Endpoint, ok, shown
from simulator.stripe.forms import PAGE, boolean, text, texts, window
from simulator.stripe.lists import listing
from simulator.stripe.store import Json
from simulator.stripe.webhooks import first_due

LISTED = {"type": text, "types": texts, "created": window, "delivery_success": boolean, **PAGE}


def emit(call: Call, type_: str, body: Json, previous: Json | None = None) -> None:
    """Record an event about an object; `previous` has the changed fields with their old values."""
    data: Json = {"object": shown(body)}
    if previous is not None:
        data["previous_attributes"] = previous
    event = call.store.add(
        {
            "object": "event",
            "api_version": API_VERSION,
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": call.request_id, "idempotency_key": call.idempotency_key},
            "type": type_,
        },
        parent=body["id"],
        word=type_,
    )
    _deliver(call, event)


def _deliver(call: Call, event: Json) -> None:
    now = clock.now().timestamp()
    for row in call.store.db.execute("SELECT id, body FROM stripe_endpoints").fetchall():
        endpoint = json.loads(row["body"])
        if not {"*", event["type"]} & set(endpoint["enabled_events"]):
            continue
        for due in first_due(endpoint, event["id"], now):
            outcome = "lost" if due is None else None
            call.store.db.execute(
                "INSERT INTO stripe_deliveries (event_id, endpoint_id, due, outcome) VALUES (?, ?, ?, ?)",
                (event["id"], row["id"], due, outcome),
            )
        call.store.woken = True


def with_pending(call: Call, event: Json) -> Json:
    """Return the event with the number of its deliveries that have not arrived."""
    row = call.store.db.execute(
        "SELECT count(*) AS waiting FROM stripe_deliveries WHERE event_id = ? AND outcome IS NOT 'delivered'",
        (event["id"],),
    ).fetchone()
    return event | {"pending_webhooks": row["waiting"]}


def _list(call: Call) -> Answer:
    conditions: list[tuple[str, str | None]] = []
    form = call.form
    types = form.get("types", []) + ([form["type"]] if form.get("type") else [])
    if types:
        words = json.dumps(types)
        # `charge.*` matches every type with this beginning.
        conditions = [("EXISTS (SELECT 1 FROM json_each(?) AS t WHERE word GLOB t.value)", words)]
    if "delivery_success" in form:
        waiting = "EXISTS (SELECT 1 FROM stripe_deliveries d WHERE d.event_id = stripe_objects.id"
        waiting += " AND d.outcome IS NOT 'delivered')"
        conditions.append((waiting if not form["delivery_success"] else f"NOT {waiting}", None))
    return listing(call, "event", "/v1/events", conditions, lambda event: with_pending(call, event))


def _retrieve(call: Call) -> Answer:
    return ok(call, with_pending(call, call.subject("event", "id")))


ENDPOINTS = [
    Endpoint("GET", "/v1/events", _list, LISTED),
    Endpoint("GET", "/v1/events/<object_id>", _retrieve, {"expand": texts}),
]
