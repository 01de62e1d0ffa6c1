"""Clients that pay all the time and never give up, for deaths that come from outside at any moment."""

import threading
import time
from collections.abc import Callable
from itertools import count

from tests.crash.caller import Intent, ask
from tests.crash.intents import intent_for


class Load:
    """So many clients of the service on `port`, each paying one trip after the other, every one until it is paid."""

    patience = 30.0
    """Seconds a client keeps asking for one payment: longer than any lease in a test."""

    def __init__(self, name: str, port: int, clients: int) -> None:
        self._name = name
        self._port = port
        self._numbers = count()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._pay_and_pay) for _ in range(clients)]
        self.intents: list[Intent] = []
        self.refused = 0

    def during(self, happen: Callable[[], None]) -> list[Intent]:
        """Pay while `happen()` runs, then complete all payments; return all wishes."""
        for thread in self._threads:
            thread.start()
        try:
            happen()
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()
        return self.intents

    @property
    def paid(self) -> int:
        """How many payments have come to their end so far."""
        return sum(bool(intent.finals) for intent in list(self.intents))

    def _pay_and_pay(self) -> None:
        while not self._stop.is_set():
            number = next(self._numbers)
            intent = intent_for(self._name, f"load#{number}", number, "trips", "charge")
            self.intents.append(intent)
            deadline = time.monotonic() + self.patience
            while not intent.finals and time.monotonic() < deadline:
                self._ask(intent)

    def _ask(self, intent: Intent) -> None:
        heard = ask(self._port, intent.request())
        if heard is not None:
            intent.heard.append(heard)
        if heard is None or not heard.is_final:
            self.refused += 1
            time.sleep(0.05)
