"""`python -m tests.support.refusals --requests 100000 --seed N`: malformed requests by the hundred thousand.

With `--cards`, requests with card data in odd places instead.

The service must answer each at once, without a 5xx, reveal nothing of the inside, and leave no row. Prints JSON lines
for each database: seed, requests, statuses, the slowest answer, how much memory grew; the first fault ends it.
"""

import argparse
import json
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import SystemRandom
from urllib.parse import unquote

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from payment_service import create_app
from payment_service.config import Settings
from payment_service.db import metadata
from payment_service.domain.cards import contains_card_number
from payment_service.services.dependencies import Dependencies
from tests.conftest import empty, fresh_database, migrate
from tests.support.callers import pay_bill, pay_trip
from tests.support.card_places import card_data
from tests.support.gateways import LedgerGateway
from tests.support.malformed import Case, Route, malformed
from tests.support.nasty import NOWHERE
from tests.support.postgres import start_postgres
from tests.support.tokens import SECRET, bearer

SLOWEST = 1.0
"""Seconds that an answer may take."""
CHAPTER = 5000
"""Requests between two lines of a report."""
PAID = 2
"""The payments made before, so that there is something to be changed."""
LOOKS = 250
"""Requests after which the rows are counted."""
LEAKS = re.compile(
    "|".join(
        map(
            re.escape,
            (
                # a trace, what raised it, and where it lies
                "Traceback", "Error(", "Exception", "object at 0x", ".py", "payment_service/", "site-packages",
                "/home/", "/root", "/usr/", "/var/", "/dev/", "/app/",
                # libraries, servers and their versions
                "psycopg2", "sqlalchemy", "sqlite3", "werkzeug", "marshmallow", "flask_", "jinja2", "PyJWT", "urllib3",
                "HTTPConnectionPool", "gunicorn", "nginx/", "Python/",
                # statements, tables, and what databases say of them
                "SELECT ", "INSERT ", "UPDATE ", "DELETE FROM", "idempotency_hash", "payment_refunds",
                "outbox_deliveries", "reservations", "timers", "watermarks", "key_hash", "leased_until",
                "DETAIL:", "HINT:", "LINE 1", "violates", "constraint", "duplicate key", "invalid input syntax",
                "out of range for type", "database is locked", "OperationalError", "IntegrityError", "DataError",
                # the addresses and paths of everything
                "postgresql:", "postgres:", "sqlite:", "amqp:", "connection to server", "Connection refused",
                "127.0.0.1", ":5432",
                # a card number
                "4111111111111111", "4111 1111",
            ),
        )
    )
)  # fmt: skip
"""The texts that no error may contain."""


@dataclass
class Trial:
    """Malformed requests to one app, and what came of them."""

    app: Flask
    seed: str
    make: Callable[[str, int, Sequence[Route]], Case] = malformed
    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0

    def __post_init__(self) -> None:
        self._runtime: Dependencies = self.app.extensions["payment_service"]
        # Not the client that judges: answers no description knows, as to a malformed Host, are what is looked for.
        self._client = FlaskClient(self.app, use_cookies=False)
        self._served = list(routes(self.app))
        self._before: dict[str, int] | None = None

    def run(self, requests: int) -> None:
        """Send so many more; AssertionError for the first that is not refused as it should be."""
        if self._before is None:
            pay_trip(self._client)
            pay_bill(self._client)
            self._client.get("/api/payments", headers=bearer())  # a subject's first sight is remembered, and rightly so
            self._before = rows(self._runtime)
        first = self.kinds.total()
        for number in range(first, first + requests):
            self._try(number)
            if number % LOOKS == LOOKS - 1 or number == first + requests - 1:
                after = rows(self._runtime)
                where = f"seed {self.seed}, after case {number - number % LOOKS}"
                assert after == self._before, f"{where}: {self._before} became {after}"

    def _try(self, number: int) -> None:
        case = self.make(self.seed, number, self._served)
        answer, seconds = timed(self._client, case)
        found = list(faults(case, answer, seconds))
        assert not found, (
            f"seed {self.seed}, case {number}: {'; '.join(found)}\n{case!r:.1500}\n{answer.status} {answer.text[:500]}"
        )
        self.kinds[case.what] += 1
        self.statuses[answer.status_code] += 1
        self.slowest = max(self.slowest, seconds)


def routes(app: Flask) -> Iterator[Route]:
    """Yield everything that is served, with the name of no payment in every path."""
    for rule in app.url_map.iter_rules():
        names = {
            name: "00000000-0000-4000-8000-000000000000"
            if "UUID" in type(rule._converters[name]).__name__
            else str(NOWHERE)
            for name in rule.arguments
        }
        public = app.extensions["access"][rule.endpoint.rpartition(".")[0]].is_public
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            yield Route(method, rule.rule, names, seldom=public)


def timed(client: FlaskClient, case: Case) -> tuple[TestResponse, float]:
    """The answer to a case and the seconds it took; those of a second try where a busy machine may have taken them."""
    answer, seconds = _once(client, case)
    return (answer, seconds) if seconds <= SLOWEST else _once(client, case)


def _once(client: FlaskClient, case: Case) -> tuple[TestResponse, float]:
    began = time.perf_counter()
    return send(client, case), time.perf_counter() - began


def send(client: FlaskClient, case: Case) -> TestResponse:
    """Return the answer to a case."""
    return client.open(
        case.path,
        method=case.method,
        query_string=case.query,
        data=case.body,
        content_type=case.content_type,
        headers=dict(case.headers),
        environ_overrides=dict(case.environ),
    )


def faults(case: Case, answer: TestResponse, seconds: float) -> Iterator[str]:
    """Yield an answer's faults."""
    status = answer.status_code
    if status >= 500:
        yield f"{status}"
    if seconds > SLOWEST:
        yield f"{seconds:.1f} s"
    if case.refused and not 400 <= status < 500:
        yield f"{status}, and not refused"
    if 400 <= status < 500 and case.method != "HEAD" and answer.mimetype != "text/html":
        body = answer.get_json(silent=True)
        if not isinstance(body, dict) or not body.get("code") or set(body.get("retry", ())) != {"safe", "key", "after"}:
            yield "an error without code and advice"
    said = answer.text + str(answer.headers)
    for name in case.path.split("/"):  # some documents' "not found" repeats what was looked for
        said = said.replace(unquote(name), "") if name else said
    yield from (f"says {leak!r}" for leak in set(LEAKS.findall(said)))
    if case.what.startswith("card") and any(contains_card_number(value) for value in answer.headers.values()):
        yield "a card number in a header"
    if not said.isascii() and any(not value.isascii() for value in answer.headers.values()):
        yield "a header that no server can send"


def rows(deps: Dependencies) -> dict[str, int]:
    """Return how many rows every table has."""
    with deps.database.reading() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }


def main() -> None:
    """Read the arguments, and try on each database."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.refusals", description="Send what no document knows."
    )
    parser.add_argument("--requests", type=int, default=100_000, help="in total, half of them on each database")
    parser.add_argument("--seed", default=str(SystemRandom().randrange(10**9)))
    parser.add_argument("--cards", action="store_true", help="card data in odd places")
    given = parser.parse_args()
    make = card_data if given.cards else malformed
    with ExitStack() as stack:
        server = start_postgres()
        stack.callback(server.close)
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="malformed-"))
        for name, url in (
            ("postgresql", fresh_database(server, "malformed")),
            ("sqlite", f"sqlite:///{home}/payments.db"),
        ):
            if name == "sqlite":
                migrate(url)
            _report(name, url, given.seed, given.requests // 2, make)


def _report(
    name: str, url: str, seed: str, requests: int, make: Callable[[str, int, Sequence[Route]], Case] = malformed
) -> None:
    settings = Settings(database_url=url, log_level="CRITICAL", jwt_secret_key=SECRET)
    gateway = LedgerGateway()
    trial = Trial(create_app(settings, gateway=gateway), seed, make)
    empty(trial.app.extensions["payment_service"].database)
    began, kept = time.monotonic(), 0
    while trial.kinds.total() < requests:
        trial.run(min(CHAPTER, requests - trial.kinds.total()))
        assert len(gateway.sent) == PAID, "the gateway heard of more than what was paid at first"
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        kept = kept or resident  # after the first chapter: objects made once and kept
        line = {"database": name, "seed": seed, "requests": trial.kinds.total(), "faults": 0}
        line |= {"slowest": round(trial.slowest, 3), "statuses": dict(sorted(trial.statuses.items()))}
        line |= {"seconds": round(time.monotonic() - began, 1), "kilobytes_more": resident - kept}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
