"""Webhooks beside charges: `python -m benchmarks.notices`. How much slower is a charge, and is a notice lost?

Clients charge at an even rate, in turns alone and while a gateway delivers 50 notices a second, each of a recent
charge, one in five of them twice. The worker runs. Ends with 1 if charges take more than BOUND times as long, or
if a notice is missing or not handled.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count
from statistics import median, quantiles

import requests
import sqlalchemy

from benchmarks.servers import MeasuredPostgres, Served, create, production, serve, token
from payment_service import clock
from simulator.stripe.webhooks import signature
from tests.support.processes import ROOT, Service
from tests.support.waiting import wait_until

BOUND = 1.3
NOTICES_A_SECOND, CHARGES_A_SECOND = 50, 20
TWICE = 5
"""Every so-many-th notice comes twice."""
CLIENTS = 8
SECRET = "whsec_of-the-benchmark-2f81-with-32-bytes"

SETTINGS = {
    "GATEWAY": "simulated",
    "GATEWAY_LATENCY_MS": "50",
    "STRIPE_API_KEY": "sk_test_benchmark",
    "STRIPE_WEBHOOK_SECRETS": SECRET,
    "ALLOW_STRIPE_TEST_MODE": "true",
    "STRIPE_READ_TIMEOUT": "6",
    "AUTH_OPEN_CHANNELS": "",
    "LOG_LEVEL": "WARNING",
}


class Caller:
    """Makes charges, and delivers notices, over connections that stay open."""

    def __init__(self, served: Served, keys: Callable[[], list[str]]) -> None:
        self._url, self._keys = f"http://127.0.0.1:{served.port}", keys
        self._numbers, self._here = count(1), threading.local()
        self._headers = {"Authorization": f"Bearer {token(scope='payments:service')}"}
        self.sent: set[str] = set()

    def charge(self) -> float:
        """Make one charge; return its milliseconds."""
        number = next(self._numbers)
        body = {"idempotency_key": f"bench-{number}", "trip_id": number, "method": "CARD", "amount": 150.0}
        began = time.perf_counter()
        answer = self._session().post(f"{self._url}/payments", json=body, headers=self._headers, timeout=30)
        took = (time.perf_counter() - began) * 1000
        if answer.status_code != 200:
            raise RuntimeError(answer.text)
        return took

    def tell(self, gateway_key: str) -> float:
        """Deliver one notice; return its milliseconds."""
        number = next(self._numbers)
        about = {"id": f"pi_{number}", "object": "payment_intent", "metadata": {"gateway_key": gateway_key}}
        about["description"] = "x" * 3000  # an intent of Stripe's has about three kilobytes
        event = {"id": f"evt_{number}", "type": "payment_intent.succeeded", "livemode": False}
        moment = int(clock.now().timestamp())
        body = json.dumps(event | {"created": moment, "data": {"object": about}}).encode()
        headers = {"Stripe-Signature": signature([SECRET], moment, body), "Content-Type": "application/json"}
        began = time.perf_counter()
        for _ in range(2 if number % TWICE == 0 else 1):
            answer = self._session().post(f"{self._url}/webhooks/stripe", data=body, headers=headers, timeout=30)
            if answer.status_code != 200:
                raise RuntimeError(answer.text)
        self.sent.add(f"evt_{number}")
        return (time.perf_counter() - began) * 1000

    def turn(self, seconds: float, *, with_notices: bool) -> tuple[list[float], list[float]]:
        """Return the milliseconds of the charges, and of the notices, of some seconds."""
        keys = self._keys() if with_notices else []
        with ThreadPoolExecutor(CLIENTS) as clients, ThreadPoolExecutor(CLIENTS) as gateway:
            charges = [
                clients.submit(_at, each / CHARGES_A_SECOND, time.perf_counter(), self.charge)
                for each in range(int(seconds * CHARGES_A_SECOND))
            ]
            told = [
                gateway.submit(_at, each / NOTICES_A_SECOND, time.perf_counter(), self.tell, keys[each % len(keys)])
                for each in range(int(seconds * NOTICES_A_SECOND) if keys else 0)
            ]
            return [each.result() for each in charges], [each.result() for each in told]

    def _session(self) -> requests.Session:
        if not hasattr(self._here, "session"):
            self._here.session = requests.Session()
        session: requests.Session = self._here.session
        return session


def _at(moment: float, began: float, work: Callable[..., float], *words: str) -> float:
    time.sleep(max(0.0, began + moment - time.perf_counter()))
    return work(*words)


def main() -> int:
    """Measure and print the ratio; return 1 if it is above BOUND or a notice is lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4, help="pairs of turns, each in the other order")
    parser.add_argument("--seconds", type=float, default=10, help="of each turn")
    asked = parser.parse_args()
    with ExitStack() as stack:
        postgres = stack.enter_context(closing(MeasuredPostgres()))
        url = create(postgres, "notices")
        settings = production(url, **SETTINGS)
        served = stack.enter_context(serve("here", "wsgi:app", ROOT, **settings))
        command = (sys.executable, "-m", "flask", "--app", "wsgi", "recover", "--loop")
        stack.enter_context(closing(Service(*command, settings=settings)))
        engine = sqlalchemy.create_engine(url)
        stack.callback(engine.dispose)

        def ask(statement: str) -> list[str]:
            with engine.connect() as connection:
                return list(connection.execute(sqlalchemy.text(statement)).scalars())

        caller = Caller(served, lambda: ask("SELECT gateway_key FROM idempotency_keys ORDER BY key_id DESC LIMIT 500"))
        caller.turn(3, with_notices=False)
        ratios = [_pair(served, caller, asked.seconds, round_ % 2 == 1) for round_ in range(asked.rounds)]
        kept = set(ask("SELECT event_id FROM gateway_notices"))
        wait_until(lambda: not ask("SELECT 1 FROM gateway_notices WHERE due_at IS NOT NULL"), patience=60)
    lost = len(caller.sent - kept)
    print(f"{len(caller.sent)} notices, {lost} lost; charges take {median(ratios):.2f} times as long beside them")
    return 1 if lost or median(ratios) > BOUND else 0


def _pair(served: Served, caller: Caller, seconds: float, beside_first: bool) -> float:
    """Return the median time of a charge beside notices as a multiple of that alone."""
    turns, used = {}, {}
    for each in (beside_first, not beside_first):
        before = served.cpu()
        turns[each] = caller.turn(seconds, with_notices=each)
        used[each] = served.cpu() - before
    (alone, _), (beside, told) = turns[False], turns[True]
    for name, found in (("charges alone", alone), ("charges beside notices", beside), ("notices", told)):
        print(f"  {name}: {len(found)}, median {median(found):.1f} ms, 95 % {quantiles(found, n=20)[-1]:.1f} ms")
    a_charge = used[False] / len(alone)
    a_notice = (used[True] - a_charge * len(beside)) / len(told)
    print(f"  CPU of the service: {a_charge * 1000:.1f} ms a charge, {a_notice * 1000:.1f} ms a notice")
    return median(beside) / median(alone)


if __name__ == "__main__":
    sys.exit(main())
