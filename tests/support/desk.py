"""A caller, the gateway and the tables, with the means to bring them apart, and to reconcile."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import Table, select, update
from werkzeug.test import TestResponse

from payment_service import clock
from payment_service.domain.operations import Kind
from payment_service.gateways.listed import Entry
from payment_service.models import gateway_notices, idempotency_keys, metadata, reconciliations
from payment_service.services.dependencies import Dependencies
from payment_service.services.differences import Line
from payment_service.services.reconciliation import Result, reconcile
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.gateways import LedgerGateway

NAME = "remote"
TEN = Decimal("10.00")
A_DAY = timedelta(days=1)


class Desk:
    """A caller, the gateway and the tables, with the means to bring them apart."""

    def __init__(self, client: FlaskClient, gateway: LedgerGateway, deps: Dependencies) -> None:
        self.client = client
        self.gateway = gateway
        self.deps = deps

    def paid(self, **fields: Any) -> tuple[int, str]:
        """Return a new payment that is captured: its number and its gateway key."""
        number = trip_id_of(pay_trip(self.client, idempotency_key=f"key-{len(self.gateway.sent)}", **fields))
        return number, self.last_key()

    def refunded(self, number: int) -> TestResponse:
        """Refund all of a payment."""
        return refund_trip(self.client, number, idempotency_key=f"refund-{len(self.gateway.sent)}")

    def last_key(self) -> str:
        """Return the gateway key that was sent last."""
        return self.gateway.sent[-1].gateway_key

    def entry(self, key: str | None, **changes: Any) -> Entry:
        """Something that only the gateway has, listed from now on."""
        ordinary = Entry(key, Kind.CHARGE, TEN, "INR")
        found = replace(ordinary, **changes)
        self.gateway.ledger.others.append(found)
        return found

    def alter(self, key: str, **values: object) -> None:
        """Write into the row of an operation what the service would not."""
        with self.deps.database.atomic("test") as connection:
            connection.execute(update(idempotency_keys).where(idempotency_keys.c.gateway_key == key).values(values))

    def run(
        self, since: datetime | None = None, until: datetime | None = None, name: str = NAME
    ) -> tuple[Result, list[Line]]:
        """Reconcile; by default two days around now."""
        lines: list[Line] = []
        now = clock.now()
        result = reconcile(self.deps, name, since or now - A_DAY, until or now + A_DAY, lines.append)
        return result, lines

    def found(self, since: datetime | None = None, until: datetime | None = None) -> list[tuple[str, str]]:
        """Return kind and sentence of each difference."""
        _, lines = self.run(since, until)
        return [(line.difference.kind.value, line.difference.what) for line in lines if line.difference]

    def contents(self) -> Mapping[str, Any]:
        """Return every row of every table but the results, and what the worker shall look at."""
        with self.deps.database.reading() as connection:
            return {
                table.name: sorted(map(repr, connection.execute(select(table)).all()))
                for table in metadata.sorted_tables
                if table not in (reconciliations, gateway_notices)
            }

    def rows(self, table: Table = reconciliations) -> list[dict[str, Any]]:
        """Return the rows of a table."""
        with self.deps.database.reading() as connection:
            return [dict(row) for row in connection.execute(select(table)).mappings()]
