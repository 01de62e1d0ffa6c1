"""The steps of every request: key and permission, parameters, fault, then one transaction that acts and stores.

A POST with an idempotency key is executed once: every response of the endpoint, also a decline or a server error, is
stored with its path and form, in the transaction of its effect. A response to an invalid request, or from before the
endpoint (401, 403, 409, 429), is not stored. A key in progress gets 409; the set of these keys is in memory, because
it ends with the process.
"""

import json
import threading
from collections.abc import Callable

from flask import Response, request

from payment_service import clock
from payment_service.gateways.simulated import SuccessRates
from simulator.fault_injection import after_effect, before_effect, hang_up
from simulator.faults import FaultRegistry, InjectedFault
from simulator.ledger import Ledger
from simulator.stripe.call import API_VERSION, Answer, Call, Endpoint
from simulator.stripe.errors import StripeError, malformed, missing, server_error
from simulator.stripe.forms import Form, check, parse
from simulator.stripe.keys import api_key, check_permission
from simulator.stripe.store import Json, Store, StoredAnswer, new_id


class Front:
    """Serves endpoints over a ledger; calls `wake` when something is due later."""

    def __init__(
        self, ledger: Ledger, faults: FaultRegistry, rates: SuccessRates, latency: float, wake: Callable[[], None]
    ) -> None:
        self._ledger = ledger
        self._faults = faults
        self._rates = rates
        self._latency = latency
        self._wake = wake
        self._lock = threading.Lock()
        self._under_way: set[str] = set()

    def view(self, endpoint: Endpoint) -> Callable[..., Response]:
        """Return the view of an endpoint."""

        def serve(object_id: str = "") -> Response:
            request_id = new_id("req")
            try:
                pairs, form = self._admit(endpoint)
                response = self._guarded(endpoint, self._call(form, object_id, request_id), json.dumps(sorted(pairs)))
            except StripeError as error:
                response = _json(error.status, error.body)
            response.headers["Request-Id"] = request_id
            response.headers["Stripe-Version"] = request.headers.get("Stripe-Version", API_VERSION)
            if key := request.headers.get("Idempotency-Key"):
                response.headers["Idempotency-Key"] = key
            return response

        return serve

    def unknown(self, rest: str = "") -> Response:
        """Return the response to an unknown path."""
        message = f"Unrecognized request URL ({request.method}: {request.path})."
        return _json(404, {"error": {"type": "invalid_request_error", "message": message}})

    def _admit(self, endpoint: Endpoint) -> tuple[list[tuple[str, str]], Form]:
        key = api_key(request.headers.get("Authorization"))
        if key.startswith("rk_"):
            with self._ledger.transaction() as db:
                check_permission(key, request.path, Store(db).setting("restricted_keys"))
        pairs = list(request.args.items(multi=True)) + list(request.form.items(multi=True))
        return pairs, check(parse(pairs), endpoint.takes, endpoint.needs)

    def _call(self, form: Form, object_id: str, request_id: str) -> Callable[[Store], Call]:
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        if key is not None and len(key) > 255:
            raise malformed("Idempotency keys can be up to 255 characters long.")
        base = request.host_url.rstrip("/")
        # No request causes the changes that a look-up finds.
        cause = request_id if request.method == "POST" else None
        return lambda store: Call(store, self._ledger, self._rates, base, form, object_id, cause, key)

    def _guarded(self, endpoint: Endpoint, call_on: Callable[[Store], Call], form: str) -> Response:
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        if key is None:
            return self._faulty(endpoint, call_on, form)
        with self._lock:
            if key in self._under_way:
                message = f"There is currently another in-progress request using this Idempotent Key: {key}"
                raise StripeError(409, "idempotency_error", message, code="idempotency_key_in_use")
            self._under_way.add(key)
        try:
            return self._faulty(endpoint, call_on, form)
        finally:
            self._under_way.discard(key)

    def _faulty(self, endpoint: Endpoint, call_on: Callable[[Store], Call], form: str) -> Response:
        if self._latency:
            clock.sleep(self._latency)
        fault = self._fault(endpoint, call_on)
        if fault and fault.fault == "error_before_effect":
            return self._broken(call_on, form, fault)
        if ended := before_effect(fault):
            return ended
        answer, replayed = self._answer(endpoint, call_on, form, fault)
        if answer.lost and replayed is None:
            return hang_up()
        if fault and fault.fault == "error_after_effect":
            return _json(fault.status, server_error(fault.status))
        response = _json(answer.status, answer.body)
        if replayed is not None:
            response.headers["Idempotent-Replayed"] = "true"
            response.headers["Original-Request"] = replayed
        return after_effect(fault, response)

    def _fault(self, endpoint: Endpoint, call_on: Callable[[Store], Call]) -> InjectedFault | None:
        if not self._faults.armed():
            return None
        with self._ledger.transaction() as db:
            aim = endpoint.aim(call_on(Store(db)))
        return self._faults.take_any(aim.on, aim.keys, aim.kind, aim.asked)

    def _broken(self, call_on: Callable[[Store], Call], form: str, fault: InjectedFault) -> Response:
        """Return an error before anything was done. A 500 is the endpoint's own, and stored; others are not."""
        answer = Answer(fault.status, server_error(fault.status))
        if fault.status == 500:
            with self._ledger.transaction() as db:
                call = call_on(Store(db))
                if call.idempotency_key and call.store.answer(call.idempotency_key) is None:
                    self._keep(call, form, answer)
        return _json(answer.status, answer.body)

    def _answer(
        self, endpoint: Endpoint, call_on: Callable[[Store], Call], form: str, fault: InjectedFault | None
    ) -> tuple[Answer, str | None]:
        """Return the response, and the id of the request that got it first if that was another one."""
        with self._ledger.transaction() as db:
            call = call_on(Store(db))
            call.fault = fault
            if kept := call.store.answer(call.idempotency_key) if call.idempotency_key else None:
                if (kept.path, kept.form) != (request.path, form):
                    raise _other_parameters(call, kept)
                return Answer(kept.status, json.loads(kept.body)), kept.request_id
            if fault and fault.fault == "not_found" and endpoint.method == "GET":
                return _nothing(call, endpoint), None
            answer = _executed(endpoint, call)
            broken = fault is not None and (fault.fault, fault.status) == ("error_after_effect", 500)
            self._keep(call, form, Answer(500, server_error()) if broken else answer)
        if call.store.woken:
            self._wake()
        return answer, None

    def _keep(self, call: Call, form: str, answer: Answer) -> None:
        if call.idempotency_key and self._ledger.idempotent:
            body = json.dumps(answer.body)
            kept = StoredAnswer(request.path, form, answer.status, body, call.request_id or "")
            call.store.keep_answer(call.idempotency_key, kept)


def _executed(endpoint: Endpoint, call: Call) -> Answer:
    """Run the endpoint. A refusal undoes its writes; one that must not be stored is raised."""
    db = call.store.db
    db.execute("SAVEPOINT endpoint")
    try:
        answer = endpoint.run(call)
    except StripeError as error:
        db.execute("ROLLBACK TO endpoint")
        if not error.stored:
            raise
        answer = Answer(error.status, error.body)
    db.execute("RELEASE endpoint")
    return answer


def _other_parameters(call: Call, kept: StoredAnswer) -> StripeError:
    what = "endpoint" if kept.path != request.path else "parameters"
    message = f"Keys for idempotent requests can only be used with the same {what} they were first used with."
    return StripeError(400, "idempotency_error", f"{message} ({call.idempotency_key})")


def _nothing(call: Call, endpoint: Endpoint) -> Answer:
    """Return the response of a look-up that finds nothing."""
    if call.object_id:
        error = missing("object", call.object_id, param="id")
        return Answer(error.status, error.body)
    return Answer(200, {"object": "list", "url": endpoint.path, "has_more": False, "data": []})


def _json(status: int, body: Json) -> Response:
    return Response(json.dumps(body), status=status, mimetype="application/json")
