"""The oracle: compares the bank's ledger, the tables and what the clients heard. It asks the service nothing.

S1 one charge · S2 no orphan money · S3 no phantom success · S4 same money · S5 conservation · S6 stable replay ·
S9 state machine · S10 unknown is not failed · S11 one event per change · S14 audit equals state · S17 durability ·
S21 what became known later · R1 reservations · L3 recovery finds what is open, and every notice is handled.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal

from tests.crash.caller import Intent
from tests.crash.comparisons import grouped, name_of, owner_of, same_money, word
from tests.crash.keyless import judge_once, payments_of
from tests.crash.moves import LATE, LEGAL, NEWS_MOVES
from tests.crash.standing import Standing
from tests.crash.tables import Ledger, Row, Tables


@dataclass
class Counts:
    """The counts of a run's report, by name."""

    double: int = 0
    orphan: int = 0
    unfinished: int = 0


@dataclass
class Oracle:
    """Everything there is at the end of a run; `judge()` says what is wrong with it.

    `broker` is a sink that was switched on all the time: it has a delivery of every event. `legal` are the moves that
    a payment may make in this run.
    """

    tables: Tables
    ledger: Ledger
    intents: Sequence[Intent]
    broker: str | None = None
    legal: AbstractSet[tuple[str | None, str]] = field(default_factory=lambda: LEGAL)
    counts: Counts = field(default_factory=Counts)

    def judge(self) -> list[str]:
        """Return every violation, beginning with the name of the invariant."""
        keys = self.tables.rows("idempotency_keys", "key_id")
        self._keys = {(row["channel"], row["subject"], row["key_hash"]): row for row in keys}
        self._payments = self.tables.rows("payments", "payment_id")
        self._operations = self.tables.operations()
        self._moves = grouped(self._operations)
        self._refunds = grouped(self.tables.rows("payment_refunds", "refund_id"))
        self._journal = grouped(self.tables.rows("transactions", "version", "version IS NOT NULL"))
        self._deliveries = grouped(self.tables.rows("outbox_deliveries", "version", "sink = ?", self.broker))
        self._reserved = grouped(self.tables.rows("reservations", "kind"))
        self._bank = {row["gateway_key"]: row for row in self.ledger.operations()}
        self._effects = self.ledger.effects()
        once = [intent for intent in self.intents if intent.asks_once]
        self._once = {row["payment_id"] for intent in once for row in payments_of(intent, self._payments)}
        told = [intent for intent in self.intents if intent.news and intent.scope in self._keys]
        self._news = {self._keys[intent.scope]["payment_id"]: NEWS_MOVES[intent.news] for intent in told if intent.news}
        self._standing = Standing(self.tables, self.ledger, self._operations)
        return [violation for part in self._parts() for violation in part]

    def _parts(self) -> Iterator[Iterator[str]]:
        yield self._effects_match_rows()
        yield self._rows_match_effects()
        for intent in self.intents:
            if intent.asks_once:
                yield judge_once(intent, self._payments, self._operations, self._effects)
                continue
            if intent.moves_money:
                yield self._moved_once(intent)
            if intent.key is not None:
                yield self._kept(intent)
                yield self._told(intent)
            yield self._said(intent)
        yield self._standing.judge()
        yield self._all_meant()
        yield self._findable()
        for payment in self._payments:
            yield self._conserved(payment)
            yield self._audited(payment)
            yield self._sent(payment)
            yield self._holds(payment)

    def _effects_match_rows(self) -> Iterator[str]:
        """S1 by the bank's key and S2: each effect once, and asked for by a row that says the same money."""
        known = {row["gateway_key"]: row for row in self._operations}
        for key, times in Counter(effect["gateway_key"] for effect in self._effects).items():
            if times > 1:
                yield f"S1: {times} effects under one gateway key"
            if owner_of(key) not in known:
                self.counts.orphan += 1
                yield "S2: the bank moved money for a gateway key that no row knows"
        for effect in self._effects:
            row = known.get(effect["gateway_key"])
            wrong = row is not None and not same_money(row, effect)
            if wrong and row and row["review_reason"] is None:
                yield f"S4: the bank moved {effect['amount']}, the row says {row['amount']}, and nobody is told to look"

    def _rows_match_effects(self) -> Iterator[str]:
        """S3 and S10: success only with the bank's effect, failure only with the bank's refusal."""
        moved = {effect["gateway_key"]: effect for effect in self._effects}
        for row in self._operations:
            effect, asked = moved.get(row["gateway_key"]), self._bank.get(row["gateway_key"])
            if row["operation_status"] == "SUCCEEDED" and (effect is None or not same_money(row, effect)):
                yield f"S3: {row['kind']} of {row['amount']} succeeded here and not at the bank"
            never_sent = asked is None and row["payment_id"] in self._once  # no process will: only then it is not paid
            declined = (asked and asked["status"] == "declined") or self._standing.is_cancelled(row)
            if row["operation_status"] == "FAILED" and not never_sent and not declined:
                yield f"S10: {row['kind']} of {row['amount']} failed here; the bank has not declined it"

    def _moved_once(self, intent: Intent) -> Iterator[str]:
        """S1 by the client's wish, under any gateway key: money moved once for a success, and never otherwise."""
        amounts = {intent.amount.normalize(), intent.bent.normalize()}
        mine = [effect for effect in self._effects if effect["kind"] == intent.kind and effect["amount"] in amounts]
        times, keys = len(mine), {effect["gateway_key"] for effect in mine}
        # A hold that is to be cancelled may stand for a moment: it is voided under a key of the cancel's.
        let_go = {effect["gateway_key"] for effect in self._effects if owner_of(effect["gateway_key"]) in keys} - keys
        kept = times - len(let_go)
        if times > 1:
            self.counts.double += 1
            yield f"S1 {intent.label}: {times} effects for one {intent.kind}"
        if (intent.ends == "done" and kept == 0) or (intent.ends in {"declined", "cancelled", "nothing"} and kept):
            yield f"S3 {intent.label}: {kept} effects for a {intent.kind} that ended as {intent.ends}"

    def _kept(self, intent: Intent) -> Iterator[str]:
        """L3 and S18: the key has its answer, or has none because no caller ever heard one."""
        key = self._keys.get(intent.scope)
        if intent.ends == "nothing":
            if key is not None:
                yield f"S18 {intent.label}: a key without an answer is left"
        elif key is None or (key["response_status"] is None) != (intent.ends == "review"):
            self.counts.unfinished += 1
            yield f"L3 {intent.label}: the key should have ended as {intent.ends}, its row is {key}"
        elif intent.ends == "review" and not key["review_reason"]:
            yield f"S4 {intent.label}: nobody is told to look at the wrong amount"

    def _told(self, intent: Intent) -> Iterator[str]:
        """S6 and S17: one final answer, the stored one."""
        said = {heard.said for heard in intent.finals}
        if len(said) > 1:
            yield f"S6 {intent.label}: {len(said)} different final answers: {said}"
        key = self._keys.get(intent.scope)
        for heard in intent.finals[:1]:
            if key is None or (key["response_status"], key["response_data"]) != (heard.status, heard.body.decode()):
                yield f"S17 {intent.label}: the client heard {heard}, stored is {key}"

    def _said(self, intent: Intent) -> Iterator[str]:
        """S3 and S4 in the answers: they are true. A wish that is its own key is judged by a success alone."""
        if any(heard.status == 500 for heard in intent.heard):
            yield f"L1 {intent.label}: an answer was 500"
        finals = intent.finals if intent.key else [heard for heard in intent.finals if heard.status < 300]
        for heard in finals[:1]:
            if (ended := word(intent, heard.status, heard.json)) != intent.ends:
                yield f"S3 {intent.label}: the client heard {heard.status} {heard.body!r} ({ended}), not {intent.ends}"

    def _all_meant(self) -> Iterator[str]:
        """S1 in the tables: one payment, one operation for each wish, and nothing without a wish.

        Those of who asks once are judged by what they heard.
        """
        meant = [intent for intent in self.intents if intent.ends != "nothing" and not intent.asks_once]
        wished = Counter(intent.kind for intent in meant if intent.moves_money)
        opened = sum(intent.opens for intent in meant)
        others = [row for row in self._operations if row["is_client_key"] or row["payment_id"] not in self._once]
        rows = Counter(row["kind"] for row in others)
        if rows != wished:
            yield f"S1: the clients wanted {dict(wished)}, the tables have {dict(rows)}"
        if (there := len(self._payments) - len(self._once)) != opened:
            yield f"S1: the clients wanted {opened} payments, the tables have {there}"

    def _conserved(self, payment: Row) -> Iterator[str]:
        """S5: the refunded and reserved amounts are the refunds' sums, and never exceed the captured amount."""
        refunds: defaultdict[str, Decimal] = defaultdict(Decimal)
        for refund in self._refunds[payment["payment_id"]]:
            refunds[refund["status"]] += refund["amount"]
        sums = (refunds["REFUNDED"], refunds["PENDING"])
        if (payment["refunded_amount"], payment["refund_pending_amount"]) != sums:
            yield f"S5 {name_of(payment)}: its refunds sum to {sums}"
        if sum(sums) > payment["captured_amount"] or payment["captured_amount"] > payment["authorized_amount"]:
            yield f"S5 {name_of(payment)}: more money left than came"
        taken: defaultdict[str, Decimal] = defaultdict(Decimal)
        for row in self._moves[payment["payment_id"]]:
            if row["operation_status"] == "SUCCEEDED":
                taken[row["kind"]] += row["amount"]
        came = (taken["charge"] + taken["authorize"], taken["charge"] + taken["capture"])
        if (payment["authorized_amount"], payment["captured_amount"]) != came or came[0] > payment["amount"]:
            yield f"S5 {name_of(payment)}: {payment['status']}, its operations held and took {came}"

    def _audited(self, payment: Row) -> Iterator[str]:
        """S9 and S14: gapless versions of legal moves that end where the payment stands."""
        audit = self._journal[payment["payment_id"]]
        if [row["version"] for row in audit] != list(range(1, payment["version"] + 1)):
            yield f"S14 {name_of(payment)}: the journal's versions are {[row['version'] for row in audit]}"
            return
        came_from, legal = None, self.legal | self._news.get(payment["payment_id"], frozenset())
        legal |= {LATE} if payment["payment_id"] in self._once else set()
        for row in audit:
            if row["from_status"] != came_from or (came_from, row["status"]) not in legal:
                yield f"S9 {name_of(payment)}: from {came_from} to {row['status']}"
            came_from = row["status"]
        names = ("status", "captured_amount", "refunded_amount")
        if [audit[-1][name] for name in names] != [payment[name] for name in names]:
            yield f"S14 {name_of(payment)}: the last journal row says otherwise"

    def _sent(self, payment: Row) -> Iterator[str]:
        """S11: every change has an event of its own, and the broker a delivery of it."""
        names = ("version", "event_id", "event_type")
        events, deliveries = (
            [[row[name] for name in names] for row in rows[payment["payment_id"]]]
            for rows in (self._journal, self._deliveries)
        )
        if any(None in event for event in events):
            yield f"S11 {name_of(payment)}: a change without an event"
        if self.broker and deliveries != events:
            yield f"S11 {name_of(payment)}: its events are {events}, the deliveries {deliveries}"

    def _holds(self, payment: Row) -> Iterator[str]:
        """R1: each live payment has its reservations, and one that takes no money has given them back."""
        meant = {"transaction": payment["transaction_id"]}
        if payment["channel"] == "trips":
            meant["reference"] = payment["reference"]
        if payment["channel"] == "orders" and payment["status"] not in {"FAILED", "CANCELLED"}:
            meant["payable"] = payment["payable_id"]
        held = {row["kind"]: row["value"] for row in self._reserved[payment["payment_id"]]}
        if held != {kind: value for kind, value in meant.items() if value is not None}:
            yield f"R1 {name_of(payment)}: holds {held}, should hold {meant}"

    def _findable(self) -> Iterator[str]:
        """L3: recovery reaches every unfinished key: it has a timer, or the watermark has not passed it."""
        timed = {row["what"] for row in self.tables.rows("timers", "what", "kind = 'recover'")}
        passed = max((row["value"] for row in self.tables.rows("watermarks", "name", "name = 'recovery'")), default=0)
        for key in self._keys.values():
            if key["response_status"] is None and key["key_id"] <= passed and key["key_id"] not in timed:
                yield f"L3: recovery will never find {key}"
