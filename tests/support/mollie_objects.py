"""The objects of a bank that speaks Mollie: payments with their captures and refunds, and methods that change them."""

import threading
from decimal import Decimal
from itertools import count
from typing import Any

Json = dict[str, Any]
Told = tuple[int, Json]

NOT_OF_THE_CUSTOMER = "402.02"
"""An amount that no customer's bank pays."""

_DECIMALS = {"JPY": 0, "UGX": 0, "ISK": 0, "KWD": 3}


class Refused(Exception):
    """The bank says no: HTTP status, detail, and the field that is wrong."""

    def __init__(self, status: int, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.field = status, field


class MollieObjects:
    """Payments by id, with their captures and refunds, oldest first. Call the methods that change them under `lock`."""

    def __init__(self) -> None:
        self.payments: dict[str, Json] = {}
        self.parts: dict[str, list[Json]] = {"captures": [], "refunds": []}
        self.is_cancelable = True
        self.is_issuer_slow = False
        self.pages = "https://api.mollie.example"
        self.lock = threading.RLock()
        self._numbers = count(1)

    def act(self, reference: str, outcome: str = "paid") -> None:
        """Let the customer of an open payment pay, fail, or let it expire; `pending`: the bank takes its time."""
        with self.lock:
            payment = self.payments[reference]
            if payment["status"] not in ("open", "pending"):
                return
            if outcome == "paid" and payment["amount"]["value"] == NOT_OF_THE_CUSTOMER:
                outcome = "failed"
            if outcome == "failed":
                payment["details"] = {"failureReason": "card_declined", "failureMessage": "The card was declined"}
            if outcome == "paid" and payment["captureMode"] == "manual":
                outcome = "authorized"
                payment |= {"authorizedAt": "2026-11-30T10:00:00+00:00", "captureBefore": "2026-12-07T10:00:00+00:00"}
            payment["status"] = outcome

    def expire_hold(self, reference: str) -> None:
        """End a hold that was never captured."""
        self.payments[reference]["status"] = "expired"

    def settle(self) -> None:
        """Finish the captures and refunds that wait."""
        with self.lock:
            for name, done in (("captures", "succeeded"), ("refunds", "refunded")):
                for part in self.parts[name]:
                    part["status"] = done if part["status"] == "pending" else part["status"]
            for payment in self.payments.values():
                taken = self._sum("captures", payment, "succeeded")
                if taken:
                    payment["amountCaptured"] = payment["amount"] | {"value": str(taken)}
                    whole = taken == Decimal(payment["amount"]["value"])
                    payment["status"] = "paid" if whole else payment["status"]

    def fail_refund(self, number: int = -1) -> None:
        """Let a refund fail, maybe after it was done: the money is back."""
        self.parts["refunds"][number]["status"] = "failed"

    def executed(self, method: str, path: list[str], query: Json, body: Json) -> Told:
        """Return the answer to a request to a path below /v2, of which the parts are given. Raises Refused."""
        if path == ["payments"] and method == "POST":
            return 201, self._create(body)
        if path in (["payments"], ["refunds"]):
            found = list(self.payments.values()) if path == ["payments"] else self.parts["refunds"]
            return 200, self._page(path[0], found, query)
        payment = self.payments.get(path[1])
        if payment is None:
            raise Refused(404, "No payment exists with this id")
        if path[2:] in (["captures"], ["refunds"]):
            own = [part for part in self.parts[path[2]] if part["paymentId"] == payment["id"]]
            is_read = method == "GET"
            return (200, self._page(path[2], own, query)) if is_read else (201, self._add(path[2], payment, body))
        if path[2:] == ["release-authorization"]:
            return self._release(payment)
        if method == "PATCH":
            payment["metadata"] = body["metadata"]
        if method == "DELETE":
            if not self._shown(payment)["isCancelable"]:
                raise Refused(422, "The payment cannot be cancelled")
            payment["status"] = "canceled"
        return 200, self._shown(payment)

    def _release(self, payment: Json) -> Told:
        if payment["status"] != "authorized":
            raise Refused(422, "The payment has no authorization to release")
        if not self.is_issuer_slow:
            payment["status"] = "paid" if self._sum("captures", payment, "succeeded") else "canceled"
        return 202, {}

    def _create(self, body: Json) -> Json:
        if not body.get("redirectUrl"):
            raise Refused(422, "The redirect URL is required", "redirectUrl")
        _check(body["amount"])
        reference = f"tr_{next(self._numbers):08d}"
        wanted = {name: body.get(name) for name in ("amount", "captureMode", "description", "metadata", "webhookUrl")}
        self.payments[reference] = {"resource": "payment", "id": reference, "mode": "test", "status": "open"} | wanted
        return self._shown(self.payments[reference])

    def _add(self, name: str, payment: Json, body: Json) -> Json:
        _check(body["amount"])
        taken = payment.get("amountCaptured")
        is_capture, whole = name == "captures", payment["amount"] if name == "captures" or not taken else taken
        if payment["status"] != ("authorized" if is_capture else "paid") and (is_capture or not taken):
            raise Refused(422, "The payment is in no state for that")
        if Decimal(body["amount"]["value"]) > Decimal(whole["value"]) - self._sum(name, payment):
            raise Refused(422, "The amount is higher than the maximum", "amount")
        part = {"resource": name[:-1], "id": f"{name[:3]}_{next(self._numbers)}", "mode": "test", "status": "pending"}
        part |= {"amount": body["amount"], "metadata": body["metadata"], "paymentId": payment["id"]}
        self.parts[name].append(part)
        return part

    def _sum(self, name: str, payment: Json, *statuses: str) -> Decimal:
        counted = statuses or ("pending", "succeeded", "refunded")
        own = (part for part in self.parts[name] if part["paymentId"] == payment["id"] and part["status"] in counted)
        return sum((Decimal(part["amount"]["value"]) for part in own), Decimal(0))

    def _shown(self, payment: Json) -> Json:
        is_open = payment["status"] == "open"
        checkout = {"checkout": {"href": f"https://mollie.example/checkout/{payment['id']}"}} if is_open else {}
        return payment | {"isCancelable": is_open and self.is_cancelable, "_links": checkout}

    def _page(self, name: str, found: list[Json], query: Json) -> Json:
        found = [self._shown(each) if name == "payments" else each for each in found][::-1]
        ids = [each["id"] for each in found]
        begin, limit = ids.index(query["from"]) if "from" in query else 0, int(query.get("limit", 50))
        rest = found[begin + limit :]
        following = {"href": f"{self.pages}/v2/{name}?from={rest[0]['id']}&limit={limit}"} if rest else None
        return {"_embedded": {name: found[begin : begin + limit]}, "_links": {"next": following}}


def _check(amount: Json) -> None:
    value, places = amount["value"], _DECIMALS.get(amount["currency"], 2)
    if len(value.partition(".")[2]) != places or ("." in value) != bool(places):
        raise Refused(422, f"The amount has not {places} decimals", "amount")
