"""The simulator with Stripe's API: the same ledger file, faults and outcomes, under Stripe's paths.

It exists to test an adapter that is built on the official `stripe` library. An adapter must send:

- `metadata[gateway_key]` on intents and refunds: the gateway key of the charge, authorization or refund, also in
  GET /effects (without it, the object's own id). `metadata[channel]`, for the success rate of that channel;
- an `Idempotency-Key` on captures and cancels: its part before the first "/" is their gateway key. A cancel under its
  authorization's own gateway key is recorded under the whole header, so that one key never names two movements.

For `pm_card_visa` the bank decides as usual: by magic amounts and drawn odds, in major units. Other tokens
(`tokens.CARDS`) fix the outcome. If the bank gives no first reply, the connection closes after the effect;
while it is pending, the object is `processing` (a refund `pending`) until it is read.

Faults (POST /faults) strike these requests too: `send` is any request that may move money, `register` the creation of
an intent that is not confirmed or an update, `lookup` every GET. A 500 of `error_before_effect` or `error_after_effect`
is the endpoint's reply, and stored under the key; other statuses come from before the endpoint, and are not stored.

Everything except the set of keys in progress is stored in the ledger's file, in the transaction of its effect, and so
outlives the process. `admin` has the calls of tests. Not here: customers, saved methods, updates of objects except an
intent's metadata, several captures, and parameters that are not in `CREATED` and `CONFIRMED` of `intents`: those are
refused as unknown.
"""

from flask import Flask

from payment_service.gateways.simulated import SuccessRates
from simulator.faults import FaultRegistry
from simulator.ledger import Ledger
from simulator.stripe import admin, attempts, charges, disputes, events, holds, intents, refunds, search, three_d_secure
from simulator.stripe.call import Call
from simulator.stripe.front import Front
from simulator.stripe.store import SCHEMA, Store
from simulator.stripe.worker import Worker

_ACTIONS = {
    "expire_hold": holds.expire_hold,
    "open_dispute": disputes.open_dispute,
    "fail_refund": refunds.fail_refund,
    "settle_refund": refunds.settle_refund,
    "settle_intent": attempts.settle_intent,
    "show_balance": charges.show_balance,
}
_MODULES = (intents, holds, three_d_secure, refunds, charges, disputes, events, search)


def speak_stripe(app: Flask, ledger: Ledger, faults: FaultRegistry, rates: SuccessRates, latency: float) -> None:
    """Add Stripe's paths to the simulator's app; `latency` in seconds delays every request."""
    with ledger.transaction() as db:
        for statement in SCHEMA.split(";\n"):
            db.execute(statement)
        waits = Store(db).has_due
    worker = Worker(ledger, rates, _ACTIONS)
    front = Front(ledger, faults, rates, latency, worker.wake)
    for endpoint in (each for module in _MODULES for each in module.ENDPOINTS):
        name = f"stripe {endpoint.method} {endpoint.path}"
        app.add_url_rule(endpoint.path, name, front.view(endpoint), methods=[endpoint.method])
    app.add_url_rule("/v1/<path:rest>", "stripe unknown", front.unknown, methods=["GET", "POST", "DELETE"])

    def call_on(store: Store) -> Call:
        return Call(store, ledger, rates)

    page = three_d_secure.Page(ledger, call_on, worker.wake)
    app.add_url_rule("/3ds/<object_id>", "3ds page", page.show)
    app.add_url_rule("/3ds/<object_id>", "3ds button", page.press, methods=["POST"])
    for (method, path), command in admin.COMMANDS.items():
        view = admin.view(command, ledger, call_on, worker.wake)
        app.add_url_rule(f"/_simulator/stripe/{path}", f"stripe {method} {path}", view, methods=[method])
    if waits:
        worker.wake()
