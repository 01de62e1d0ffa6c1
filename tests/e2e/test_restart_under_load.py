"""An instance restarts or dies under load: one repeat always succeeds, and nothing happens twice."""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, Self

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.support.deployed import PATIENCE as SETTINGS
from tests.support.deployed import Deployed
from tests.support.postgres import Postgres
from tests.support.waiting import wait_until

DATABASE = "payments_deployed"
CLIENTS = 6
NOT_SERVED = {502, 503, 504}
UNDER_WAY = {202, 409}
"""Not refused: an owner works on the key, or did until it was killed, and the answer says when to ask again."""
PATIENCE = 2 * float(SETTINGS["LEASE_SECONDS"])
"""The longest time of these answers: the dead owner's lease, and the takeover."""


class FromAddress(HTTPAdapter):
    """A client with its own address, as the proxy's limits are for each address."""

    def __init__(self, number: int) -> None:
        self._address = f"127.0.0.{number + 2}"
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Bind the connections."""
        super().init_poolmanager(*arguments, source_address=(self._address, 0), **options)


class Customers:
    """Clients that pay and ask for a part back, without pause; they repeat a failed request once, with the same key.

    Beside that one repeat they only ask again when an answer says that the key is in progress, and for a limited time.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.done: list[str] = []
        self.repeated: list[str] = []
        self.refused: list[str] = []
        self.under_way: Counter[str] = Counter()
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._shop, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int) -> None:
        """Return when so many more requests have been answered."""
        target = len(self.done) + more
        wait_until(lambda: len(self.done) >= target or self.refused)

    def _shop(self, client: int) -> None:
        with requests.Session() as session:
            session.mount("http://", FromAddress(client))
            for number in count():
                if self._enough.is_set():
                    return
                key = f"{client}-{number}"
                paid = self._ask(session, key, "/payments", trip_id=client + 1, method="CARD", amount="1.50")
                if paid and number % 3 == 0:
                    self._ask(session, f"{key}-back", f"/payments/{paid['payment_id']}/refunds", amount="0.50")

    def _ask(self, session: requests.Session, key: str, path: str, **body: object) -> dict[str, Any] | None:
        """Return the final answer; None where the one repeat was refused as well, or the key stays in progress."""
        tries, until = 0, time.monotonic() + PATIENCE
        while True:
            status, wait, said = self._send(session, path, {"idempotency_key": key, **body})
            if status == 200:
                self.done.append(key)
                return said
            if status in UNDER_WAY and time.monotonic() < until:
                self.under_way[key] += 1
            elif status in NOT_SERVED and not tries:
                tries += 1
                self.repeated.append(key)
            else:
                self.refused.append(f"{key}: {status} {said}")
                return None
            time.sleep(wait)

    def _send(self, session: requests.Session, path: str, body: dict[str, object]) -> tuple[int, float, dict[str, Any]]:
        try:
            answer = session.post(self.url + path, json=body, timeout=10)
        except requests.ConnectionError:
            return 502, 1.0, {}
        return answer.status_code, float(answer.headers.get("Retry-After", "1")), answer.json()


@pytest.fixture
def deployed(postgres: Postgres, tmp_path: Path) -> Iterator[Deployed]:
    with closing(Deployed(postgres, DATABASE, tmp_path)) as deployed:
        yield deployed


def test_instance_restarted_or_killed_under_load_needs_at_most_one_repeat(
    deployed: Deployed, postgres: Postgres
) -> None:
    restarted, other = deployed.instances
    with Customers(deployed.url) as customers:
        customers.wait_for(30)
        restarted.stop()
        customers.wait_for(30)
        restarted.start()
        deployed.wait_until_it_answers(restarted)
        at_a_stop = dict(customers.under_way)
        restarted.kill()
        customers.wait_for(30)

    assert customers.refused == []
    assert at_a_stop == {}, "who is told to stop finishes what it has begun"
    assert deployed.answered_by(other) > 60
    assert len(customers.done) == len(set(customers.done)) >= 90
    each_key_moved_money_once(deployed, postgres, customers)
    every_event_arrived_in_order(deployed, postgres)


def each_key_moved_money_once(deployed: Deployed, postgres: Postgres, customers: Customers) -> None:
    gateway_keys = dict(told(postgres, "SELECT key_hash, gateway_key FROM idempotency_keys"))
    moved = deployed.bank.count()
    for key in customers.done:
        assert moved[gateway_keys[hashlib.sha256(key.encode()).hexdigest()]] == 1, key
    assert len(moved) == moved.total() == len(customers.done)


def every_event_arrived_in_order(deployed: Deployed, postgres: Postgres) -> None:
    waiting = "SELECT count(*) FROM outbox_deliveries WHERE status <> 'DELIVERED'"
    wait_until(lambda: told(postgres, waiting) == [(0,)], deployed.relay.last_words)
    events = "SELECT payment_id, event_id::text FROM outbox_deliveries"
    expected = told(postgres, f"{events} ORDER BY payment_id, version")
    heard = [(json.loads(each.body)["payment_id"], each.headers["Webhook-Id"]) for each in deployed.receiver.taken]
    assert len(expected) >= 90
    assert sorted(heard, key=lambda each: each[0]) == expected, "each once; what is equal keeps its order"


def told(postgres: Postgres, statement: str) -> list[Any]:
    """Return the rows from PostgreSQL itself."""
    with closing(postgres.connect(DATABASE)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()
