"""A trial in which something becomes known later, and the first to learn of it dies: service, worker or auditor.

The first request may be killed as in any trial. Then the bank's side happens, the bank tells a process that dies of it,
and the first worker dies, too. Their successors bring everything to the end that the bank's word requires.
"""

import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.crash.caller import ask
from tests.crash.desk import StripeDesk
from tests.crash.play import PAUSE, ROUNDS, TRIES
from tests.crash.stages import ACTS, LATE
from tests.crash.tables import Row
from tests.crash.trial import Trial
from tests.support.waiting import wait_until

DISPUTES = ("needs_response", "won", "lost")
"""How a dispute stands in the end."""


class NewsTrial(Trial):
    """One trial of a stage with `news`."""

    def _play(self) -> None:
        assert self._scenario.desk is not None, "news come through Stripe's webhooks"
        self._desk: StripeDesk = self._scenario.desk
        self._began = self._since() if self._stage.reconcile else datetime.now(UTC)
        intent = self._intent = self._want()
        self._arm(intent)
        if self._stage.arm:
            self._die()
        else:
            self._hear(self._scenario.steady, intent)
        self._no_orphans("right after the death")
        self._until_it_can_happen()
        died = time.monotonic()
        self._desk.wait_until_told(self._scenario.ledger.has_told)
        self._happen()
        self._audit_dies()
        self._worker_dies()
        self._no_orphans("after the news")
        if self._repair():
            self._no_notice_waits()
            self.recovery_seconds = time.monotonic() - died
            self._ask_again()

    def _since(self) -> datetime:
        """Return a moment from which on the bank lists this scenario's movements alone: it knows whole seconds."""
        first = self._scenario.began.replace(microsecond=0) + timedelta(seconds=1)
        time.sleep(max(0.0, (first - datetime.now(UTC)).total_seconds()))
        return max(first, datetime.now(UTC) - timedelta(seconds=1))

    def _until_it_can_happen(self) -> None:
        """Wait until the caller heard that it must act, or heard a preliminary end, or the bank has the request."""
        key_hash, steady = self._intent.key_hash, self._scenario.steady
        if self._intent.news == "settles":
            wait_until(self._at_the_bank, lambda: f"{self._label}: the bank never got it")
            return
        for _ in range(ROUNDS):
            key = self._scenario.tables.key(key_hash)
            if key is not None and key["response_status" if self._intent.news in LATE else "action"] is not None:
                break
            self._scenario.tables.end_leases(key_hash)
            self._hear(steady, self._intent)
        else:
            self._violated("L3", f"it never came so far that {self._intent.news} could happen")

    def _happen(self) -> None:
        """Cause the bank's or the caller's event; the first process that hears of it may die."""
        calls = self._intent.news == "calls_off"
        hooked = self._scenario.serve(self._stage.hook) if self._stage.hook else None
        if self._stage.loses:
            self._desk.be_silent()
        elif hooked and not calls:
            self._desk.tell(hooked.port)
        self._bank_side((hooked or self._scenario.steady).port)
        if hooked:
            if hooked.wait() != signal.SIGKILL:
                self._violated(self._label, f"{self._stage.hook} was never reached")
            self.kills += 1
            if calls:
                self._call_off(self._scenario.steady.port)
        elif self._stage.loses:
            return
        self._desk.tell(self._scenario.steady.port)
        self._desk.wait_until_told(self._scenario.ledger.has_told)

    def _bank_side(self, port: int) -> None:
        tables, key_hash = self._scenario.tables, self._intent.key_hash
        match self._intent.news:
            case "pays" | "fails" as how:
                self._customer_acts(success=how == "pays")
            case "leaves":
                tables.end_action(key_hash)
            case "calls_off":
                self._call_off(port)
            case "settles":
                tables.put_off(key_hash)
                self._desk.do(f"{self._object()}/settle")
            case "refund_fails":
                self._desk.do(f"{self._object()}/fail")
            case "hold_ends":
                self._desk.do(f"{self._object()}/expire")
                if self._stage.loses:
                    tables.end_holds()
            case "disputed":
                self._dispute()

    def _customer_acts(self, *, success: bool) -> None:
        self._desk.do(f"{self._object()}/authenticate", success=success)

    def _dispute(self) -> None:
        amount = int(self._intent.amount * 100 / self._random.choice([1, 4]))
        intent = self._bank_intent()["id"]
        dispute = self._desk.do("disputes", payment_intent=intent, amount=amount)["id"]
        status = self._random.choice(DISPUTES)
        if status != "needs_response":
            self._desk.do(f"disputes/{dispute}", status=status)

    def _call_off(self, port: int) -> None:
        """DELETE the order; the same again after a death."""
        number = next(heard.json["payment_id"] for heard in self._intent.heard)
        calls = replace(self._intent, method="DELETE", path=f"/v1/payments/{number}", fields={}, key=None)
        heard = ask(port, calls.request())
        if heard is not None and heard.status not in {200, 202}:
            self._violated(self._label, f"calling off got {heard}")

    def _audit_dies(self) -> None:
        """Let a reconciliation die, and another one finish."""
        if self._stage.reconcile:
            if not any(self._reconcile(self._stage.reconcile) == signal.SIGKILL for _ in range(TRIES)):
                self._violated("C23", f"{self._stage.reconcile} was never reached: {self._scenario.log()[-400:]}")
            self.kills += 1
            if not any(self._reconcile() == 0 for _ in range(TRIES)):
                self._violated("C23", f"no reconciliation was finished: {self._scenario.log()[-400:]}")

    def _reconcile(self, arm: str = "") -> int:
        return self._scenario.reconcile(self._began, arm)

    def _worker_dies(self) -> None:
        if not self._stage.recover:
            return
        if not self._stage.recover.endswith("=stop"):
            super()._worker_dies()
            return
        self._hurry()
        worker = self._scenario.worker(self._stage.recover)
        wait_until(lambda: worker.is_stopped or worker.has_ended)
        self._customer_acts(success=True)  # while the worker is about to cancel
        while not worker.has_ended:
            if worker.is_stopped:
                worker.resume()
            time.sleep(0.005)
        worker.kill()
        self.kills += 1
        self._intent.ends = "done" if self._intent.kind == "charge" else "declined"

    def _hurry(self) -> None:
        """End all leases and pauses. A notice must wake the operation, so its timer must not."""
        self._scenario.tables.end_leases(self._intent.key_hash, timers=self._intent.news != "settles")
        self._scenario.tables.end_pauses()
        if self._intent.news == "hold_ends" and self._stage.loses:
            self._scenario.tables.end_holds()

    def _repair(self) -> bool:
        """Let the worker complete the operation, or the caller's repeats, if the caller can repeat."""
        by_worker = self._intent.news not in ACTS or self._random.random() < 0.6
        for _ in range(ROUNDS):
            self._hurry()
            if by_worker:
                self._recover()
            else:
                self._hear(self._scenario.steady, self._intent)
            if self._has_ended():
                return True
            time.sleep(PAUSE)
        self._violated("L3", f"{self._intent.news} has not come to its end after {ROUNDS} rounds")
        return True

    def _no_notice_waits(self) -> None:
        """Let the worker look at every notice that is still due; the oracle names those that it cannot settle."""
        for _ in range(ROUNDS):
            if not self._scenario.tables.rows("gateway_notices", "notice_id", "due_at IS NOT NULL"):
                break
            self._hurry()
            self._recover()

    def _has_ended(self) -> bool:
        """Return whether the key is finished, and the later news recorded; the oracle judges the result."""
        key, tables = self._scenario.tables.key(self._intent.key_hash), self._scenario.tables
        if key is None or key["response_status"] is None:
            return False
        (payment,) = tables.rows("payments", "payment_id", "payment_id = ?", key["payment_id"])
        news: dict[Any, Callable[[], bool]] = {
            "refund_fails": lambda: key["operation_status"] == "REVERSED",
            "hold_ends": lambda: payment["status"] == "CANCELLED",
            "disputed": lambda: self._disputes_are_known(tables.rows("disputes", "reference")),
        }
        return news.get(self._intent.news, lambda: True)()

    def _disputes_are_known(self, rows: list[Row]) -> bool:
        known = {row["reference"]: row["gateway_status"] for row in rows}
        shown = {each["id"]: each["status"] for each in self._scenario.ledger.objects("dispute")}
        return known == shown

    def _object(self) -> str:
        """Return the administration's path to the bank's object that the news is about."""
        if self._intent.kind == "refund":
            return f"refunds/{self._at_the_bank()[-1]['object_id']}"
        return f"payment_intents/{self._bank_intent()['id']}"

    def _bank_intent(self) -> Row:
        """Return the one object of the operation, or of its parent, that was confirmed."""
        key = self._key()
        found = self._scenario.ledger.objects("payment_intent", key["parent_key"] or key["gateway_key"])
        (confirmed,) = (each for each in found if each["status"] != "requires_confirmation")
        return confirmed

    def _at_the_bank(self) -> list[Row]:
        """Return the bank's record of the operation."""
        gateway_key = self._key()["gateway_key"]
        return [row for row in self._scenario.ledger.operations() if row["gateway_key"] == gateway_key]

    def _key(self) -> Row:
        key = self._scenario.tables.key(self._intent.key_hash)
        assert key is not None, f"{self._label}: the key is gone"
        return key
