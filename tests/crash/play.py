"""The parts of every trial: a wish and its preconditions, helpers, and the violations."""

import time
from random import Random

from tests.crash.caller import Heard, Intent, ask
from tests.crash.comparisons import owner_of
from tests.crash.intents import BEFORE, intent_for, key_at_the_bank, wishes
from tests.crash.processes import Process
from tests.crash.scenario import Scenario
from tests.crash.stages import Stage

ROUNDS = 60
"""Times a client or the recovery worker asks again before the trial says that the key never ends."""

PAUSE = 0.05
TRIES = 4
"""Times a process that is to die is sent to its place: on a busy machine the bank may seem silent before it."""


class Play:
    """The trial `label` (`C6#3`), number `number` of its run, in a scenario."""

    _intent: Intent

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
        self._first: Process | None = None
        self._renames = random.random() < 0.5

    def _want(self) -> Intent:
        """Return the client's wish; the steady service has granted its preconditions."""
        channel, kind = self._random.choice(wishes(self._stage))
        parent = None
        if before := BEFORE[channel, kind]:
            parent = intent_for(self._scenario.name, self._label, self._number, channel, before)
            self.intents.append(parent)
            self._be_granted(parent)
        whole = self._random.random() < 0.4
        intent = intent_for(self._scenario.name, self._label, self._number, channel, kind, parent=parent, whole=whole)
        intent.ends, intent.news = self._stage.ends, self._stage.news
        self.intents.append(intent)
        return intent

    def _be_granted(self, parent: Intent) -> None:
        """Ask the steady service as often as it takes: on a busy machine the bank may seem silent."""
        granted: Heard | None = None
        for _ in range(ROUNDS):
            granted = self._hear(self._scenario.steady, parent)
            if granted is not None and granted.is_final:
                break
            self._scenario.tables.end_leases(parent.key_hash)
            time.sleep(PAUSE)
        assert granted is not None, f"the steady service did not answer:\n{self._scenario.log()}"
        assert granted.status in {200, 201}, granted.body

    def _arm(self, intent: Intent) -> None:
        """Arm the bank's faults for this operation alone. A bank that does not know the key ignores the fault."""
        for fault in self._stage.faults:
            bent = {"amount": str(intent.bent)} if fault.name == "wrong_amount" else {}
            self._scenario.simulator.arm(fault.name, gateway_key=key_at_the_bank(intent), **fault.scope, **bent)

    def _hurry(self) -> None:
        """End the leases of the trial's operation."""
        self._scenario.tables.end_leases(self._intent.key_hash)

    def _recover(self) -> None:
        if (status := self._scenario.recover()) != 0:
            self._violated("L3", f"the recovery worker ended with status {status}: {self._scenario.log()[-400:]}")

    def _helper(self) -> Process:
        """Return a fresh process that lives as long as the trial does."""
        self._helpers.append(self._scenario.serve())
        return self._helpers[-1]

    def _hear(self, process: Process, intent: Intent) -> Heard | None:
        """Ask as the old subject at the first process, and as the new one later, if the caller is renamed."""
        renamed = self._renames and self._first not in {None, process}
        try:
            heard = ask(process.port, intent.request(renamed=renamed))
        except TimeoutError:
            self._violated("L1", "no answer in time")
            return None
        if heard:
            intent.heard.append(heard)
        return heard

    def _is_final(self) -> bool:
        key = self._scenario.tables.key(self._intent.key_hash)
        return key is not None and key["response_status"] is not None

    def _no_orphans(self, when: str) -> None:
        """Check S2: the service committed each gateway request before it sent it."""
        known = {row["gateway_key"] for row in self._scenario.tables.operations()}
        for effect in self._scenario.ledger.effects():
            if owner_of(effect["gateway_key"]) not in known:
                self._violated("S2", f"{when}: the bank moved {effect['amount']} that no row knows of")

    def _violated(self, invariant: str, what: str) -> None:
        self.violations.append(f"{invariant} {self._label}: {what}")
