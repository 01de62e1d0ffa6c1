"""The bank behind the service under the model, through Stripe's adapter: a simulator in this very process."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from requests.structures import CaseInsensitiveDict

from payment_service.failpoints import failpoint
from payment_service.gateways.base import NotSent, Unknown
from payment_service.gateways.protocol import Reply
from payment_service.gateways.simulated import SuccessRates
from payment_service.gateways.stripe import StripeGateway
from payment_service.gateways.stripe.client import StripeApi
from payment_service.gateways.transport import Transport
from simulator.app import create_simulator
from simulator.stripe.webhooks import signature
from tests.model.facts import Plan

KEY, BASE, SECRET = "sk_test_of_the_model", "http://stripe.invalid", "whsec_of_the_model"

SLOW = 1_000_000
"""Look-ups until a slow bank would decide: it does when the plan lets it."""

Object = dict[str, Any]


class StripeBank(StripeGateway):
    """Stripe's adapter before a simulator over a file in `home`; `plan` is how the next movements and look-ups go.

    Registrations, marks and cancels of what was refused are always answered. A request with a transaction open is an
    error.
    """

    def __init__(self, home: Path) -> None:
        super().__init__(KEY, base=BASE, webhook_secrets=[SECRET])
        self.plan = Plan()
        self.in_transaction: Callable[[], bool] = lambda: False
        self._home = home
        self._made = self._since = 0
        self._api.close()
        self._open()

    def _open(self) -> None:
        self._made += 1
        self._app = create_simulator(self._home / f"bank-{self._made}.sqlite", rates=SuccessRates(1.0))
        self._client = self._app.test_client()
        self._api = StripeApi(KEY, BASE, _Wire(self, self._client))

    def empty(self) -> None:
        """Begin with an empty account."""
        self.close()
        self._open()
        self._since = 0

    def begin(self) -> None:
        """Forget all decisions and notices: another example begins."""
        (self._since,) = self._row("SELECT coalesce(max(number), 0) FROM stripe_objects")

    def decided(self) -> Counter[tuple[str, int, str]]:
        """Kind, hundredths and outcome of all that was asked for since then; a customer who failed has been refused."""
        found: Counter[tuple[str, int, str]] = Counter()
        mine = {each["id"] for each in self.objects("charge") + self.objects("refund")}
        with self._app.extensions["ledger"].transaction() as db:
            rows = db.execute("SELECT kind, amount, status, object_id FROM operations").fetchall()
        for row in rows:
            if row["object_id"] in mine:
                found[row["kind"], round(float(row["amount"]) * 100), row["status"]] += 1
        for intent in self.objects("payment_intent"):
            error = intent["last_payment_error"] or {}
            if error.get("code") == "payment_intent_authentication_failure":
                kind = "authorize" if intent["capture_method"] == "manual" else "charge"
                found[kind, intent["amount"], "declined"] += 1
        return found

    def objects(self, kind: str) -> list[Object]:
        """Return every object of a kind since the example began, oldest first."""
        with self._app.extensions["ledger"].transaction() as db:
            rows = db.execute(
                "SELECT body FROM stripe_objects WHERE object = ? AND number > ? ORDER BY number", (kind, self._since)
            ).fetchall()
        return [json.loads(row["body"]) for row in rows]

    def admin(self, path: str, **body: Any) -> Any:
        """Do something behind the bank's back."""
        answer = self._client.post(f"/_simulator/stripe/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def let_decide(self, path: str) -> None:
        """Let what is slow about the object of this path be decided now."""
        kind, _, object_id = path.partition("?")[0].removeprefix("/v1/").partition("/")
        if kind == "payment_intents" and object_id:
            self.admin(f"payment_intents/{object_id}/settle")
        for refund in self.objects("refund") if kind == "refunds" else ():
            if refund["status"] == "pending":
                self.admin(f"refunds/{refund['id']}/settle")

    def arm(self, fault: str, **more: Any) -> None:
        """Arm a fault for the next operation."""
        assert self._client.post("/faults", json={"fault": fault, "times": 1, **more}).status_code == 201

    def disarm(self) -> None:
        """Remove all faults."""
        self._client.delete("/faults")

    def webhooks(self) -> list[tuple[bytes, Mapping[str, str]]]:
        """Return the signed bodies of everything that has happened since the example began."""
        bodies = [json.dumps(each).encode() for each in self.objects("event")]
        return [(body, {"Stripe-Signature": signature([SECRET], int(time.time()), body)}) for body in bodies]

    def close(self) -> None:
        """Close the file, too."""
        super().close()
        self._app.extensions["ledger"].close()

    def _row(self, statement: str, *values: Any) -> Sequence[Any]:
        with self._app.extensions["ledger"].transaction() as db:
            return tuple(db.execute(statement, values).fetchone())


class _Wire(Transport):
    """In place of HTTP: the simulator's own application, and the plan's way with what is asked."""

    def __init__(self, bank: StripeBank, client: FlaskClient) -> None:
        super().__init__(BASE, connect_timeout=1, read_timeout=1)
        self._bank = bank
        self._http = client

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, limit: int = 0
    ) -> Reply | NotSent | Unknown:
        """Make one exchange; the movement of money and look-ups go by the plan."""
        assert not self._bank.in_transaction(), "Stripe was asked with a transaction open"
        path = url.removeprefix(BASE)
        if method == "GET":
            return self._looked_up(path, headers)
        if _moves_money(path, headers):
            return self._moved(path, headers, body)
        return self._answered(method, path, headers, body)

    def _looked_up(self, path: str, headers: Mapping[str, str]) -> Reply | NotSent | Unknown:
        reply = self._bank.plan.reply
        if reply == "refuses":
            return NotSent("nobody listens")
        if reply in {"misses", "loses"}:
            return Unknown("no answer")
        if reply != "pends":
            self._bank.let_decide(path)
        return self._answered("GET", path, headers, None)

    def _moved(self, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply | NotSent | Unknown:
        plan = self._bank.plan
        if plan.reply == "refuses":
            return NotSent("nobody listens")
        if plan.reply == "misses":
            return Unknown("nothing arrived, and nobody knows")
        is_declined = plan.word == "declined"
        if is_slow(plan) and not path.endswith("/cancel") and not (is_declined and path.endswith("/capture")):
            self._bank.arm("pending", lookups=SLOW, **({"code": "CARD_DECLINED"} if is_declined else {}))
        elif is_declined:
            self._bank.arm("decline")
        answer = self._answered("POST", path, headers, body)
        self._bank.disarm()
        failpoint("gateway.sent")
        return Unknown("the answer was lost") if plan.reply == "loses" else answer

    def _answered(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        answer = self._http.open(path, method=method, headers=dict(headers), data=body or b"")
        return Reply(answer.status_code, answer.data, CaseInsensitiveDict(answer.headers.items()))


def is_slow(plan: Plan) -> bool:
    """Return whether the bank does not decide at once."""
    return plan.reply in {"pends", "hesitates"}


def _moves_money(path: str, headers: Mapping[str, str]) -> bool:
    """Confirming, capturing, refunding; and the cancel of a void, which has a key of its own without a try."""
    name = path.rpartition("/")[2]
    key = next((value for name, value in headers.items() if name.lower() == "idempotency-key"), "")
    if name == "cancel":
        return not key.partition("/")[2].startswith("x")
    return name in {"confirm", "capture", "refunds"}
