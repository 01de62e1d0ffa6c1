"""Random walks through the service beside the model: Hypothesis picks the steps, and shortens what leads to a fault."""

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from werkzeug.test import TestResponse

from tests.model.draws import (
    AMOUNTS,
    ANY,
    KEYLESS,
    KEYS,
    MOVES,
    NEEDS_KEY,
    OPENINGS,
    PLANS,
    POINTS,
    RENAMED,
    SHARES,
    SWEEPS,
    USERS,
    crashes,
)
from tests.model.facts import Asked, Died, Payment, Plan, Said, Use
from tests.model.model import Model
from tests.model.oracle import judge
from tests.model.system import System
from tests.model.wire import LISTED, SHOWN, Names, Wire, names_in, shown, wire


class Walk(RuleBasedStateMachine):
    """One example: two users, some keys, and everything that may happen to their payments."""

    system: ClassVar[System]

    def __init__(self) -> None:
        super().__init__()
        self.system.examples += 1
        self.model = Model()
        self.names: dict[Payment, Names] = {}
        self.users = [f"user-{self.system.examples}-{number}" for number in range(2)]
        self.renamed = {user: self.system.rename(user) for user in self.users}
        self.keys: dict[tuple[str, str], list[str]] = {}
        self.asked: list[Asked] = []
        self.decided = self.system.decisions()

    @rule(
        what=OPENINGS,
        who=st.tuples(USERS, RENAMED),
        key=KEYS,
        amount=AMOUNTS,
        plan=PLANS,
        crash=crashes(POINTS),
        again=ANY,
    )
    def pay(
        self,
        what: tuple[str, str],
        who: tuple[int, bool],
        key: int,
        amount: int,
        plan: Plan,
        crash: str | None,
        again: int,
    ) -> None:
        (channel, action), (user, renamed) = what, who
        subject = self.users[user]
        named = self.key(channel, subject, action, key)
        orders = [order for order in self.model.payments if order.channel == "orders"]
        payable = orders[again % len(orders)].payable if orders and again % 4 == 0 else self.system.number()
        self.ask(Asked(channel, subject, action, named, None, payable, amount), plan, crash, renamed=renamed)

    @precondition(lambda self: self.reachable())
    @rule(which=ANY, what=ANY, key=KEYS, share=SHARES, plan=PLANS, crash=crashes(POINTS), renamed=RENAMED)
    def move(
        self, which: int, what: int, key: int, share: float | None, plan: Plan, crash: str | None, *, renamed: bool
    ) -> None:
        payment = self.reachable()[-1 - which % len(self.reachable())]
        channel, actions = payment.channel, MOVES[payment.channel]
        action = actions[what % len(actions)]
        amount = None
        if action in {"capture", "refund"} and channel != "bookings":
            most = payment.authorized if action == "capture" else max(1, self.model.refundable(payment))
            share = 1.0 if share is None and (channel, action) == ("checkout", "refund") else share
            amount = None if share is None else max(1, int(most * share))
        flag = what % 2 if (channel, action) == ("orders", "cancel") else 0
        named = None if action in KEYLESS.get(channel, []) else self.key(channel, payment.subject, action, key)
        self.ask(Asked(channel, payment.subject, action, named, payment, flag, amount), plan, crash, renamed=renamed)

    go_on = move_again = move

    @precondition(lambda self: self.asked)
    @rule(which=ANY, plan=PLANS, crash=crashes(POINTS), renamed=RENAMED)
    def repeat(self, which: int, plan: Plan, crash: str | None, *, renamed: bool) -> None:
        self.ask(self.asked[-1 - which % min(8, len(self.asked))], plan, crash, renamed=renamed)

    ask_again = repeat

    @precondition(lambda self: any(self.model.unfinished()))
    @rule(plan=PLANS, crash=crashes(SWEEPS))
    def sweep(self, plan: Plan, crash: str | None) -> None:
        self.counted("key", "recover")
        self.recover(plan, crash)

    @precondition(lambda self: self.model.payments)
    @rule(what=st.sampled_from(["leases", "leases", "answers", "refunds", "purge"]))
    def time_passes(self, what: str) -> None:
        self.counted("time", what)
        if what == "leases":
            self.model.end_leases()
            self.system.end_leases()
        elif what == "refunds":
            self.model.end_refunds()
            self.system.end_refunds()
        else:
            self.model.end_answers(purge=what == "purge")
            self.system.end_answers(purged=what == "purge")

    @precondition(lambda self: self.model.payments)
    @rule(which=ANY, stranger=st.sampled_from([False, False, False, True]), renamed=RENAMED)
    def read(self, which: int, *, stranger: bool, renamed: bool) -> None:
        payment = self.model.payments[-1 - which % len(self.model.payments)]
        self.counted(payment.status, "read")
        user = next(user for user in self.users if (user != payment.subject) is stranger)
        answer = self.system.send(
            Wire("GET", SHOWN[payment.channel].format(self.names[payment])), self.name(user, renamed=renamed)
        )
        status, fields = shown(payment)
        if stranger:
            assert answer.status_code == (403 if payment.channel == "bookings" else 404), answer.text
        else:
            assert answer.status_code == status, (payment, answer.text)
            assert fields.items() <= answer.get_json().get("payment", answer.get_json()).items(), (payment, answer.text)

    @precondition(lambda self: self.model.payments)
    @rule(channel=st.sampled_from(sorted(LISTED)), user=USERS, renamed=RENAMED)
    def look_over(self, channel: str, user: int, *, renamed: bool) -> None:
        self.counted("list", channel)
        answer = self.system.send(Wire("GET", LISTED[channel]), self.name(self.users[user], renamed=renamed))
        assert answer.status_code == 200, answer.text
        body = answer.get_json()
        listed = {name for each in (body if isinstance(body, list) else body["payments"]) for name in names_in(each)}
        unpaid = {"PROCESSING", "REQUIRES_ACTION", "FAILED"} if channel == "bills" else set()
        mine = [
            payment
            for payment in self.model.payments
            if (payment.channel, payment.subject) == (channel, self.users[user]) and payment.status not in unpaid
        ]
        names = [self.names[payment] for payment in mine]
        assert listed == {name.uuid if channel == "bookings" else str(name.number) for name in names}

    def key(self, channel: str, subject: str, action: str, drawn: int) -> str | None:
        """Return a key of a user's: none, a new or a used one."""
        if drawn < 0 and (channel, action) not in NEEDS_KEY:
            return None
        known = self.keys.setdefault((channel, subject), [])
        if drawn > 5 and known:
            return known[-1 - (drawn - 6) % len(known)]
        known.append(f"key-{self.system.examples}-{len(known)}")  # the same in every channel and for both users
        return known[-1]

    def reachable(self) -> list[Payment]:
        """Payments that their callers know by the name they need: a checkout has none before it was approved."""
        return [each for each in self.model.payments if each.channel in MOVES and self.names[each].transaction != ""]

    def name(self, user: str, *, renamed: bool) -> str:
        """Return the subject of a user's token."""
        return self.renamed[user] if renamed else user

    def ask(self, asked: Asked, plan: Plan, crash: str | None, *, renamed: bool) -> None:
        """Ask the service and the model, and compare what they say."""
        self.counted(asked.payment.status if asked.payment else "none", asked.action)
        self.asked.append(asked)
        request = wire(asked, self.names[asked.payment] if asked.payment else None)
        expected = self.expected(asked, plan, crash)
        try:
            with self.system.dying(crash):
                answer = self.system.send(request, self.name(asked.subject, renamed=renamed), asked.key)
        except Died:
            assert expected is None, f"{asked} should have been answered {expected}"
        else:
            assert expected is not None, f"should have died at {crash}: {asked}: {answer.status} {answer.text}"
            self.compare(asked, expected, answer)
        self.learn_names()

    def expected(self, asked: Asked, plan: Plan, crash: str | None) -> Said | None:
        """Return the model's answer; None where it dies."""
        self.model.plan, self.model.crash, self.system.bank.plan = plan, crash, plan
        try:
            return self.model.ask(asked)
        except Died:
            return None

    def compare(self, asked: Asked, expected: Said, answer: TestResponse) -> None:
        said = f"{asked}: {expected} but {answer.status} {answer.text}"
        assert answer.status_code == expected.status, said
        assert ("Idempotent-Replayed" in answer.headers) == expected.replayed, said
        body = answer.get_json()
        assert (body.get("code", "") if answer.status_code >= 400 else "") == expected.code, said
        use = expected.use
        if use is None:
            return
        if use.body is None or (use.expired and use.payment is not None):
            use.body = use.body or answer.data
            self.same_payment(use, body, said)
        else:
            assert answer.data == use.body, said

    def same_payment(self, use: Use, body: Any, said: str) -> None:
        names = use.payment and self.names.get(use.payment)
        if names:
            assert names_in(body) <= {str(names.number), names.uuid}, said

    def learn_names(self) -> None:
        for payment in self.model.payments:
            names = self.names.get(payment)
            if names is None or (not names.transaction and payment.channel == "checkout" and payment.authorized):
                found = self.system.names_of(payment, names)
                assert found is not None, f"{payment} is not there"
                unknown = "" if payment.channel == "checkout" else None
                found.transaction = found.transaction or unknown
                self.names[payment] = found

    def recover(self, plan: Plan, crash: str | None) -> None:
        """Let the sweeper run over all unfinished keys, in both worlds."""
        self.model.plan, self.model.crash, self.system.bank.plan = plan, crash, plan
        self.model.end_leases()
        self.system.end_leases()
        died = []
        for world in (self.model, self.system):
            try:
                with self.system.dying(crash):
                    world.recover()
            except Died:
                died.append(world)
        assert len(died) in {0, 2}, f"only {died} died at {crash}"
        self.learn_names()

    def counted(self, status: str, action: str) -> None:
        self.system.operations += 1
        self.system.visited[status, action] += 1

    def teardown(self) -> None:
        """Let everything come to its end, then compare every row and every movement of money."""
        for _ in range(2):  # the second for what the first began to give back
            self.recover(Plan(), None)
        assert not any(self.model.unfinished())
        judge(self.system, self.model, self.names, self.users, self.decided)
        self.system.visited.update((use.purpose, str(use.truth)) for use in self.model.movements if use.purpose)
