"""A PostgreSQL that gives transactions up: triggers raise the error, a sequence counts it.

The error undoes nothing in the sequence: so many transactions fail, and the next one does not.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from tests.support.postgres import Postgres

GIVE_UP = """
    CREATE SEQUENCE given_up;
    CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('given_up') <= TG_ARGV[1]::int THEN
            RAISE EXCEPTION 'the transaction is given up' USING ERRCODE = TG_ARGV[0];
        END IF;
        RETURN NULL;
    END $$;
"""
"""The sequence and the trigger function that a database needs for it."""
KINDS = {"statement": "TRIGGER", "COMMIT": "CONSTRAINT TRIGGER"}
DEFERRED = {"statement": "", "COMMIT": "DEFERRABLE INITIALLY DEFERRED"}


class Trouble:
    """Makes transactions fail that do something (`"UPDATE OF status"`) to a table, there or at their COMMIT."""

    def __init__(self, server: Postgres, database: str, when: str, sqlstate: str) -> None:
        self._server, self._database, self._when, self._sqlstate = server, database, when, sqlstate

    @contextmanager
    def at(self, doing: str, table: str, times: int = 2) -> Iterator[None]:
        """Let the first so many fail while the block runs; at least one must, or the test has tested nothing."""
        trigger = f"CREATE {KINDS[self._when]} give_up AFTER {doing} ON {table} {DEFERRED[self._when]} FOR EACH ROW"
        told(self._server, self._database, "ALTER SEQUENCE given_up RESTART")
        told(self._server, self._database, f"{trigger} EXECUTE FUNCTION give_up('{self._sqlstate}', {times})")
        try:
            yield
        finally:
            told(self._server, self._database, f"DROP TRIGGER give_up ON {table}")
        ((counted,),) = told(self._server, self._database, "SELECT last_value FROM given_up")
        assert counted > min(times, 2), "nothing was given up"


def told(server: Postgres, database: str, statement: str) -> list[Any]:
    """Return every row that PostgreSQL itself answers with."""
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
