"""Making up what clients want: amounts that tell whose money moved, far from those that mean something to the bank."""

from decimal import Decimal
from typing import Any

from payment_service.domain.operations import Kind, gateway_key
from tests.crash.caller import Channel, Intent, Wish

CHARGED, PART, BENT, STEP = Decimal(20_000), Decimal(5_000), Decimal(700_000), Decimal("0.05")
"""Of the first trial's charge, of its partial refund, of what a disobedient bank moves; and from trial to trial."""


def intent_for(
    scene: str,
    label: str,
    number: int,
    channel: Channel,
    kind: Wish,
    *,
    parent: Intent | None = None,
    whole: bool = False,
) -> Intent:
    """The wish of trial `number` on a scene: a charge, or the refund (`whole` or in part) of `parent`'s charge."""
    fields: dict[str, Any]
    if parent is not None:
        amount = parent.amount if whole else PART + number * STEP
        path = f"/payments/{parent.finals[0].json['payment_id']}/refunds"
        fields = {} if whole else {"amount": float(amount)}
    else:
        amount = CHARGED + number * STEP + (Decimal("0.01") if kind == "refund" else 0)
        path, fields = _charge(channel, number, amount)
    return Intent(
        label=label,
        channel=channel,
        kind=kind,
        key=f"{scene}-{label}-{kind}",
        path=path,
        fields=fields,
        amount=amount,
        bent=BENT + number,
        opens=parent is None,
    )


def _charge(channel: Channel, number: int, amount: Decimal) -> tuple[str, dict[str, Any]]:
    if channel == "bills":
        return "/v1/payments", {"bill_id": number + 1, "amount": str(amount), "method": "card"}
    return "/payments", {"trip_id": number + 1, "amount": float(amount), "method": "CARD"}


def key_at_the_bank(intent: Intent) -> str:
    """The gateway key the service promises to use; only the bank's faults are armed by it, nothing is judged by it."""
    return gateway_key(intent.channel, intent.subject, intent.key_hash, Kind(intent.kind))
