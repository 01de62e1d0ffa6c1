"""Balance transactions and payouts: the movements on the account, with fees, in the settlement currency."""

from decimal import ROUND_HALF_EVEN, Decimal

from simulator.stripe.call import Answer, Call, Endpoint, ok
from simulator.stripe.currencies import digits, to_minor
from simulator.stripe.forms import PAGE, text, texts, window
from simulator.stripe.lists import listing
from simulator.stripe.store import Json, moment

LISTED = {"type": text, "source": text, "currency": text, "payout": text, "created": window, **PAGE}
_FILTERS = {
    "type": "word = ?",
    "source": "parent = ?",
    "currency": "json_extract(body, '$.currency') = ?",
    "payout": "json_extract(body, '$._.payout') = ?",
}
FIXED_FEE, DISPUTE_FEE = Decimal("0.30"), Decimal("15.00")


def book(call: Call, type_: str, source: Json, amount: int, *, fee: int = 0, category: str | None = None) -> Json:
    """Add a balance transaction of `amount` minor units of the source's currency, which may be negative."""
    settled, currency, rate = _settled(call, amount, source["currency"])
    details = [] if not fee else [
        {"amount": fee, "application": None, "currency": currency, "description": "Stripe processing fees",
         "type": "stripe_fee"}
    ]  # fmt: skip
    body: Json = {
        "object": "balance_transaction", "amount": settled, "available_on": moment() + 2 * 86400,
        "balance_type": "payments", "created": moment(), "currency": currency, "description": None,
        "exchange_rate": rate, "fee": fee, "fee_details": details, "net": settled - fee,
        "reporting_category": category or type_, "source": source["id"], "status": "pending",
        "type": type_, "_": {},
    }  # fmt: skip
    return call.store.add(body, parent=source["id"], word=type_)


def processing_fee(call: Call, amount: int, currency: str) -> int:
    """Return 2.9 % and 30 hundredths, in the settlement currency."""
    settled, settled_in, _ = _settled(call, amount, currency)
    share = int((Decimal(settled) * Decimal("0.029")).quantize(Decimal(1)))
    return share + to_minor(FIXED_FEE, settled_in)


def dispute_fee(call: Call, currency: str) -> int:
    """Return 15 units of the settlement currency."""
    _, settled_in, _ = _settled(call, 0, currency)
    return to_minor(DISPUTE_FEE, settled_in)


def _settled(call: Call, amount: int, currency: str) -> tuple[int, str, float | None]:
    other: str | None = call.store.setting("settlement_currency")
    if other is None or other == currency:
        return amount, currency, None
    rate = Decimal(call.store.setting("exchange_rate"))
    exact = Decimal(amount) * rate * Decimal(10) ** (digits(other) - digits(currency))
    return int(exact.quantize(Decimal(1), ROUND_HALF_EVEN)), other, float(rate)


def pay_out(call: Call) -> Json | None:
    """Pay out all entries without a payout, in the currency of the newest one; None if there are none."""
    open_ones = call.store.page(
        "balance_transaction", [("json_extract(body, '$._.payout') IS NULL AND word != 'payout'", None)], 10_000
    )
    if not open_ones:
        return None
    currency = open_ones[0]["currency"]
    paid = [each for each in open_ones if each["currency"] == currency]
    payout = call.store.add(_payout(sum(each["net"] for each in paid), currency))
    own = book(call, "payout", payout, -payout["amount"])
    for each in [*paid, own]:
        call.store.save(each | {"status": "available", "_": {"payout": payout["id"]}})
    payout["balance_transaction"] = own["id"]
    call.store.save(payout)
    return payout


def _payout(amount: int, currency: str) -> Json:
    return {
        "object": "payout", "amount": amount, "application_fee": None, "application_fee_amount": None,
        "arrival_date": moment() + 2 * 86400, "automatic": True, "balance_transaction": None, "created": moment(),
        "currency": currency, "description": "STRIPE PAYOUT", "destination": None, "failure_balance_transaction": None,
        "failure_code": None, "failure_message": None, "livemode": False, "metadata": {}, "method": "standard",
        "original_payout": None, "reconciliation_status": "completed", "reversed_by": None, "source_type": "card",
        "statement_descriptor": None, "status": "paid", "type": "bank_account",
    }  # fmt: skip


def _list(call: Call) -> Answer:
    conditions = [(condition, call.form[name]) for name, condition in _FILTERS.items() if call.form.get(name)]
    return listing(call, "balance_transaction", "/v1/balance_transactions", conditions)


def _retrieve(call: Call) -> Answer:
    return ok(call, call.subject("balance_transaction", "id"))


def _list_payouts(call: Call) -> Answer:
    return listing(call, "payout", "/v1/payouts", [])


def _retrieve_payout(call: Call) -> Answer:
    return ok(call, call.subject("payout", "payout"))


ENDPOINTS = [
    Endpoint("GET", "/v1/balance_transactions", _list, LISTED),
    Endpoint("GET", "/v1/balance_transactions/<object_id>", _retrieve, {"expand": texts}),
    Endpoint("GET", "/v1/payouts", _list_payouts, {"created": window, "status": text, **PAGE}),
    Endpoint("GET", "/v1/payouts/<object_id>", _retrieve_payout, {"expand": texts}),
]
