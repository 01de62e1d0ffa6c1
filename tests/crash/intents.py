"""Generate the clients' wishes, with unique amounts far from those that mean something to the bank."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from payment_service.domain.keys import gateway_key
from payment_service.domain.operations import Kind
from tests.crash.caller import Channel, Intent, Wish
from tests.crash.stages import ACTS, News, Stage
from tests.support.tokens import token

CHARGED, PART, BENT, STEP = Decimal(20_000), Decimal(5_000), Decimal(700_000), Decimal("0.05")
"""Of the first trial's charge, of what is captured or given back in part, of what a disobedient bank moves; and from
trial to trial."""

USER = "crash-ada"
"""The owner of the paid bookings."""

RENAMED = {USER: "crash-lovelace", "": "crash-newcomer"}
"""Old subject → new one, in half of the trials; "" is who sends no token at first, and then gets one."""

Kinds = tuple[Channel, Wish]

BEFORE: Mapping[Kinds, Wish | None] = {
    ("trips", "charge"): None,
    ("trips", "refund"): "charge",
    ("bills", "charge"): None,
    ("orders", "charge"): None,
    ("bookings", "charge"): "create",
    ("checkout", "authorize"): None,
    ("checkout", "capture"): "authorize",
    ("checkout", "void"): "authorize",
    ("checkout", "refund"): "charge",
}
"""The wishes that are possible, and the wish that must have been granted before."""


STARTS: Collection[Wish] = ("charge", "authorize")
_OF: Mapping[News, Collection[Wish]] = {
    "settles": ["charge", "authorize", "capture", "refund"],
    "refund_fails": ["refund"],
    "hold_ends": ["authorize"],
    "disputed": ["charge"],
}
TOLD_OF: Mapping[News, Collection[Wish]] = {**_OF, **dict.fromkeys(ACTS, STARTS)}
"""The wishes that each kind of news is about. Stripe cancels at once or not at all: no void is left pending there."""


def wishes(stage: Stage) -> Sequence[Kinds]:
    """Return the wishes that a client may have while this happens.

    If the bank declines a capture or a void, the payment stays as it was, which no answer says in one word. The service
    writes each new user down in a COMMIT that is none of those to be cut.
    """
    return [
        (channel, kind)
        for channel, kind in BEFORE
        if (stage.ends == "done" or kind not in {"capture", "void"})
        and not (stage.cut and channel == "bookings")
        and not (stage.registers and kind not in {"charge", "authorize"})
        and (stage.news is None or kind in TOLD_OF[stage.news])
        and not (stage.spends and kind == "refund")
        and not (stage.news == "calls_off" and channel != "orders")
    ]


def intent_for(
    scenario: str,
    label: str,
    number: int,
    channel: Channel,
    kind: Wish,
    *,
    parent: Intent | None = None,
    whole: bool = False,
) -> Intent:
    """The wish of trial `number` in a scenario; one that needs a `parent` is about its payment, `whole` or in part."""
    if parent is None:
        amount = CHARGED + number * STEP
        path, fields = _opening(channel, kind, number, amount)
    else:
        amount = parent.amount if whole or not may_be_partial(kind) else PART + number * STEP
        path, fields = _following(channel, kind, parent, amount)
    mine: dict[str, Any] = {"subject": USER, "token": token(USER)} if channel == "bookings" else {}
    return Intent(
        label=label,
        channel=channel,
        kind=kind,
        key=f"{scenario}-{label}-{kind}",
        path=path,
        fields=fields,
        amount=amount,
        bent=BENT + number,
        opens=parent is None,
        new_token=token(RENAMED[mine.get("subject", "")]),
        **mine,
    )


def may_be_partial(kind: Wish) -> bool:
    """Whether a wish about a payment names an amount: charging what was made and letting go what was held do not."""
    return kind in {"capture", "refund"}


def _opening(channel: Channel, kind: Wish, number: int, amount: Decimal) -> tuple[str, dict[str, Any]]:
    """Return path and fields of what makes a payment."""
    money: dict[str, Any] = {"amount": float(amount)}
    match channel:
        case "bills":
            return "/v1/payments", {"bill_id": number + 1, "amount": str(amount), "method": "card"}
        case "orders":
            order = {"order_id": number + 1, "user_id": 7, "payment_method": "UPI"}
            return "/v1/payments/charge", money | order
        case "bookings":
            return "/api/payments", money | {"booking_id": f"BOOK-{number}"}
        case "checkout":
            order = {"order_id": f"ORD-{number}", "payment_method": "credit_card", "capture": kind == "charge"}
            return "/api/v1/payments/process", money | order
    return "/payments", money | {"trip_id": number + 1, "method": "CARD"}


def _following(channel: Channel, kind: Wish, parent: Intent, amount: Decimal) -> tuple[str, dict[str, Any]]:
    """Return path and fields of what is done about the payment that `parent` has made."""
    made = parent.finals[0].json
    money = {"amount": float(amount)}
    match channel, kind:
        case "bookings", _:
            return f"/api/payments/{made['payment']['payment_id']}/process", {}
        case "checkout", "void":
            return "/api/v1/payments/void", {"transaction_id": made["transaction_id"]}
        case "checkout", _:
            return f"/api/v1/payments/{kind}", {"transaction_id": made["transaction_id"], **money}
    return f"/payments/{made['payment_id']}/refunds", money if amount != parent.amount else {}


def key_at_the_bank(intent: Intent) -> str:
    """The gateway key the service promises to use; only the bank's faults are armed by it, nothing is judged by it."""
    return gateway_key(intent.channel, intent.subject, intent.key_hash, Kind(intent.kind))
