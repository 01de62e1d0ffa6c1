"""The service's promises alone: keys, payments and a bank's word, without HTTP, SQL, threads or time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.model.facts import (
    ALLOWED,
    DEAF,
    DECLINES,
    IN_VAIN,
    ITS_OWN_KEY,
    LANDS,
    NEVER_ASKS_AGAIN,
    OTHER_STATUS,
    OVERTAKEN,
    STATUS,
    WITHOUT_MONEY,
    Asked,
    Died,
    Payment,
    Plan,
    Said,
    Use,
)
from tests.model.reversals import approved_late, paid, settled


@dataclass
class Model:
    """Every payment there is, and every key; `crash` is the failpoint at which the request in hand dies."""

    payments: list[Payment] = field(default_factory=list)
    uses: dict[Any, Use] = field(default_factory=dict)
    movements: list[Use] = field(default_factory=list)
    plan: Plan = field(default_factory=Plan)
    crash: str | None = None

    def ask(self, asked: Asked) -> Said:
        """Return the answer, or raise Died."""
        self._pass("claim.begin")
        said = self._claim(asked)
        self._pass("answer.begin")
        return said

    def recover(self) -> None:
        """Complete every unfinished key, or raise Died: first keys without a timer, then those with fewest tries."""
        for use in sorted(self.unfinished(), key=lambda use: use.timer):
            self._pass("recover.before_commit")
            self._take(use)
            self._pass("recover.after_commit")
            self._carry(use, use.fence, again=use.fence > 1)  # no owner has sent a reversal before its first one

    def unfinished(self) -> Iterator[Use]:
        return (use for use in self.uses.values() if use.said is None)

    def end_leases(self) -> None:
        for use in self.unfinished():
            use.leased = False

    def end_answers(self, *, purge: bool) -> None:
        """Let every stored response expire; a purge takes the keys that made nothing."""
        for identity, use in list(self.uses.items()):
            use.expired = True
            if purge and use.payment is None:
                del self.uses[identity]

    def end_refunds(self) -> None:
        """Make every refund too old to be taken for a repeat of another."""
        for use in self.movements:
            use.recent = False

    def refundable(self, payment: Payment) -> int:
        return payment.captured - payment.refunded - payment.reserved

    def _pass(self, *points: str) -> None:
        if self.crash in points:
            raise Died(self.crash)
        if self.crash in [prefix + point for prefix in (OVERTAKEN, IN_VAIN) for point in points]:
            plan, in_vain, self.crash = self.plan, str(self.crash).startswith(IN_VAIN), None
            self.plan = DEAF if in_vain else plan
            self.end_leases()
            self.recover()
            self.plan = plan

    def _take(self, use: Use) -> int:
        use.leased, use.fence = True, use.fence + 1
        return use.fence

    def _identity(self, asked: Asked) -> Any:
        if asked.key is not None:
            return asked.channel, asked.subject, asked.key
        if asked.payment and (asked.channel, asked.action) in ITS_OWN_KEY:
            return asked.action, asked.payment, asked.payment.declined_refunds if asked.action == "refund" else 0
        return object()

    def _claim(self, asked: Asked) -> Said:
        identity = self._identity(asked)
        use = self.uses.get(identity)
        if use is None:
            return self._begin(asked, identity)
        if use.asked.meant != asked.meant:
            return Said(422, "idempotency_key_mismatch")
        if use.said is not None and asked.key is None:
            return Said(400, self._refusal(asked))
        self._pass("claim.before_commit")
        if use.said is None and not use.leased:
            fence = self._take(use)
            self._pass("claim.after_commit")
            return self._carry(use, fence, again=True)
        said = use.said
        self._pass("claim.after_commit")
        return Said(*said, replayed=True, use=use) if said else Said(409, "idempotency_key_in_use")

    def _begin(self, asked: Asked, identity: Any) -> Said:
        if refusal := self._refusal(asked):
            if asked.key is not None:
                self._pass("claim.before_commit")
                self.uses[identity] = Use(asked, said=(400, refusal))
                self._pass("claim.after_commit")
            return Said(400, refusal, use=self.uses.get(identity))
        if self._is_doubtful(asked):
            return Said(409, "duplicate_refund_suspected")
        self._pass("claim.before_commit")
        use = self.uses[identity] = Use(asked, self._written(asked), self._amount(asked))
        if asked.key is None and (asked.channel, asked.action) in NEVER_ASKS_AGAIN:
            use.purpose = "told false"
        if asked.action in WITHOUT_MONEY:
            use.said = self._success(asked), ""
        else:
            self.movements.append(use)
        if use.payment is not None and asked.action == "refund":
            use.payment.reserved += use.amount
        said = use.said
        self._pass("claim.after_commit")
        return self._carry(use, 1) if said is None else Said(*said, use=use)

    def _written(self, asked: Asked) -> Payment:
        """Return the payment that a claim makes, or begins to move."""
        payment = asked.payment
        if payment is None:
            status = "PENDING" if asked.action == "create" else "PROCESSING"
            payment = Payment(asked.channel, asked.subject, asked.payable, asked.amount or 0, status)
            self.payments.append(payment)
        elif asked.action in WITHOUT_MONEY:
            if payment.status != WITHOUT_MONEY[asked.action]:
                payment.becomes(WITHOUT_MONEY[asked.action])
        else:
            payment.becomes(payment.status if asked.action == "refund" else "PROCESSING")
        return payment

    def _refusal(self, asked: Asked) -> str:
        """Return the code of why a request cannot be, "" where it can."""
        payment = asked.payment
        if payment is None:
            live = (other for other in self.payments if (other.channel, other.payable) == ("orders", asked.payable))
            paid = asked.channel == "orders" and any(other.status not in {"FAILED", "CANCELLED"} for other in live)
            return "payable_already_paid" if paid else ""
        if payment.status not in ALLOWED[asked.action]:
            return "illegal_move"
        most = {"refund": self.refundable(payment), "capture": payment.authorized}.get(asked.action, payment.amount)
        return "" if 0 < self._amount(asked) <= most else "amount_exceeds_available"

    def _is_doubtful(self, asked: Asked) -> bool:
        """Return whether a refund without a key may repeat one with a lost answer."""
        if asked.action != "refund" or asked.key is not None or (asked.channel, "refund") in ITS_OWN_KEY:
            return False
        same = (asked.action, asked.payment, self._amount(asked))
        equal = (use for use in self.movements if (use.asked.action, use.payment, use.amount) == same)
        return any(use.recent and (use.said is None or use.truth == "approved") for use in equal)

    def _amount(self, asked: Asked) -> int:
        if asked.amount is not None or asked.payment is None:
            return asked.amount or 0
        payment = asked.payment
        if asked.action == "refund":
            return self.refundable(payment)
        return payment.authorized if asked.action in {"capture", "void"} else payment.amount

    def _carry(self, use: Use, fence: int, *, again: bool = False) -> Said:
        finding = self._finding(use, again=again)
        if use.purpose == "told false" and not again:
            finding = self._awaited(use, finding)
        self._pass("gateway.answered")
        recognised = use.asked.key is not None or (use.asked.channel, use.asked.action) in ITS_OWN_KEY
        if use.fence != fence and use.said is None:
            return Said(409, "idempotency_key_in_use") if recognised else Said(202)
        self._pass("finish.before_commit")
        replayed = use.said is not None
        if use.said is None and finding in {"approved", "declined", "not charged"}:
            self._settle(use, again=again)
        elif use.said is None:
            use.leased, use.timer = False, fence
        self._pass("finish.after_commit")
        if use.said is not None:
            return Said(*use.said, replayed=replayed, use=use)
        return Said(503, "gateway_unavailable") if finding == "not sent" and recognised else Said(202)

    def _finding(self, use: Use, *, again: bool) -> str:
        reply = self.plan.reply
        if again and reply not in {"tells", "pends", "lies", "hesitates"}:
            return "unknown"
        if reply in {"refuses", "misses"}:
            return "not sent" if reply == "refuses" else "unknown"
        known, use.truth = use.truth, use.truth or self.plan.word
        if known is None or not again:
            self._pass("gateway.sent")
        elif reply == "hesitates":
            return use.truth
        return use.truth if reply == "tells" or (reply, use.truth) == ("lies", "declined") else "unknown"

    def _awaited(self, use: Use, finding: str) -> str:
        """Return the result for an owner that waits for the decision: an operation certainly not sent never will be."""
        if finding == "not sent":
            return "not charged"
        return use.truth or finding if self.plan.reply == "hesitates" else finding

    def _settle(self, use: Use, *, again: bool) -> None:
        payment, action, approved = paid(use), use.asked.action, use.truth == "approved"
        if use.purpose == "reversal" or (use.purpose == "told false" and again and approved):
            self._give_back(settled(use) if use.purpose == "reversal" else approved_late(use))
            return
        if action == "refund":
            payment.reserved -= use.amount
            payment.refunded += use.amount if approved else 0
            payment.declined_refunds += not approved
            whole = "REFUNDED" if payment.refunded == payment.captured else "PARTIALLY_REFUNDED"
            payment.becomes(whole if approved else payment.status)
        elif approved:
            payment.authorized = use.amount if action in {"charge", "process", "hold"} else payment.authorized
            payment.captured = use.amount if action in {"charge", "process", "capture"} else payment.captured
            payment.becomes(LANDS[action])
        else:
            payment.becomes("AUTHORIZED" if action in {"capture", "void"} else "FAILED")
        use.said = (self._success(use.asked), "") if approved else self._decline(use.asked)

    def _give_back(self, reversal: Use | None) -> None:
        """Leave the reversal to recovery, if there is money to give back."""
        if reversal is not None:
            self.uses[object()] = reversal
            self.movements.append(reversal)

    def _success(self, asked: Asked) -> int:
        return OTHER_STATUS.get((asked.channel, asked.action), STATUS[asked.channel])

    def _decline(self, asked: Asked) -> tuple[int, str]:
        refund = asked.action == "refund"
        if asked.channel in DECLINES:
            return DECLINES[asked.channel], "refund_declined" if refund else "payment_declined"
        return (400, "refund_declined") if refund else (self._success(asked), "")
