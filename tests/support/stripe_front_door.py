"""A front door before localstripe, an independent, stateful Stripe.

localstripe knows payment intents and 3-D Secure, but no idempotency; it refuses parameters that Stripe takes, and lets
pass what Stripe refuses. The front door adds what Stripe's documents promise and an adapter relies on. localstripe
runs as a program of its own, under gunicorn, because its own command listens on every interface.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

Json = dict[str, Any]
Form = list[tuple[str, str]]

REFUSED_THERE = (
    "automatic_payment_methods",
    "cancellation_reason",
    "error_on_requires_action",
    "return_url",
    "statement_descriptor_suffix",
)
"""The parameters that Stripe takes and localstripe does not know."""


NOTHING_THERE = ("/v1/payouts", "/v1/disputes")
"""Lists that localstripe does not have."""


class Behind:
    """localstripe at `url`, in Stripe's words."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["Authorization"] = "Bearer sk_test_front_door"
        self._lock = threading.Lock()
        self._captured: dict[str, int] = {}

    def get(self, path: str, query: Form) -> tuple[int, Json]:
        """Answer a GET; the refunds of a payment are all of its refunds, newest first."""
        wanted = dict(query)
        if path == "/v1/refunds":
            return 200, self._refunds(wanted.get("payment_intent"), wanted.get("starting_after"), int(wanted["limit"]))
        if path in NOTHING_THERE:
            return 200, _whole(path, [])
        if path == "/v1/balance_transactions":
            return 200, _whole(path, self._booked(wanted.get("type")))
        if path == "/v1/payment_intents":  # no filters there, and the charge is always shown
            query = [pair for pair in query if pair[0].partition("[")[0] not in ("created", "expand")]
        status, body = self._ask("GET", path, query)
        for each in body.get("data", []):
            self._complete(each)
        return status, body

    def post(self, path: str, form: Form) -> tuple[int, Json]:
        """Answer a POST. One at a time: localstripe checks and acts in two steps."""
        with self._lock:
            return self._post(path, form)

    def _post(self, path: str, form: Form) -> tuple[int, Json]:
        subject, _, action = path.removeprefix("/v1/payment_intents/").partition("/")
        capture = action == "capture"
        if capture and self._intent(subject)["status"] != "requires_capture":
            return 400, self._with_intent({"error": {"type": "invalid_request_error", "message": "No hold"}}, subject)
        if path == "/v1/refunds" and (refused := self._too_much(dict(form))):
            return 400, refused
        known = [pair for pair in form if pair[0].partition("[")[0] not in (*REFUSED_THERE, *("metadata",) * capture)]
        status, body = self._ask("POST", path, known)
        if status < 300 and capture:
            self._captured[subject] = int(dict(form)["amount_to_capture"])
            marks = [pair for pair in form if pair[0].startswith("metadata[")]
            self._ask("POST", f"/v1/payment_intents/{subject}", marks)
            status, body = self._ask("GET", f"/v1/payment_intents/{subject}", [])
        if status >= 400 and action:
            body = self._with_intent(body, subject)
        return status, body

    def _ask(self, method: str, path: str, form: Form) -> tuple[int, Json]:
        query, data = (form, None) if method == "GET" else (None, form)
        answer = self._http.request(method, self._url + path, params=query, data=data, timeout=20)
        if not answer.headers["Content-Type"].startswith("application/json"):
            return 500, {"error": {"type": "api_error", "message": answer.text}}
        body = answer.json()
        if answer.status_code == 402:
            body["error"]["type"] = "card_error"
        return answer.status_code, self._complete(body)

    def _complete(self, body: Json) -> Json:
        """Return the amounts of an intent, which localstripe does not send."""
        if body.get("object") == "payment_intent":
            taken = body["status"] == "succeeded"
            body["amount_received"] = self._captured.get(body["id"], body["amount"]) if taken else 0
            body["amount_capturable"] = body["amount"] if body["status"] == "requires_capture" else 0
        return body

    def _intent(self, subject: str) -> Json:
        return self._ask("GET", f"/v1/payment_intents/{subject}", [])[1]

    def _with_intent(self, body: Json, subject: str) -> Json:
        status, intent = self._ask("GET", f"/v1/payment_intents/{subject}", [])
        if status == 200:
            body["error"].setdefault("code", "payment_intent_unexpected_state")
            body["error"]["payment_intent"] = intent
        return body

    def _refunds(self, intent: str | None, after: str | None, limit: int) -> Json:
        found = [each for each in self._all("/v1/refunds") if intent in {None, each["payment_intent"]}][::-1]
        if after is not None:
            found = found[[each["id"] for each in found].index(after) + 1 :]
        return {"object": "list", "url": "/v1/refunds", "has_more": len(found) > limit, "data": found[:limit]}

    def _booked(self, kind: str | None) -> list[Json]:
        """Return the balance transactions of charges, each with its charge and intent."""
        if kind != "charge":
            return []
        charged = {
            each["latest_charge"]["id"]: each for each in self._all("/v1/payment_intents") if each["latest_charge"]
        }
        found = []
        for each in self._all("/v1/balance_transactions"):
            if each["type"] == "charge" and (intent := charged.get(each["source"])) is not None:
                taken = self._captured.get(intent["id"], intent["amount"])
                charge = {**intent["latest_charge"], "amount_captured": taken, "payment_intent": intent}
                found.append({**each, "source": charge})
        return found

    def _all(self, path: str) -> list[Json]:
        found: list[Json] = []
        more = True
        while more:
            after = [("starting_after", found[-1]["id"])] if found else []
            _, page = self._ask("GET", path, [("limit", "100"), *after])
            found += page["data"]
            more = page["has_more"]
        return found

    def _too_much(self, form: Json) -> Json | None:
        intent = self._intent(form["payment_intent"])
        refunds = self._refunds(intent.get("id"), None, 1000)["data"]
        if int(form["amount"]) + sum(each["amount"] for each in refunds) <= intent.get("amount_received", 0):
            return None
        message = "Refund amount is greater than unrefunded amount on charge"
        return {"error": {"type": "invalid_request_error", "message": message}}


class FrontDoor(ThreadingHTTPServer):
    """Keeps the first answer to each idempotency key, and answers 409 while a request under it is under way.

    It loses the answer to the next POST with a path that ends in a word of `cut`, after its effect.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, behind: Behind) -> None:
        self._behind = behind
        self.cut: list[str] = []
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[tuple[str, Form], tuple[int, Json]]] = {}
        self._under_way: set[str] = set()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def answer(self, method: str, target: str, key: str | None, form: Form) -> tuple[int, Json, bool]:
        """Return status, body, and whether it is a replay."""
        parts = urlsplit(target)
        if method == "GET":
            return *self._behind.get(parts.path, parse_qsl(parts.query)), False
        assert key is not None, "every POST has an idempotency key"
        asked = (parts.path, sorted(form))
        with self._lock:
            if key in self._under_way:
                return 409, _idempotency_error("idempotency_key_in_use"), False
            if key in self._kept:
                first, told = self._kept[key]
                return (*told, True) if first == asked else (400, _idempotency_error(None), False)
            self._under_way.add(key)
        try:
            told = self._behind.post(parts.path, form)
            with self._lock:
                self._kept[key] = (asked, told)
            return *told, False
        finally:
            with self._lock:
                self._under_way.discard(key)


class _Handler(BaseHTTPRequestHandler):
    server: FrontDoor
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        form = parse_qsl(body, keep_blank_values=True)
        status, found, replayed = self.server.answer(self.command, self.path, self.headers.get("Idempotency-Key"), form)
        for word in self.server.cut:
            if self.command == "POST" and self.path.endswith(word):
                self.server.cut.remove(word)
                self.close_connection = True
                return
        content = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Request-Id", "req_front_door")
        self.send_header("Content-Length", str(len(content)))
        if replayed:
            self.send_header("Idempotent-Replayed", "true")
        self.end_headers()
        self.wfile.write(content)


def _whole(path: str, found: list[Json]) -> Json:
    return {"object": "list", "url": path, "has_more": False, "data": found}


def _idempotency_error(code: str | None) -> Json:
    message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
    return {"error": {"type": "idempotency_error", "code": code, "message": message}}
