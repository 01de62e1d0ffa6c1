"""The clients of a run: each plays its stories in turn and repeats every wish until it has its final answer."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock

from tests.crash.caller import Heard, Intent, ask
from tests.crash.intents import key_at_the_bank
from tests.crash.keyless import GOES_BACK
from tests.torture.stories import NEVER, Step, Story
from tests.torture.system import System

PATIENCE = 120.0
"""Seconds a client keeps asking for one wish: longer than any lease, and any failure of the service meanwhile."""

PAUSE = 0.05


class Clients:
    """All clients of a run: their wishes, the answers they heard, and the violations they found. Safe to share between
    threads.
    """

    def __init__(self, system: System, late: Callable[[], bool]) -> None:
        self._system = system
        self._late = late
        self._lock = Lock()
        self.stories: list[Story] = []
        self.violations: list[str] = []
        self.answers: Counter[str] = Counter()
        self.slowest = 0.0

    @property
    def intents(self) -> list[Intent]:
        """All wishes of all clients."""
        return [intent for story in self.stories for intent in story.intents]

    def play(self, story: Story) -> None:
        """Live through a story, unless it is too late to begin one."""
        if self._late():
            return
        with self._lock:
            self.stories.append(story)
        for step in story.steps():
            if not self._pursue(step):
                self._violated("L3", step.intent, f"has no final answer after {PATIENCE:g} s")
                return
            renamed = step.renamed < NEVER
            if step.again:
                self._ask(step.intent, renamed=renamed)
            if step.other:
                self._ask_for_something_else(step.intent, renamed=renamed)
            if story.look:
                self._look(story, step.intent, renamed=renamed)
        self._system.come_to_pass(story)

    def ask_all_again(self, threads: int) -> None:
        """S6, at the end: repeat every key, also those of payments captured or refunded since.

        Each of them under both subjects that its caller has had.
        """
        keyed = [intent for intent in self.intents if intent.key]
        with ThreadPoolExecutor(threads) as pool:
            for renamed in (False, True):
                list(pool.map(partial(self._ask, renamed=renamed), keyed))

    def _pursue(self, step: Step) -> bool:
        """Ask until there is a final answer; where a repeat would be another payment, only once."""
        intent, began, asked = step.intent, time.monotonic(), 0
        self._arm(step)
        if step.twice:
            with ThreadPoolExecutor(2) as threads:
                list(threads.map(lambda number: self._ask(intent, renamed=number >= step.renamed), range(2)))
            asked = 2
            self._system.let_customer_act(step)
        while not intent.finals and not (intent.asks_once and asked):
            if time.monotonic() > began + PATIENCE:
                return False
            self._ask(intent, renamed=asked >= step.renamed)
            asked += 1
            if not intent.finals:
                self._system.let_customer_act(step)
                time.sleep(PAUSE)
        if step.may_be_declined and self._system.has_declined(intent):
            intent.ends = "declined"
        with self._lock:
            self.slowest = max(self.slowest, time.monotonic() - began)
        return True

    def _arm(self, step: Step) -> None:
        """Arm the bank's faults for this wish alone: by its key; where it has none, by its amount."""
        intent = step.intent
        if step.fault and not intent.asks_once:
            self._system.arm(step.fault, gateway_key=key_at_the_bank(intent))
        elif step.fault:
            self._system.arm(step.fault, kind=intent.kind, asked=str(intent.amount))
        if step.back:
            self._system.arm(step.back, kind=GOES_BACK[intent.kind], asked=str(intent.amount))

    def _ask(self, intent: Intent, *, renamed: bool) -> None:
        """Send one request, at any of the ports; where it is refused for its state, the wish was granted unheard."""
        if heard := self._hear(intent.request(renamed=renamed)):
            intent.heard.append(heard)

    def _hear(self, request: bytes) -> Heard | None:
        try:
            heard = ask(self._system.any_port(), request)
        except TimeoutError:  # stopped where it stood; a client hangs up at last, and comes back
            heard = None
        with self._lock:
            self.answers[str(heard.status) if heard else "none"] += 1
        return heard

    def _ask_for_something_else(self, intent: Intent, *, renamed: bool) -> None:
        """S7: the key stands for what was asked under it first, in every state."""
        if "amount" not in intent.fields:
            return
        other = self._hear(intent.request(renamed=renamed, amount=1))
        if other is None or not other.is_final:
            return  # no client was there to judge
        if other.status != 422 or other.json.get("code") != "idempotency_key_mismatch":
            self._violated("S7", intent, f"another request under the same key got {other.status} {other.body!r}")

    def _look(self, story: Story, intent: Intent, *, renamed: bool) -> None:
        """S17: a confirmed payment can be read."""
        heard = self._hear(look_at(story, intent.new_token if renamed else intent.token))
        if heard and heard.is_final and heard.status != 200:
            self._violated("S17", intent, f"the payment of a final answer reads as {heard.status} {heard.body!r}")

    def _violated(self, invariant: str, intent: Intent, what: str) -> None:
        with self._lock:
            self.violations.append(f"{invariant} {intent.label} {intent.channel} {intent.kind}: {what}")


def look_at(story: Story, token: str | None) -> bytes:
    """Return the request that reads a story's payment."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {story.look} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\r\n".encode()


def all_of(clients: Clients, stories: list[Story], threads: int, done: Callable[[], None]) -> None:
    """Play all the stories with so many clients; `done()` after each. An exception in a client is raised here."""

    def play(story: Story) -> None:
        clients.play(story)
        done()

    with ThreadPoolExecutor(threads) as pool:
        for played in [pool.submit(play, story) for story in stories]:
            played.result()
