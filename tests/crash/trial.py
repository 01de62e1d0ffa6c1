"""One trial: an operation, the death of the service at one point, repair, and the client's last questions.

Every choice is drawn from the trial's own random numbers, so that a trial can be played again by itself. What only
this trial can see (who wrote what when) is judged here; everything else is the oracle's business at the end of a run.
"""

import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from random import Random

from tests.crash.caller import Heard, Intent, ask, ask_and_leave
from tests.crash.intents import BEFORE, intent_for, key_at_the_bank, may_be_partial, wishes
from tests.crash.points import RETRY_KILLS, UNDER_WAY, Stage
from tests.crash.processes import Process
from tests.crash.scenario import Scenario
from tests.support.waiting import wait_until

ROUNDS = 60
"""Times a client or the recovery worker asks again before the trial says that the key never ends."""

PAUSE = 0.05


class Trial:
    """The trial `label` (`C6#3`), number `number` of its run, in a scenario."""

    def __init__(self, scenario: Scenario, stage: Stage, label: str, number: int, random: Random) -> None:
        self._scenario = scenario
        self._stage = stage
        self._random = random
        self._number = number
        self._label = label
        self.intents: list[Intent] = []
        self.violations: list[str] = []
        self.kills = 0
        self.recovery_seconds = 0.0
        self._helpers: list[Process] = []

    def play(self) -> None:
        """Play it through."""
        try:
            self._play()
        finally:
            for helper in self._helpers:  # each has connections: hundreds of trials would use up the database's
                helper.kill()

    def _play(self) -> None:
        intent = self._intent = self._want()
        self._arm(intent)
        if self._stage.stops:
            self._outlive()
        else:
            self._die()
        self._no_orphans("right after the death")
        died = time.monotonic()
        self._pester()
        if not self._stage.recover and self._random.random() < 0.3:
            self._die_again()
        if self._repair():
            self.recovery_seconds = time.monotonic() - died
            self._ask_again()

    def _want(self) -> Intent:
        """What the client wants; what must be before it the steady service has granted."""
        channel, kind = self._random.choice(wishes(self._stage))
        parent = None
        if before := BEFORE[channel, kind]:
            parent = intent_for(self._scenario.name, self._label, self._number, channel, before)
            self.intents.append(parent)
            granted = self._hear(self._scenario.steady, parent)
            assert granted is not None, f"the steady service did not answer:\n{self._scenario.log()}"
            assert granted.status in {200, 201}, granted.body
        whole = self._random.random() < 0.4
        intent = intent_for(self._scenario.name, self._label, self._number, channel, kind, parent=parent, whole=whole)
        intent.ends = self._stage.ends
        self.intents.append(intent)
        return intent

    def _arm(self, intent: Intent) -> None:
        """Arm the bank's faults for this operation alone. A bank that was told no key of ours would not know it."""
        for fault in self._stage.faults:
            bent = {"amount": str(intent.bent)} if fault.name == "wrong_amount" else {}
            self._scenario.simulator.arm(fault.name, gateway_key=key_at_the_bank(intent), **fault.scope, **bent)

    def _die(self) -> None:
        """The first process does its part and is killed."""
        stage, intent = self._stage, self._intent
        first = self._scenario.serve(
            stage.arm, without_gateway=stage.gateway_is_down, through_proxy=stage.cut is not None
        )
        if stage.cut and self._scenario.proxy:
            self._scenario.proxy.cut(*stage.cut)
        if stage.sleeps:
            self._die_beside_a_rival(first)
        elif stage.client_leaves:
            ask_and_leave(first.port, intent.request())
            wait_until(lambda: first.has_ended or self._is_final(), lambda: f"{self._label}: left and forgotten")
        else:
            self._hear(first, intent)
            self._has_come_by(first)
        first.kill()
        self.kills += 1

    def _has_come_by(self, first: Process) -> None:
        """A trial whose point was never reached has proved nothing."""
        if self._stage.arm.endswith("=kill") and first.wait() != signal.SIGKILL:
            self._violated(self._label, f"{self._stage.arm} was never reached")
        if self._stage.cut and self._scenario.proxy and not self._scenario.proxy.has_cut:
            self._violated(self._label, "no connection was cut")

    def _die_beside_a_rival(self, first: Process) -> None:
        with ThreadPoolExecutor(2) as threads:
            asked = [threads.submit(self._hear, first, self._intent)]
            time.sleep(self._random.uniform(0.02, 0.1))
            if self._random.random() < 0.7:
                asked.append(threads.submit(self._hear, self._scenario.steady, self._intent))
                time.sleep(self._random.uniform(0, 0.05))
            first.kill()
            for answer in asked:
                answer.result()

    def _outlive(self) -> None:
        """The first process is stopped, its lease ends, somebody else goes on; then it wakes up."""
        zombie = self._scenario.serve(self._stage.arm)
        with ThreadPoolExecutor(1) as thread:
            late = thread.submit(self._hear, zombie, self._intent)
            zombie.wait_until_stopped()
            self._scenario.tables.end_leases(self._intent.key_hash)
            if self._random.random() < 0.5:
                self._hear(self._scenario.steady, self._intent)
            else:
                self._scenario.recover()
            self._wake(zombie, late)
        zombie.kill()
        self.kills += 1

    def _wake(self, zombie: Process, late: "Future[Heard | None]") -> None:
        """Whatever it does now, it must write nothing, and answer what is stored, if anything is."""
        before, was_final = self._scenario.tables.about(self._intent.key_hash), self._is_final()
        while not late.done():  # it may pass the place where it stops more than once
            if zombie.is_stopped:
                zombie.resume()
            time.sleep(0.005)
        answer = late.result()
        if self._scenario.tables.about(self._intent.key_hash) != before:
            self._violated("S8", "an owner that had lost its lease wrote")
        if answer is None:
            self._violated("C15", "an owner that had lost its lease did not answer")
        elif answer.is_final != was_final:
            self._violated("C15", f"an owner that had lost its lease answered {answer.status} {answer.body!r}")

    def _pester(self) -> None:
        """While the key is unfinished: the worker leaves it alone, a repeat waits, another request is refused."""
        key = self._scenario.tables.key(self._intent.key_hash)
        if key is not None and self._random.random() < 0.3:
            self._recover()
        if key is None or self._random.random() < 0.6:
            return
        if self._intent.opens or may_be_partial(self._intent.kind):
            other = ask(self._scenario.steady.port, self._intent.request(amount=1))
            if other is None or other.status != 422 or other.json.get("code") != "idempotency_key_mismatch":
                self._violated("S7", f"another request under the same key got {other}")
        repeat = self._hear(self._scenario.steady, self._intent)
        if repeat and not repeat.is_final and repeat.retry_after is None:
            self._violated("L2", f"a repeat got {repeat.status} without Retry-After")

    def _die_again(self) -> None:
        """The first retry is killed, too."""
        self._scenario.tables.end_leases(self._intent.key_hash)
        retry = self._scenario.serve(self._random.choice(RETRY_KILLS))
        self._hear(retry, self._intent)
        retry.kill()
        self.kills += 1

    def _repair(self) -> bool:
        """Somebody brings the key to its end: the client, or the recovery worker. False where nobody wants to."""
        if self._stage.recover:
            self._scenario.tables.end_leases(self._intent.key_hash)
            if self._scenario.recover(self._stage.recover) == 0:
                self._violated("C18", "the recovery worker did not come by the point where it should die")
            self.kills += 1
        by_worker = self._stage.recover or self._random.random() < 0.4
        if by_worker and self._scenario.tables.key(self._intent.key_hash) is None and self._random.random() < 0.5:
            self._intent.ends = "nothing"  # the client gives up, and nothing of it is anywhere
            return False
        helper = self._scenario.steady if self._random.random() < 0.5 else self._helper()
        began = time.monotonic()
        for _ in range(2 if self._intent.ends == "review" else ROUNDS):
            self._scenario.tables.end_leases(self._intent.key_hash)
            if by_worker and self._scenario.tables.key(self._intent.key_hash):
                self._recover()
            else:
                self._hear(helper, self._intent)
            if self._is_final():
                return True
            if self._scenario.is_forgetful and time.monotonic() - began > UNDER_WAY and self._needs_a_person():
                self._intent.ends = "review"
                return True
            time.sleep(PAUSE)
        if self._intent.ends != "review":
            self._violated("L3", f"the key is not final after {ROUNDS} rounds")
        return True

    def _recover(self) -> None:
        if (status := self._scenario.recover()) != 0:
            self._violated("L3", f"the recovery worker ended with status {status}")

    def _ask_again(self) -> None:
        """More repeats, of two processes, also of what was refunded since: the bytes of the first final answer."""
        for process in (self._scenario.steady, self._helper()):
            for intent in self.intents:
                heard = self._hear(process, intent)
                if heard is None or (heard.is_final and not heard.replayed):
                    self._violated("S6", f"a repeat got {heard}, which is not marked as replayed")

    def _helper(self) -> Process:
        """A fresh process that lives as long as the trial does."""
        self._helpers.append(self._scenario.serve())
        return self._helpers[-1]

    def _hear(self, process: Process, intent: Intent) -> Heard | None:
        try:
            heard = ask(process.port, intent.request())
        except TimeoutError:
            self._violated("L1", "no answer in time")
            return None
        if heard:
            intent.heard.append(heard)
        return heard

    def _is_final(self) -> bool:
        key = self._scenario.tables.key(self._intent.key_hash)
        return key is not None and key["response_status"] is not None

    def _needs_a_person(self) -> bool:
        """Whether the bank knows nothing of it, and the service says so: it may not send it again."""
        key = self._scenario.tables.key(self._intent.key_hash)
        known = {effect["gateway_key"] for effect in self._scenario.ledger.effects()}
        return key is not None and bool(key["review_reason"]) and key["gateway_key"] not in known

    def _no_orphans(self, when: str) -> None:
        """S2: what the bank did was written down before it was asked."""
        known = {row["gateway_key"] for row in self._scenario.tables.operations()}
        for effect in self._scenario.ledger.effects():
            if effect["gateway_key"] not in known:
                self._violated("S2", f"{when}: the bank moved {effect['amount']} that no row knows of")

    def _violated(self, invariant: str, what: str) -> None:
        self.violations.append(f"{invariant} {self._label}: {what}")
