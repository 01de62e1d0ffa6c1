"""The whole service on a database of its own, with what the model's tests do to it beside asking: let it die, wait."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import bindparam, func, select, update
from werkzeug.test import TestResponse

from payment_service import clock, create_app, failpoints
from payment_service.config import Settings
from payment_service.db import db
from payment_service.domain.chain import REFUND
from payment_service.models import idempotency_keys as keys
from payment_service.models import payment_refunds as refunds
from payment_service.models import payments, timers, transactions
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.retention import purge
from payment_service.services.verification import verify
from tests.conftest import empty
from tests.model.bank import Bank
from tests.model.facts import DEAF, IN_VAIN, OVERTAKEN, Died, Payment, Plan
from tests.model.wire import Names, Wire, payable_of
from tests.support.tokens import SECRET, bearer

LONG = 10_000.0
"""Seconds of a lease, and of a refund's being recent: they end when the tests say so."""

_NAMES = select(payments.c.payment_id, payments.c.public_id, payments.c.transaction_id)
BY_NUMBER = _NAMES.where(payments.c.payment_id == bindparam("number"))
NEWEST = (
    _NAMES.where(
        payments.c.channel == bindparam("channel"),
        payments.c.subject == bindparam("subject"),
        payments.c.payable_id == bindparam("payable"),
    )
    .order_by(payments.c.payment_id.desc())
    .limit(1)
)
UNFINISHED = select(keys.c.key_id).where(keys.c.response_status.is_(None)).order_by(keys.c.key_id.desc())
END_LEASE = update(keys).where(keys.c.key_id == bindparam("key")).values(leased_until=bindparam("past"))
END_TIMER = update(timers).where(timers.c.what == bindparam("key")).values(due_at=bindparam("past"))
END_ANSWERS = update(keys).where(keys.c.expires_at > bindparam("past")).values(expires_at=bindparam("past"))


class System:
    """The service, its bank, and a numbering that no two examples share. `visited` counts (status, action) pairs."""

    def __init__(self, database_url: str) -> None:
        self.bank = self.make_bank()
        settings = Settings(
            duplicate_refund_seconds=LONG,
            keyless_answer_seconds=0.3,
            database_url=database_url,
            log_level="CRITICAL",
            jwt_secret_key=SECRET,
            auth_open_channels=frozenset(),
            idempotency_wait=0,
            lease_seconds=LONG,
        )
        self.app = create_app(settings, gateway=self.bank)
        self.deps: Dependencies = self.app.extensions["payment_service"]
        self.bank.in_transaction = lambda: self.deps.database.in_transaction
        self._client = self.app.test_client(use_cookies=False)
        self._tokens: dict[str, dict[str, str]] = {}
        self.examples = self.numbers = self.operations = 0
        self.visited: Counter[tuple[str, str]] = Counter()
        empty(self.deps.database)
        self._clock = {name: vars(clock)[name] for name in ("monotonic", "sleep")}
        self._moment = clock.monotonic()
        vars(clock).update(monotonic=lambda: self._moment, sleep=self._sleep)

    def close(self) -> None:
        """Let go of the database, and of the clock."""
        vars(clock).update(self._clock)
        with self.app.app_context():
            db.engine.dispose()

    def settle_accounts(self) -> None:
        """Check that the service's own audit finds nothing; then begin with an empty database again."""
        assert [str(violation) for violation in verify(self.deps)] == []
        empty(self.deps.database)
        self.empty_bank()

    def empty_bank(self) -> None:
        """Forget every decision."""
        self.bank.ledger.clear()

    def make_bank(self) -> Bank:
        """Return the bank behind the service."""
        return Bank()

    def decisions(self) -> int:
        """Return how many decisions the bank has made so far."""
        return len(self.bank.ledger)

    def decided(self, before: int) -> Counter[tuple[str, int, str]]:
        """Return kind, cents and word of every decision of the bank after its first `before`."""
        made = list(self.bank.ledger.values())[before:]
        return Counter((str(sent.kind), int(sent.amount * 100), word) for sent, word in made)

    def _sleep(self, seconds: float) -> None:
        """Let time pass, which nothing but this does while a request waits."""
        self._moment += seconds

    def number(self) -> int:
        """Return one that was never given out before."""
        self.numbers += 1
        return self.numbers

    def send(
        self, wire: Wire, subject: str, key: str | None = None, more: Mapping[str, str] | None = None
    ) -> TestResponse:
        """Return the answer to a request of one user; Died where the service died of it."""
        named = {} if key is None or "idempotency_key" in (wire.body or {}) else {"Idempotency-Key": key}
        if subject not in self._tokens:
            self._tokens = {**dict(list(self._tokens.items())[-8:]), subject: bearer(subject, expires_in=10**5)}
        return self._client.open(
            wire.path, method=wire.method, json=wire.body, headers={**self._tokens[subject], **named, **(more or {})}
        )

    @contextmanager
    def dying(self, point: str | None) -> Iterator[None]:
        """Make `point` the end of the process while the block runs: nothing that catches errors catches that."""

        def sleep(plan: Plan) -> None:
            failpoints.arm("")
            awake, self.bank.plan = self.bank.plan, plan
            self.end_leases()
            self.recover()
            self.bank.plan = awake

        def die() -> None:
            raise Died(point)

        if point is not None:
            name = point.removeprefix(OVERTAKEN).removeprefix(IN_VAIN)
            sleeper = partial(sleep, DEAF if point.startswith(IN_VAIN) else self.bank.plan)
            failpoints._armed[name] = die if name == point else sleeper
        try:
            yield
        finally:
            failpoints.arm("")

    def names_of(self, payment: Payment, known: Names | None = None) -> Names | None:
        """Return the service's ids of a payment: a known one, or the newest for its payable; None without one."""
        scope = {"channel": payment.channel, "subject": payment.subject, "payable": payable_of(payment)}
        with self.deps.database.reading() as connection:
            if known is not None:
                row = connection.execute(BY_NUMBER, {"number": known.number}).one()
            elif (newest := connection.execute(NEWEST, scope).one_or_none()) is not None:
                row = newest
            else:
                return None
        return Names(row[0], str(row[1]), row[2])

    def end_leases(self) -> None:
        """End the leases of all unfinished keys, as if their owners had long been gone; the eldest comes first."""
        with self.deps.database.atomic("test") as connection:
            for age, key_id in enumerate(connection.execute(UNFINISHED).scalars().all()):
                values = {"key": key_id, "past": clock.now() - timedelta(hours=1, seconds=age)}
                connection.execute(END_LEASE, values)
                connection.execute(END_TIMER, values)

    def recover(self) -> None:
        recover(self.deps)

    def end_answers(self, *, purged: bool) -> None:
        """Let all stored answers expire, and those that unfinished keys will get."""
        with self.deps.database.atomic("test") as connection:
            connection.execute(END_ANSWERS, {"past": clock.now() - timedelta(days=2)})
        if purged:
            sum(purge(self.deps))

    def end_refunds(self) -> None:
        """Make every refund an old one, by its hash, too."""
        past = clock.now() - timedelta(days=2)
        with self.deps.database.atomic("test") as connection:
            for row in connection.execute(select(refunds).where(refunds.c.created_at > past)).mappings().all():
                row_hash = self.deps.journal.sign(REFUND, {**row, "created_at": past})
                aged = update(refunds).where(refunds.c.refund_id == row["refund_id"])
                connection.execute(aged.values(created_at=past, row_hash=row_hash))

    def rename(self, subject: str) -> str:
        """Return the new subject of a user's tokens; its keys and payments stay those of the old one."""
        new = f"{subject}-renamed"
        self.app.extensions["key_scope_aliases"][new] = subject
        return new

    def rows(self, subjects: list[str]) -> dict[int, dict[str, Any]]:
        """Return every payment of these users as it stands, by number."""
        with self.deps.database.reading() as connection:
            found = connection.execute(select(payments).where(payments.c.subject.in_(subjects))).mappings().all()
        return {row["payment_id"]: dict(row) for row in found}

    def refunds(self, subjects: list[str]) -> Counter[tuple[int, str, int]]:
        """Return every refund of these users: payment, status, cents."""
        table = refunds.c
        statement = select(table.payment_id, table.status, table.amount).where(table.subject.in_(subjects))
        with self.deps.database.reading() as connection:
            return Counter((row[0], row[1], int(row[2] * 100)) for row in connection.execute(statement))

    def versions(self, numbers: list[int]) -> dict[int, tuple[int, int]]:
        """Return how many changes each payment has in the journal, and the newest version among them."""
        rows = transactions.c
        statement = (
            select(rows.payment_id, func.count(rows.version), func.max(rows.version))
            .where(rows.payment_id.in_(numbers))
            .group_by(rows.payment_id)
        )
        with self.deps.database.reading() as connection:
            return {row[0]: (row[1], row[2]) for row in connection.execute(statement)}
