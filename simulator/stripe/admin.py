"""Commands for tests, under `/_simulator/stripe/`; Stripe has none of them.

=============================================  ========================================================================
GET, POST settings                             read or change `store.DEFAULTS`
GET, POST webhook_endpoints                    list, or make one: `url`, `secrets`, `enabled_events`, `misbehaviour`
                                               (see `webhooks`), `overrides`: fields of each sent event
POST, DELETE webhook_endpoints/ID              change one's fields, or remove it
POST forget                                    forget the answers of all idempotency keys, or of `idempotency_key`
POST payment_intents/ID/settle                 decide one that is processing, by the bank's decision
POST payment_intents/ID/expire                 let its hold end
POST payment_intents/ID/authenticate           play the customer: `success`
POST refunds/ID/settle, refunds/ID/fail        decide a pending one; let one that succeeded fail: `failure_reason`
POST disputes, disputes/ID                     begin one: `payment_intent`, `amount`, `reason`; move it: `status`
POST payouts                                   pay out what no payout has yet
POST events/ID/resend                          send an event again to every endpoint that had it
GET deliveries                                 every delivery with `tries` and `outcome`
=============================================  ========================================================================
"""

import json
from collections.abc import Callable

from flask import Response, jsonify, request

from payment_service import clock
from simulator.ledger import Ledger
from simulator.stripe import balance, disputes, refunds
from simulator.stripe.attempts import look_again
from simulator.stripe.call import Call, shown
from simulator.stripe.errors import StripeError, missing
from simulator.stripe.holds import expire_hold
from simulator.stripe.store import DEFAULTS, Json, Store, new_id
from simulator.stripe.three_d_secure import authenticate
from simulator.stripe.webhooks import MISBEHAVIOUR

Command = Callable[[Call, Json], object]


def _object(call: Call, kind: str) -> Json:
    return call.subject(kind, "id")


def _settings(call: Call, body: Json) -> object:
    for name, value in body.items():
        if name not in DEFAULTS:
            raise missing("setting", name, param=name)
        call.store.change_setting(name, value)
    return {name: call.store.setting(name) for name in DEFAULTS}


def _endpoints(call: Call, _: Json) -> object:
    return [json.loads(row["body"]) for row in call.store.db.execute("SELECT body FROM stripe_endpoints")]


def _make_endpoint(call: Call, body: Json) -> object:
    endpoint = {"id": new_id("we"), "secrets": [], "enabled_events": ["*"], "misbehaviour": {}} | body
    return _keep_endpoint(call, endpoint)


def _change_endpoint(call: Call, body: Json) -> object:
    row = call.store.db.execute("SELECT body FROM stripe_endpoints WHERE id = ?", (call.object_id,)).fetchone()
    if row is None:
        raise missing("webhook endpoint", call.object_id, param="id")
    return _keep_endpoint(call, json.loads(row["body"]) | body)


def _keep_endpoint(call: Call, endpoint: Json) -> Json:
    endpoint["misbehaviour"] = MISBEHAVIOUR | endpoint["misbehaviour"]
    row = (endpoint["id"], json.dumps(endpoint))
    call.store.db.execute("INSERT OR REPLACE INTO stripe_endpoints VALUES (?, ?)", row)
    return endpoint


def _drop_endpoint(call: Call, _: Json) -> object:
    call.store.db.execute("DELETE FROM stripe_deliveries WHERE endpoint_id = ? AND due IS NOT NULL", (call.object_id,))
    call.store.db.execute("DELETE FROM stripe_endpoints WHERE id = ?", (call.object_id,))
    return {"id": call.object_id, "deleted": True}


def _forget(call: Call, body: Json) -> object:
    key = body.get("idempotency_key")
    found = call.store.db.execute("DELETE FROM stripe_answers WHERE ? IS NULL OR idempotency_key = ?", (key, key))
    return {"forgotten": found.rowcount}


def _settle_intent(call: Call, _: Json) -> object:
    return look_again(call, _object(call, "payment_intent"), at_once=True)


def _expire(call: Call, _: Json) -> object:
    expire_hold(call, call.object_id)
    return _object(call, "payment_intent")


def _authenticate(call: Call, body: Json) -> object:
    return authenticate(call, _object(call, "payment_intent"), success=body.get("success", True)).body


def _settle_refund(call: Call, _: Json) -> object:
    return refunds.look_again(call, _object(call, "refund"), at_once=True)


def _fail_refund(call: Call, body: Json) -> object:
    refund = _object(call, "refund")
    if refund["status"] == "succeeded":
        refunds.fail(call, refund, body.get("failure_reason", "expired_or_canceled_card"))
    return refund


def _dispute(call: Call, body: Json) -> object:
    charge = call.store.find(body.get("charge"), "charge")
    if charge is None:
        intent = call.store.find(body.get("payment_intent"), "payment_intent")
        charge = call.store.find(intent["latest_charge"], "charge") if intent else None
    if charge is None:
        raise missing("charge", str(body.get("charge")), param="charge")
    amount: int = body.get("amount") or charge["amount_captured"]
    reason = body.get("reason", "fraudulent")
    return disputes.begin(call, charge, amount, reason, body.get("status", "needs_response"))


def _move_dispute(call: Call, body: Json) -> object:
    if body.get("status") not in disputes.STATUSES:
        raise missing("status of a dispute", str(body.get("status")), param="status")
    return disputes.move(call, _object(call, "dispute"), body["status"])


def _pay_out(call: Call, _: Json) -> object:
    return balance.pay_out(call) or {}


def _resend(call: Call, _: Json) -> object:
    now = clock.now().timestamp()
    found = call.store.db.execute(
        "INSERT INTO stripe_deliveries (event_id, endpoint_id, due) SELECT DISTINCT event_id, endpoint_id, ?"
        " FROM stripe_deliveries WHERE event_id = ?",
        (now, call.object_id),
    )
    return {"sent": found.rowcount}


def _deliveries(call: Call, _: Json) -> object:
    rows = call.store.db.execute(
        "SELECT d.*, e.word AS type FROM stripe_deliveries d JOIN stripe_objects e ON e.id = d.event_id"
        " ORDER BY d.number"
    )
    return [dict(row) for row in rows]


COMMANDS: dict[tuple[str, str], Command] = {
    ("GET", "settings"): _settings,
    ("POST", "settings"): _settings,
    ("GET", "webhook_endpoints"): _endpoints,
    ("POST", "webhook_endpoints"): _make_endpoint,
    ("POST", "webhook_endpoints/<object_id>"): _change_endpoint,
    ("DELETE", "webhook_endpoints/<object_id>"): _drop_endpoint,
    ("POST", "forget"): _forget,
    ("POST", "payment_intents/<object_id>/settle"): _settle_intent,
    ("POST", "payment_intents/<object_id>/expire"): _expire,
    ("POST", "payment_intents/<object_id>/authenticate"): _authenticate,
    ("POST", "refunds/<object_id>/settle"): _settle_refund,
    ("POST", "refunds/<object_id>/fail"): _fail_refund,
    ("POST", "disputes"): _dispute,
    ("POST", "disputes/<object_id>"): _move_dispute,
    ("POST", "payouts"): _pay_out,
    ("POST", "events/<object_id>/resend"): _resend,
    ("GET", "deliveries"): _deliveries,
}


def view(
    command: Command, ledger: Ledger, call_on: Callable[[Store], Call], wake: Callable[[], None]
) -> Callable[..., Response]:
    """Return the view of a command: a JSON object in, a JSON object or array out."""

    def serve(object_id: str = "") -> Response:
        body = request.get_json(silent=True) or {}
        try:
            with ledger.transaction() as db:
                call = call_on(Store(db))
                call.object_id = object_id
                result = command(call, body)
        except StripeError as error:
            return Response(json.dumps(error.body), error.status, mimetype="application/json")
        wake()
        return jsonify(shown(result) if isinstance(result, dict) else result)

    return serve
