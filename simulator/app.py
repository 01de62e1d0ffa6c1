"""The simulator's HTTP API.

=========================  ============================================================================================
POST /operations           execute a request: 200 approved, 202 pending, 402 declined, 400 unreadable,
                           409 the key is known with another content (and nothing happened)
GET /operations/{key}      its present state; 404 with status "not_found"
GET /effects               every movement that succeeded, oldest first: `after` (0), `limit` (100, at most 500),
                           `since` and `until` (times, the second not included); faults never change it, because
                           tests count by it
POST, GET, DELETE /faults  arm a fault (see `faults.InjectedFault`), list the armed faults, disarm all
GET /health                200 while the process serves
/registrations/…           charges and authorizations that are registered first: see `simulator.registrations`
/v1/…, /3ds/…              the same gateway with Stripe's API: see `simulator.stripe`
=========================  ============================================================================================

Bodies are described in `gateways.protocol`. The first response to a key is the response to all its resends.
"""

from functools import partial
from hmac import compare_digest
from pathlib import Path

from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue

from payment_service import clock
from payment_service.gateways.simulated import SuccessRates, decide
from simulator import codec
from simulator.fault_injection import after_effect, before_effect, hang_up, plan_of
from simulator.faults import FaultError, FaultRegistry, read_fault
from simulator.ledger import KeyConflictError, Ledger
from simulator.registrations import register_first
from simulator.stripe import speak_stripe

PAGE_LIMIT = 500
"""Effects on one page, at most."""


def create_simulator(
    ledger_path: Path | str,
    *,
    rates: SuccessRates,
    latency_ms: int = 0,
    idempotent: bool = True,
    token: str | None = None,
) -> Flask:
    """Return the simulator with the ledger in the file `ledger_path` (made if it is not there).

    `latency_ms` delays every operation and look-up; with `idempotent=False` every send is a new effect. With a
    `token`, requests about operations and effects without it get 401. The caller closes `app.extensions["ledger"]` at
    the end.
    """
    ledger, faults = Ledger(ledger_path, idempotent=idempotent), FaultRegistry()
    operations = _OperationViews(ledger, faults, rates, latency_ms / 1000)
    fault_views = _FaultViews(faults)
    app = Flask(__name__, static_folder=None)
    app.extensions["ledger"] = ledger
    app.add_url_rule("/operations", view_func=operations.send, methods=["POST"])
    app.add_url_rule("/operations/<path:gateway_key>", view_func=operations.look_up)
    app.add_url_rule("/effects", view_func=operations.effects)
    app.add_url_rule("/faults", view_func=fault_views.arm, methods=["POST"])
    app.add_url_rule("/faults", view_func=fault_views.armed)
    app.add_url_rule("/faults", view_func=fault_views.disarm, methods=["DELETE"])
    app.add_url_rule("/health", "health", lambda: {"status": "healthy", "service": "gateway-simulator"})
    if token is not None:
        app.before_request(partial(_require_token, f"Bearer {token}"))
    register_first(app, ledger, faults, rates, operations.wait)
    speak_stripe(app, ledger, faults, rates, latency_ms / 1000)
    return app


def _require_token(credentials: str) -> ResponseReturnValue | None:
    is_guarded = request.path.startswith(("/operations", "/effects", "/registrations"))
    if is_guarded and not compare_digest(request.headers.get("Authorization", "").encode(), credentials.encode()):
        return jsonify(error="the token is missing or wrong"), 401
    return None


class _OperationViews:
    def __init__(self, ledger: Ledger, faults: FaultRegistry, rates: SuccessRates, latency: float) -> None:
        self._ledger = ledger
        self._faults = faults
        self._rates = rates
        self._latency = latency

    def send(self) -> Response:
        try:
            gateway_request = codec.read_request(request.get_json(silent=True))
        except codec.BadRequestError as error:
            return codec.error(400, "BAD_INSTRUCTION", str(error))
        self.wait()
        fault = self._faults.take("send", gateway_request.gateway_key, gateway_request.kind, gateway_request.amount)
        if ended := before_effect(fault):
            return ended
        outcome = decide(gateway_request, self._rates)
        try:
            entry = self._ledger.record(gateway_request, plan_of(fault, outcome))
        except KeyConflictError:
            return codec.error(409, "KEY_CONFLICT", "This gateway key was used for another operation")
        if entry.fresh and outcome.first_reply == "no_answer":
            return hang_up()
        return after_effect(fault, codec.render(entry, lookup=False))

    def look_up(self, gateway_key: str) -> Response:
        self.wait()
        fault = self._faults.take("lookup", gateway_key)
        if ended := before_effect(fault):
            return ended
        entry = None if fault and fault.fault == "not_found" else self._ledger.look_up(gateway_key)
        if entry is None:
            response = codec.reply(404, {"gateway_key": gateway_key, "status": "not_found"})
        else:
            response = codec.render(entry, lookup=True)
        return after_effect(fault, response)

    def effects(self) -> Response:
        limit = min(max(request.args.get("limit", 100, type=int), 1), PAGE_LIMIT)
        try:
            since, until = (codec.read_moment(request.args.get(name)) for name in ("since", "until"))
        except codec.BadRequestError as error:
            return codec.error(400, "BAD_WINDOW", str(error))
        page = self._ledger.effects(request.args.get("after", 0, type=int), limit, since, until)
        following = page[-1]["id"] if len(page) == limit else None
        return jsonify(effects=[row | {"created_at": row["created_at"] or None} for row in page], next=following)

    def wait(self) -> None:
        if self._latency:
            clock.sleep(self._latency)


class _FaultViews:
    def __init__(self, faults: FaultRegistry) -> None:
        self._faults = faults

    def arm(self) -> Response:
        try:
            fault = read_fault(request.get_json(silent=True))
        except FaultError as error:
            return codec.error(400, "BAD_FAULT", str(error))
        self._faults.arm(fault)
        return codec.reply(201, fault.as_dict())

    def armed(self) -> Response:
        return jsonify([fault.as_dict() for fault in self._faults.armed()])

    def disarm(self) -> Response:
        self._faults.disarm()
        return Response(status=204)
