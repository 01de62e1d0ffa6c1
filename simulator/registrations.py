"""Objects that are registered before money can move, in the simulator's own protocol, for adapters that register first.

==================================  ====================================================================================
POST /registrations                 make an object for a request, one for each `register_key`: 201 with its
                                    `reference`; nothing moves
POST /registrations/{id}/confirm    execute the request, once for its gateway key: the reply is that of POST /operations
POST /registrations/{id}/cancel     end it unless money was taken; release a hold under `cancel_key`: the reply is that
                                    of a look-up
GET /registrations/{id}             its state: "registered", "cancelled", or as in GET /operations
==================================  ====================================================================================

A refused object stays open until it is cancelled. A cancelled object cannot be confirmed any more, even by a request
that was on its way.
"""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request

from payment_service import clock
from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined, GatewayRequest
from payment_service.gateways.simulated import SuccessRates, decide
from simulator import codec
from simulator.fault_injection import after_effect, before_effect, hang_up, plan_of
from simulator.faults import FaultRegistry
from simulator.ledger import Entry, KeyConflictError, Ledger, Plan

CONFLICT = "This gateway key or registration is of another operation"

_FIND = "SELECT * FROM registrations WHERE reference = ?"
_REGISTER = "INSERT OR IGNORE INTO registrations VALUES (?, ?, ?, ?, 'registered')"
_REGISTERED = "SELECT * FROM registrations WHERE register_key = ?"
_CANCEL = "UPDATE registrations SET status = 'cancelled' WHERE reference = ?"


def register_first(
    app: Flask, ledger: Ledger, faults: FaultRegistry, rates: SuccessRates, wait: Callable[[], None]
) -> None:
    """Add the paths to the simulator's app; `wait` delays a request."""
    views = _Views(ledger, faults, rates, wait)
    app.register_error_handler(codec.BadRequestError, lambda error: codec.error(400, "BAD_INSTRUCTION", str(error)))
    app.register_error_handler(KeyConflictError, lambda _: codec.error(409, "KEY_CONFLICT", CONFLICT))
    for path, view in (
        ("", views.register),
        ("/<reference>/confirm", views.confirm),
        ("/<reference>/cancel", views.cancel),
    ):
        app.add_url_rule(f"/registrations{path}", f"registrations{path}", view, methods=["POST"])
    app.add_url_rule("/registrations/<reference>", "registration", views.look_up)


class _Views:
    def __init__(self, ledger: Ledger, faults: FaultRegistry, rates: SuccessRates, wait: Callable[[], None]) -> None:
        self._ledger = ledger
        self._faults = faults
        self._rates = rates
        self._wait = wait

    def register(self) -> Response:
        asked = codec.read_request(request.get_json(silent=True))
        if asked.kind not in {Kind.CHARGE, Kind.AUTHORIZE} or "register_key" not in request.get_json():
            raise codec.BadRequestError("only charges and authorizations are registered, under a register_key")
        self._wait()
        fault = self._faults.take("register", asked.gateway_key, asked.kind, asked.amount)
        if ended := before_effect(fault):
            return ended
        key = str(request.get_json()["register_key"])
        with self._ledger.transaction() as db:
            db.execute(_REGISTER, (f"reg_{clock.new_hex(24)}", key, asked.gateway_key, asked.kind))
            row = db.execute(_REGISTERED, (key,)).fetchone()
        if (row["gateway_key"], row["kind"]) != (asked.gateway_key, asked.kind):
            raise KeyConflictError(key)
        body = {"gateway_key": asked.gateway_key, "reference": row["reference"], "status": "registered"}
        return after_effect(fault, codec.reply(201, body))

    def confirm(self, reference: str) -> Response:
        asked = codec.read_request(request.get_json(silent=True))
        self._wait()
        fault = self._faults.take("send", asked.gateway_key, asked.kind, asked.amount)
        if ended := before_effect(fault):
            return ended
        outcome = decide(asked, self._rates)
        with self._ledger.transaction() as db:
            row = db.execute(_FIND, (reference,)).fetchone()
            if row is None or (row["gateway_key"], row["kind"]) != (asked.gateway_key, asked.kind):
                raise KeyConflictError(asked.gateway_key)
            if row["status"] == "cancelled":
                return _shown(row, self._ledger.find(asked.gateway_key))
            entry = self._ledger.enter(asked, plan_of(fault, outcome))
        if entry.fresh and outcome.first_reply == "no_answer":
            return hang_up()
        return after_effect(fault, codec.render(entry, lookup=False))

    def look_up(self, reference: str) -> Response:
        self._wait()
        with self._ledger.transaction() as db:
            row = db.execute(_FIND, (reference,)).fetchone()
        fault = self._faults.take("lookup", row["gateway_key"]) if row else None
        if ended := before_effect(fault):
            return ended
        if row is None or (fault and fault.fault == "not_found"):
            return codec.reply(404, {"reference": reference, "status": "not_found"})
        return after_effect(fault, _shown(row, self._ledger.look_up(row["gateway_key"])))

    def cancel(self, reference: str) -> Response:
        self._wait()
        with self._ledger.transaction() as db:
            row = db.execute(_FIND, (reference,)).fetchone()
        if row is None:
            return codec.reply(404, {"reference": reference, "status": "not_found"})
        fault = self._faults.take("send", row["gateway_key"], Kind.VOID)
        if ended := before_effect(fault):
            return ended
        return after_effect(fault, self._cancelled(reference))

    def _cancelled(self, reference: str) -> Response:
        with self._ledger.transaction() as db:
            row = db.execute(_FIND, (reference,)).fetchone()
            entry = self._ledger.find(row["gateway_key"])
            if entry is None or isinstance(entry.answer, Declined) or self._is_let_go(entry, row):
                db.execute(_CANCEL, (reference,))
            return _shown(db.execute(_FIND, (reference,)).fetchone(), entry)

    def _is_let_go(self, entry: Entry, row: Any) -> bool:
        """Release a hold, as a movement under the cancel's own key; return True if this or an earlier cancel did."""
        if row["kind"] != Kind.AUTHORIZE or not isinstance(entry.answer, Approved) or row["status"] == "cancelled":
            return bool(row["status"] == "cancelled")
        void = _void_of(entry.gateway_key, entry.answer, str(request.get_json()["cancel_key"]))
        approved = Plan(Approved(void.amount, void.currency))
        return isinstance(self._ledger.enter(void, approved).answer, Approved)


def _void_of(parent_key: str, held: Approved, key: str) -> GatewayRequest:
    return GatewayRequest(key, Kind.VOID, "", held.amount, held.currency, "CARD", parent_key)


def _shown(row: Any, entry: Entry | None) -> Response:
    """Return the present state of a registration: its operation, if there is one, and if it is still open."""
    if entry is not None and not (row["status"] == "cancelled" and isinstance(entry.answer, Approved)):
        response = codec.render(entry, lookup=True)
        return codec.reply(200, {**(response.get_json() or {}), "registration": row["status"]})
    body = {"gateway_key": row["gateway_key"], "kind": row["kind"], "status": row["status"]}
    return codec.reply(200, {**body, "registration": row["status"]})
