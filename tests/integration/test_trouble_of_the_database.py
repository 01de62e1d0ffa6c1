"""PostgreSQL in trouble of its own, as with a file that it cannot extend: 503, and a repeat once it is well."""

from collections.abc import Callable
from contextlib import closing

import pytest

from payment_service.domain.operations import Kind
from payment_service.models import payments
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import pay_trip
from tests.support.database import expire_leases, rows
from tests.support.gateways import LedgerGateway
from tests.support.postgres import Postgres

TROUBLE = """
CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE internal_error; END $$;
CREATE CONSTRAINT TRIGGER trouble AFTER {event} ON payments DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION trouble();
"""

pytestmark = pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)  # SQLite says such things otherwise


@pytest.mark.parametrize(("event", "sent"), [("INSERT", 0), ("UPDATE", 1)], ids=["claiming", "finishing"])
def test_fault_at_a_commit_answers_503_and_a_repeat_continues(
    make_app: MakeApp,
    lent: Callable[[str], str],
    postgres: Postgres,
    gateway: LedgerGateway,
    event: str,
    sent: int,
) -> None:
    app = make_app(database_url=lent("trouble"))
    with closing(postgres.connect("trouble")) as connection, connection.cursor() as cursor:
        cursor.execute(TROUBLE.format(event=event))
        refused = pay_trip(app.test_client())
        cursor.execute("DROP FUNCTION trouble CASCADE")

    assert (refused.status_code, refused.get_json()["code"]) == (503, "database_unavailable")
    assert refused.get_json()["retry"] == {"safe": True, "key": "same", "after": 1}
    assert len(gateway.sent) == sent
    expire_leases(dependencies_of(app))
    assert pay_trip(app.test_client()).status_code == 200
    assert [row["status"] for row in rows(dependencies_of(app), payments)] == ["CAPTURED"]
    assert gateway.count(Kind.CHARGE) == 1
