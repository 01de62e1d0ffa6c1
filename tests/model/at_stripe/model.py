"""The model's differences where a charge is registered before it is confirmed, and its customer may have to act."""

from dataclasses import dataclass, field, replace

from tests.model.facts import IN_VAIN, ITS_OWN_KEY, OVERTAKEN, Asked, Payment, Said, Use
from tests.model.model import Model

SECURE = 77_700
"""Cents: a payer of this amount has a card for which the bank asks its customer."""

REGISTERS = {"charge", "process", "hold"}
DECIDED = {"approved", "declined", "not charged"}
SHOWS = {"tells", "pends", "hesitates"}
"""Replies with which a look-up is answered."""

BETWEEN = ["gateway.registered", "gateway.noted"]
BETWEEN += [sleep + point for sleep in (OVERTAKEN, IN_VAIN) for point in BETWEEN[:2]]
"""Failpoints between the registration of a charge and its confirmation."""


@dataclass(eq=False)
class AtBank:
    """The bank's object of a use: the owner `noted_by` committed its id; it `waits` for its customer, decides slowly,
    or was given up before it was confirmed.
    """

    noted_by: int = 0
    waits: bool = False
    slow: bool = False
    given_up: bool = False


@dataclass
class StripeModel(Model):
    """The model of a service with a bank that speaks Stripe."""

    at_bank: dict[Use, AtBank] = field(default_factory=dict)

    def has(self, use: Use) -> AtBank:
        """Return the bank's object of a use."""
        return self.at_bank.setdefault(use, AtBank())

    def waiting(self) -> list[Use]:
        """Return the uses that wait for their customer."""
        return [use for use in self.movements if self.has(use).waits]

    def customer_acts(self, use: Use, *, success: bool) -> None:
        """Let the customer confirm, or fail to."""
        self.has(use).waits = False
        use.truth = "approved" if success else "declined"

    def refunds_told(self) -> list[Use]:
        """Return the refunds of callers that have succeeded, and not failed since."""
        done = [use for use in self.movements if use.asked.action == "refund" and not use.purpose]
        return [use for use in done if use.said and use.truth == "approved" and not use.undone]

    def refund_comes_back(self, use: Use) -> None:
        """Let a reported refund fail: its amount may be refunded again."""
        payment = use.payment
        assert payment is not None
        use.undone, use.recent = True, False
        payment.refunded -= use.amount
        payment.declined_refunds += 1
        payment.becomes("PARTIALLY_REFUNDED" if payment.refunded else "CAPTURED")

    def held(self) -> list[Payment]:
        """Return the payments with held money that no operation is about to take or release."""
        return [payment for payment in self.payments if payment.status == "AUTHORIZED"]

    def _claim(self, asked: Asked) -> Said:
        """As ever. After its answer has expired, a returned refund is shown as it stands."""
        said = super()._claim(asked)
        if said.replayed and said.use and said.use.undone and said.use.expired:
            status, code = self._decline(said.use.asked)
            return replace(said, status=status, code=code)
        return said

    def _carry(self, use: Use, fence: int, *, again: bool = False) -> Said:
        is_told_false, looks = use.purpose == "told false", again
        if use.asked.action in REGISTERS and not 0 < self.has(use).noted_by < fence:
            if not (again and is_told_false) and not self._is_noted(use, fence):
                return self._lost(use)
            looks = False
        finding = self._given_up(use, looks=looks) if again and is_told_false else ""
        finding = finding or self._finding(use, again=looks)
        if is_told_false and not again:
            finding = self._awaited(use, finding)
        self._pass("gateway.answered")
        if use.fence != fence:
            return self._lost(use, was_decided=finding == "approved" or looks)
        self._pass("finish.before_commit")
        if finding in DECIDED:
            self._settle(use, again=again)
        else:
            self._wait(use, finding)
            use.timer = fence
        self._pass("finish.after_commit")
        if use.said is not None:
            return Said(*use.said, use=use)
        is_away = finding == "not sent" and is_recognised(use.asked)
        return Said(503, "gateway_unavailable") if is_away else Said(202)

    def _wait(self, use: Use, finding: str) -> None:
        use.leased = False
        if finding == "action required" and use.payment and use.payment.status == "PROCESSING":
            use.payment.becomes("REQUIRES_ACTION")

    def _is_noted(self, use: Use, fence: int) -> bool:
        """Return whether an owner may write the id of what it registered down: not if another one has taken over."""
        self._pass("gateway.registered")
        if use.fence != fence:
            return False
        self.has(use).noted_by = fence
        self._pass("gateway.noted")
        return True

    def _lost(self, use: Use, *, was_decided: bool = False) -> Said:
        """Another owner has taken over. A caller that cannot come back hears of that end as of its own."""
        recognised = is_recognised(use.asked)
        if use.said is None:
            return Said(409, "idempotency_key_in_use") if recognised else Said(202)
        return Said(*use.said, replayed=recognised or was_decided, use=use)

    def _given_up(self, use: Use, *, looks: bool) -> str:
        """An unconfirmed object stays unconfirmed, for its caller heard that it failed."""
        if not looks:
            return "not charged"
        if use.truth is not None or self.plan.reply not in SHOWS:
            return ""
        self.has(use).given_up = True
        return "not charged"

    def _finding(self, use: Use, *, again: bool) -> str:
        bank, reply = self.has(use), self.plan.reply
        if reply in {"refuses", "misses"} or (again and reply == "loses"):
            return "not sent" if reply == "refuses" and not again else "unknown"
        if bank.given_up:
            return "unknown" if reply == "loses" else "declined"
        if again and bank.waits:
            return "action required"
        if again and use.truth is not None and not _is_declined_in_vain(use):
            bank.slow = bank.slow and reply == "pends"
            return "unknown" if bank.slow else use.truth
        return self._sent(use)

    def _sent(self, use: Use) -> str:
        """Send an operation, for the first time or once more; its first answer is the answer to all."""
        bank, reply = self.has(use), self.plan.reply
        if use.truth is None and acts(use.asked):
            bank.waits = True
            self._pass("gateway.sent")
            return "unknown" if reply == "loses" else "action required"
        if use.truth is None:
            use.truth = self.plan.word
            can_wait = use.asked.action != "void" and (use.asked.action, use.truth) != ("capture", "declined")
            bank.slow = can_wait and reply in {"pends", "hesitates"}
        elif reply != "loses":
            bank.slow = bank.slow and reply == "pends"
        self._pass("gateway.sent")
        return "unknown" if bank.slow or reply == "loses" else use.truth

    def _awaited(self, use: Use, finding: str) -> str:
        """A waiting caller hears the decision; a refusal only once its object is cancelled."""
        if finding == "not sent":
            return "not charged"
        bank = self.has(use)
        if self.plan.reply == "hesitates" and bank.slow:
            bank.slow = False
            return "approved" if use.truth == "approved" else "unknown"
        return finding


def acts(asked: Asked) -> bool:
    """Return whether the bank asks the customer. A caller that cannot come back names no return page."""
    amount = asked.amount or (asked.payment.amount if asked.payment else 0)
    return asked.action in REGISTERS and amount == SECURE and is_recognised(asked)


def is_recognised(asked: Asked) -> bool:
    """Return whether a repeat of a request is known to be one."""
    return asked.key is not None or (asked.channel, asked.action) in ITS_OWN_KEY


def _is_declined_in_vain(use: Use) -> bool:
    """Nothing at Stripe shows that a capture or void was declined: it is sent again, and the first answer comes."""
    return use.truth == "declined" and use.asked.action in {"capture", "void"}
