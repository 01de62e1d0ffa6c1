"""The stories of a run's clients, in every channel: each is a pure function of seed and number."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any, ClassVar

from tests.crash.caller import Channel, Intent, Wish
from tests.crash.stages import Fault
from tests.support.tokens import token

WHOLE, FIRST, SECOND, LESS, STEP = Decimal(20_000), Decimal(5_000), Decimal(7_000), Decimal(9_000), Decimal("0.05")
"""Of what is charged, refunded in two parts, captured instead of all; and from story to story: no two are alike."""

USERS = ("torture-ada", "torture-ben")
"""Two subjects of bookings, who use the same keys."""

RENAMED = {"torture-ada": "torture-lovelace", "torture-ben": "torture-benjamin", "": "torture-newcomer"}
"""Old subject → new one, in the middle of many a story; "" is who sends no token at first, and then gets one."""

token_of = cache(token)
"""One token for each subject: the same story is the same at any time."""

SICK = (
    Fault("slow", more=(("ms", 900),)),
    Fault("sleep_then_answer", more=(("ms", 900),)),
    Fault("drop_before_effect"),
    Fault("drop_after_effect"),
    Fault("error_before_effect"),
    Fault("error_after_effect"),
    Fault("garbage"),
    Fault("truncated"),
    Fault("empty"),
    Fault("duplicate"),
    Fault("pending", more=(("lookups", 2),)),
    Fault("not_found", on="lookup"),
)
"""The faults that the bank may apply to one operation, which must end well all the same."""

REFUSES = Fault("decline")
MAY_BE_DECLINED = frozenset({"charge", "authorize", "refund"})

LATE = (
    *(Fault("pending", more=(("lookups", lookups),)) for lookups in (2, 4, 4, 4, 4)),
    Fault("pending", more=(("lookups", 4), ("code", "CARD_DECLINED"))),
    REFUSES,
    *(fault for fault in SICK if fault.on == "send"),
)
"""The fates of a charge with a caller that asks once: the bank decides while the caller waits, or later."""

NEVER = float("inf")


@dataclass
class Step:
    """One wish and what is drawn for it: the bank's `fault`, two askers at once, a repeat, another body.

    After `renamed` requests its caller has another subject. `back` is the bank's fault when the money goes back.
    """

    intent: Intent
    fault: Fault | None
    twice: bool
    again: bool
    other: bool
    renamed: float
    back: Fault | None = None

    @property
    def may_be_declined(self) -> bool:
        """Whether the bank may refuse it, if it did not forget to."""
        return self.fault is REFUSES


@dataclass
class Story:
    """The story `number` of the run called `name`. `look` is where the payment can be read, once there is one.

    `renamed_at` is the number of the wish in the middle of which its caller gets another subject.
    """

    name: str
    number: int
    random: Random
    look: str = ""
    token: str | None = None
    renamed_at: float = NEVER
    intents: list[Intent] = field(default_factory=list)
    sick: ClassVar[Sequence[Fault]] = SICK
    late: ClassVar[Sequence[Fault]] = LATE

    def steps(self) -> Iterator[Step]:
        """Yield the wishes in turn; each must have its final answer before the next."""
        tell = self.random.choice([*CHANNELS.values(), _checkout, _checkout])  # the only ones who may ask once
        self.renamed_at = self.random.choice([NEVER, 0, 0, 1])
        for intent in tell(self):
            step = self.drawn(intent)
            self.intents.append(intent)
            yield step
            if intent.ends != "done":
                return

    def drawn(self, intent: Intent) -> Step:
        """Draw the step for a wish: its faults, repeats and renaming."""
        draws = [self.random.random() for _ in range(5)]
        fault, renamed = self.random.choice(self.sick), self._renamed(len(self.intents))
        if intent.asks_once:
            late = self.random.choice(self.late) if draws[1] < 0.7 else None
            back = fault if fault.on == "send" and draws[2] < 0.3 else None
            return Step(intent, late, False, False, False, renamed, back)
        if not intent.key or not intent.moves_money:
            return Step(intent, None, draws[2] < 0.3, draws[3] < 0.3, False, renamed)
        if intent.kind in MAY_BE_DECLINED and draws[0] < 0.12:
            fault = REFUSES
        sick = fault if fault is REFUSES or draws[1] < 0.25 else None
        return Step(intent, sick, draws[2] < 0.3, draws[3] < 0.5, draws[4] < 0.3, renamed)

    def _renamed(self, wish: int) -> float:
        """Draw the number of requests for this wish before the caller's new subject: none, some, or never."""
        if wish != self.renamed_at:
            return 0 if wish > self.renamed_at else NEVER
        return self.random.choice([1, 1, 2])

    def wish(
        self, channel: Channel, kind: Wish, path: str, fields: Mapping[str, Any], amount: Decimal, **more: Any
    ) -> Intent:
        """Return a wish of this story under a key of its own, unless `more` says otherwise."""
        renamed = token_of(RENAMED[more.get("subject", "")])
        label = f"story#{self.number}"
        key = more.pop("key", f"{self.name}-{self.number}-{kind}{len(self.intents)}")
        more = {"opens": False, "token": self.token, "new_token": renamed, **more}
        return Intent(label, channel, kind, key, path, fields, amount, Decimal(-1), **more)

    def amount(self, of: Decimal) -> Decimal:
        """Return an amount like no other of its kind."""
        return of + self.number * STEP


def told(intent: Intent) -> Any:
    """Return the payment as the final answer shows it."""
    body = next(heard for heard in intent.finals if heard.status < 300).json
    return body.get("payment", body)


def _trip(story: Story) -> Iterator[Intent]:
    amount = story.amount(WHOLE)
    fields = {"trip_id": story.number + 1, "amount": float(amount), "method": "CARD"}
    paid = story.wish("trips", "charge", "/payments", fields, amount, opens=True)
    yield paid
    story.look = f"/payments/{told(paid)['payment_id']}"
    refunds = f"{story.look}/refunds"
    if story.random.random() < 0.4:
        yield story.wish("trips", "refund", refunds, {}, amount)
        return
    for part in (FIRST, SECOND):
        back = story.amount(part)
        yield story.wish("trips", "refund", refunds, {"amount": float(back)}, back)


def _bill(story: Story) -> Iterator[Intent]:
    amount = story.amount(WHOLE)
    fields = {"bill_id": story.number + 1, "amount": str(amount), "method": "card"}
    paid = story.wish("bills", "charge", "/v1/payments", fields, amount, opens=True)
    yield paid
    story.look = f"/v1/payments/{told(paid)['payment_id']}"


def _booking(story: Story) -> Iterator[Intent]:
    amount = story.amount(WHOLE)
    fields = {"booking_id": f"BOOK-{story.number}", "amount": float(amount)}
    user = USERS[story.number % 2]
    story.token = token_of(user)
    # Two users share each key: it must be another one for the other.
    named = f"{story.name}-shared-{story.number // 2}"
    mine = {"subject": user}
    made = story.wish("bookings", "create", "/api/payments", fields, amount, opens=True, key=f"{named}-create", **mine)
    yield made
    story.look = f"/api/payments/{told(made)['payment_id']}"
    yield story.wish("bookings", "charge", f"{story.look}/process", {}, amount, **mine)
    if story.random.random() < 0.5:
        yield story.wish("bookings", "refund", f"{story.look}/refund", {}, amount, **mine)


def _order(story: Story) -> Iterator[Intent]:
    amount = story.amount(WHOLE)
    fields = {"order_id": story.number + 1, "user_id": 7, "amount": float(amount), "payment_method": "UPI"}
    if story.random.random() < 0.5:
        yield from _order_made_first(story, fields, amount)
        return
    paid = story.wish("orders", "charge", "/v1/payments/charge", fields, amount, opens=True)
    yield paid
    story.look = f"/v1/payments/{told(paid)['payment_id']}"
    for part in (FIRST, SECOND):
        back = {"amount": float(story.amount(part)), "reason": "wrong size"}
        yield story.wish("orders", "refund", f"{story.look}/refund", back, story.amount(part))


def _order_made_first(story: Story, fields: Mapping[str, Any], amount: Decimal) -> Iterator[Intent]:
    made = story.wish("orders", "create", "/v1/payments", fields, amount, opens=True)
    yield made
    story.look = f"/v1/payments/{told(made)['payment_id']}"
    if story.random.random() < 0.4:
        yield story.wish("orders", "cancel", story.look, {}, amount, key=None, method="DELETE")
        return
    status = {"status": "COMPLETED"}
    yield story.wish("orders", "charge", f"{story.look}/status", status, amount, key=None, method="PATCH")


def _checkout(story: Story) -> Iterator[Intent]:
    amount, at = story.amount(WHOLE), "/api/v1/payments"
    holds = story.random.random() < 0.6
    fields: dict[str, Any] = {"order_id": f"ORD-{story.number}", "amount": float(amount)}
    fields |= {"payment_method": "credit_card", "capture": not holds}
    key = {"key": None, "asks_once": True} if story.random.random() < 0.8 else {}
    kind: Wish = "authorize" if holds else "charge"
    paid = story.wish("checkout", kind, f"{at}/process", fields, amount, opens=True, **key)
    yield paid
    if paid.asks_once and not paid.told:
        return
    story.look = f"{at}/payment/{told(paid)['payment_id']}"
    mine = {"transaction_id": told(paid)["transaction_id"]}
    if holds and story.random.random() < 0.4:
        yield story.wish("checkout", "void", f"{at}/void", mine, amount)
        return
    if holds:
        amount = story.amount(LESS)
        yield story.wish("checkout", "capture", f"{at}/capture", {**mine, "amount": float(amount)}, amount)
    back = story.amount(FIRST)
    yield story.wish("checkout", "refund", f"{at}/refund", {**mine, "amount": float(back)}, back)


CHANNELS: Mapping[str, Callable[[Story], Iterator[Intent]]] = {
    "trips": _trip,
    "bills": _bill,
    "bookings": _booking,
    "orders": _order,
    "checkout": _checkout,
}
"""How a payment of each caller goes."""
