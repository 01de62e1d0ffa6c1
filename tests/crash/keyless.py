"""Callers that send no key and never repeat: the answers they heard, and the required end of their money (S15)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.crash.caller import Intent
from tests.crash.tables import Row

STANDS = {"charge": "CAPTURED", "authorize": "AUTHORIZED"}
"""The status of a kept payment without a further request."""
GOES_BACK = {"charge": "refund", "authorize": "void"}
"""The operation that takes back the money, or the hold."""
WENT_ON = frozenset({"CAPTURED", "PARTIALLY_REFUNDED", "CANCELLED"})
"""The statuses to which a caller may have brought a reported payment afterwards."""


@dataclass(frozen=True)
class Outcome:
    """The answer that a caller heard (None: nothing it can rely on), the status of its payment (None: there is none),
    and the bank's operations for it, without the caller's later requests.
    """

    told: bool | None
    status: str | None
    effects: Counter[str]

    def fault(self, kind: str, *, may_keep: bool) -> str | None:
        """Return the fault of the outcome, if there is one. `may_keep`: the owner may have committed and died before
        its answer.
        """
        kept, back = self.status == STANDS[kind], GOES_BACK[kind]
        if self.told:
            stands = kept or self.status in WENT_ON
            return None if stands and self.effects == {kind: 1} else "was told true, and does not stand so"
        if kept:
            return None if may_keep and self.effects == {kind: 1} else "was not told true, and has paid"
        if self.status not in {None, "FAILED"}:
            return "is neither kept nor given back"
        given_back = self.effects[kind] <= 1 and self.effects[back] == self.effects[kind]
        return None if given_back else "has paid for nothing"


def payments_of(intent: Intent, payments: Sequence[Row]) -> list[Row]:
    """Return the payments that a caller's one request has made: none or one, if all is well."""
    meant = (intent.channel, intent.fields["order_id"])
    return [row for row in payments if (row["channel"], row["payable_id"]) == meant]


def judge_once(
    intent: Intent, payments: Sequence[Row], operations: Sequence[Row], effects: Sequence[Row]
) -> Iterator[str]:
    """S1 and S15: one request is one payment at most, and it ends as its caller heard."""
    if any(heard.status == 500 for heard in intent.heard):
        yield f"L1 {intent.label}: an answer was 500"
    made = payments_of(intent, payments)
    if len(made) > 1:
        yield f"S1 {intent.label}: {len(made)} payments for one request"
    mine = {row["payment_id"] for row in made}
    asked_for = {row["gateway_key"] for row in operations if row["payment_id"] in mine and row["is_client_key"]}
    moved = [row for row in effects if row["amount"] == intent.amount and row["gateway_key"] not in asked_for]
    status = made[0]["status"] if made else None
    outcome = Outcome(intent.told, status, Counter(row["kind"] for row in moved))
    if fault := outcome.fault(intent.kind, may_keep=intent.told is None):
        yield f"S15 {intent.label} {intent.kind}: {fault}: {outcome}, heard {intent.heard}"
