"""After a restore numbers were given again: the old holder of payment 2 refunded another trip's payment 2.

Release 1.0.0 had no step after a restore: only `verify`, at night, reported the payments that the backup had lost.
"""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from uuid import UUID
from zlib import crc32

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text, update

from payment_service import clock, create_app
from payment_service.config import Settings
from payment_service.delivery.base import Delivered
from payment_service.delivery.relay import Relay
from payment_service.domain.errors import GatewayUnavailable
from payment_service.domain.operations import Kind
from payment_service.models import timers
from payment_service.repositories import restores
from payment_service.services import restore
from payment_service.services.expiry import expire
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of, migrate
from tests.support.backups import Archived, SavedFile, after_restore
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import recover_all
from tests.support.desk import Desk
from tests.support.gateways import LedgerGateway
from tests.support.orders import change_order, create_order, paid
from tests.support.postgres import ThrowawayPostgres
from tests.support.relays import ScriptedSink, drain

SINK = {"trip_notification_service_url": "http://127.0.0.1:9"}
NAME = "trip_notification"
GAP = 1000


def charge(client: FlaskClient, key: str) -> int:
    return trip_id_of(pay_trip(client, idempotency_key=key, trip_id=crc32(key.encode())))


def next_numbers(said: Result) -> dict[str, int]:
    parts = (line.split(": the next number is ") for line in said.stdout.splitlines() if "next number" in line)
    return {table: int(number) for table, number in parts}


@pytest.fixture
def app(make_app: MakeApp, database_url: str) -> Flask:
    """Return a service that connects as the owner of the tables, as the command must."""
    return make_app(database_url=database_url.replace("payments_app", "payments_owner"), **SINK)


class Drill:
    """A database that is put back to an earlier state: 3 charges before, 8 charges and 2 refunds after."""

    def __init__(self, make: Callable[[], Flask], gateway: LedgerGateway) -> None:
        self._make = make
        self.gateway = gateway
        self.start()
        self.sink = ScriptedSink(lambda delivery: Delivered(), NAME)
        self.before: dict[str, int] = {}
        self.lost: dict[str, int] = {}

    def start(self) -> None:
        """Start a new process, as it were."""
        self.app = self._make()
        self.client = self.app.test_client()

    def stop(self) -> None:
        dependencies_of(self.app).database.engine.dispose()

    def begin(self) -> None:
        """Make the charges that the backup has; the outcome of the last one is not known yet."""
        self.before = {key: charge(self.client, key) for key in ("old-1", "old-2")}
        self.gateway.script.append(self.gateway.lose_answer)
        assert pay_trip(self.client, idempotency_key="open", trip_id=77).status_code == 202

    def go_on(self) -> None:
        """Continue after the backup: it lacks these payments, and receivers hear of all of them."""
        self.lost = {f"new-{n}": charge(self.client, f"new-{n}") for n in range(80)}
        assert refund_trip(self.client, self.before["old-1"], idempotency_key="r-old", amount=10).status_code == 200
        assert refund_trip(self.client, self.lost["new-0"], idempotency_key="r-new", amount=10).status_code == 200
        drain(Relay(dependencies_of(self.app).database, self.sink))

    def judge(self) -> None:
        """Check everything that must hold after the restore."""
        events = {delivery.event_id for delivery in self.sink.offered}
        said = after_restore(self.app, "--gap", str(GAP))
        assert said.exit_code == 1, said.output
        lost = [line for line in said.stdout.splitlines() if line.startswith(("not_here", "elsewhere"))]
        assert sum("charge of 150.00 INR" in line for line in lost) == 80
        assert sum("refund of 10.00 INR" in line for line in lost) == 2
        numbers = next_numbers(said)
        assert min(numbers[table] for table in ("payments", "payment_refunds", "transactions")) > GAP
        self.strangers_stay_strangers()
        self.callers_repeat()
        recover_all(dependencies_of(self.app))
        assert list(verify(dependencies_of(self.app))) == []
        assert after_restore(self.app, "--gap", "0").exit_code == 0
        self.events_keep_their_ids(events)

    def strangers_stay_strangers(self) -> None:
        """Check that no number is given twice, and that callers' numbers of lost payments lead nowhere."""
        taken = set(self.before.values()) | set(self.lost.values())
        assert not taken & {charge(self.client, f"stranger-{n}") for n in range(10)}
        answer = refund_trip(self.client, self.lost["new-0"], idempotency_key="r-new", amount=10)
        assert (answer.status_code, answer.get_json()["code"]) == (400, "payment_not_found")
        assert self.client.get(f"/payments/{self.lost['new-7']}").status_code == 404

    def callers_repeat(self) -> None:
        """Check that every repeat is answered, and moves nothing."""
        charges, refunds = self.gateway.count(Kind.CHARGE), self.gateway.count(Kind.REFUND)
        assert {key: charge(self.client, key) for key in self.before} == self.before
        again = {key: charge(self.client, key) for key in self.lost}
        assert not set(again.values()) & set(self.lost.values())
        assert refund_trip(self.client, self.before["old-1"], idempotency_key="r-old", amount=10).status_code == 200
        assert refund_trip(self.client, again["new-0"], idempotency_key="r-new", amount=10).status_code == 200
        assert (self.gateway.count(Kind.CHARGE), self.gateway.count(Kind.REFUND)) == (charges, refunds)

    def events_keep_their_ids(self, known: set[UUID]) -> None:
        """Check that the relay sends the backup's waiting events again under the ids that receivers know."""
        heard = len(self.sink.offered)
        drain(Relay(dependencies_of(self.app).database, self.sink))
        survivor = self.before["old-2"]
        repeated = [each for each in self.sink.offered[heard:] if json.loads(each.body)["payment_id"] == survivor]
        assert [each.event_id in known for each in repeated] == [True]


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
def test_k4_restored_file_uses_no_number_twice(
    make_app: MakeApp, gateway: LedgerGateway, database_url: str, tmp_path: Path
) -> None:
    drill = Drill(lambda: make_app(**SINK), gateway)
    drill.begin()
    saved = SavedFile(drill.app, database_url, tmp_path)
    drill.go_on()
    saved.restore()
    drill.start()
    drill.judge()


def test_k4_restored_server_uses_no_number_twice(gateway: LedgerGateway) -> None:
    """A base backup and the archived log, up to a moment in time."""
    with closing(ThrowawayPostgres()) as server:
        url = server.create_database("drill")
        migrate(url)
        archived = Archived(server)
        settings = Settings(database_url=url, log_level="ERROR", trip_notification_service_url="http://127.0.0.1:9")
        drill = Drill(lambda: create_app(settings, gateway=gateway), gateway)
        drill.begin()
        archived.mark("backed_up")
        drill.go_on()
        drill.stop()
        archived.lose_the_server()
        archived.restore("backed_up")
        drill.start()
        drill.judge()
        drill.stop()


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
def test_k4_payment_that_was_charged_after_the_backup_is_not_cancelled(
    make_app: MakeApp, gateway: LedgerGateway, database_url: str, tmp_path: Path
) -> None:
    """In the back-up it waits for its caller, longer than a payment may. The worker cancelled it."""
    app = make_app()
    client, deps = app.test_client(), dependencies_of(app)
    number = paid(create_order(client, None))["payment_id"]
    with deps.database.atomic("test") as connection:
        connection.execute(update(timers).values(due_at=clock.now() - timedelta(days=2)))
    saved = SavedFile(app, database_url, tmp_path)
    paid(change_order(client, number, "COMPLETED"), 200)
    saved.restore()
    assert after_restore(app, "--gap", str(GAP)).exit_code == 1
    expire(deps)
    paid(change_order(client, number, "COMPLETED"), 200)
    assert gateway.count(Kind.CHARGE) == 1


def test_k4_later_run_starts_at_the_moment_of_the_first(
    app: Flask, client: FlaskClient, gateway: LedgerGateway
) -> None:
    """A charge after the restore moved the beginning of the search, and what was lost was no longer found."""
    charge(client, "before")
    Desk(client, gateway, dependencies_of(app)).entry("v1-lost", created_at=clock.now() - timedelta(minutes=50))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(restore, "IN_FLIGHT", timedelta(hours=1))
        assert after_restore(app, "--gap", "0").exit_code == 1
        patch.setattr(restore, "IN_FLIGHT", timedelta(0))
        charge(client, "after")
        assert after_restore(app, "--gap", "0").exit_code == 1
        assert after_restore(app, "--gap", "0", "--since", clock.now().isoformat()).exit_code == 0


@pytest.mark.parametrize("ages", [(60, 1), (3, 1), (3, 5)])
def test_k4_next_restore_has_a_moment_of_its_own(app: Flask, client: FlaskClient, ages: tuple[int, int]) -> None:
    charge(client, "before")
    first, second = (clock.now().replace(microsecond=0) - timedelta(days=days) for days in ages)
    with dependencies_of(app).database.atomic("test") as connection:
        restores.begin(connection, first)
    said = [after_restore(app, *words.split()).stdout for words in ("--gap 0", f"--since {second:%FT%TZ}", "--gap 0")]
    assert [text.partition(" since ")[2].partition(",")[0] for text in said] == [f"{first}", f"{second}", f"{second}"]


def test_k4_tables_of_an_older_release_are_refused(app: Flask) -> None:
    with dependencies_of(app).database.atomic("test") as connection:
        connection.execute(text("ALTER TABLE lost_movements RENAME TO lost_movements_away"))
    said = after_restore(app, "--since", "2026-11-30")
    with dependencies_of(app).database.atomic("test") as connection:
        connection.execute(text("ALTER TABLE lost_movements_away RENAME TO lost_movements"))
    assert (said.exit_code, said.stdout) == (3, "")
    assert "database_not_migrated" in said.stderr


def test_k4_every_counter_skips_numbers(app: Flask, client: FlaskClient) -> None:
    """Twice leaves out twice as many, none at all none."""
    first = charge(client, "first")
    once, twice = (next_numbers(after_restore(app, "--gap", "100")) for _ in range(2))
    for numbers in (once, twice):
        numbers.pop("reconciliations", None)  # each run adds a row
    assert once["payments"] == first + 101
    assert twice == {table: number + 100 for table, number in once.items()}
    assert charge(client, "second") == once["payments"] + 100


def test_k4_empty_journal_needs_a_moment_as_an_argument(app: Flask) -> None:
    assert after_restore(app).exit_code == 2
    assert after_restore(app, "--since", "2026-11-30", "--gap", "0").exit_code == 0


def test_k4_silent_gateway_keeps_the_skipped_numbers(
    app: Flask, client: FlaskClient, gateway: LedgerGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = charge(client, "first")

    def silent(*_: object) -> None:
        raise GatewayUnavailable

    monkeypatch.setattr(type(gateway.ledger), "__call__", silent)
    said = after_restore(app, "--gap", "100")
    assert (said.exit_code, "--gap 0" in said.output) == (3, True)
    assert charge(client, "second") == first + 101
