"""The numbers that the database gives to new rows, and how to leave some out."""

from sqlalchemy import Column, Integer, Table, func, select, text
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table

from payment_service.connection import Connection
from payment_service.models import metadata

_MOVE = """
WITH counter AS (
    SELECT pg_get_serial_sequence('{table}', '{column}')::regclass AS name
), reached AS (
    SELECT name, greatest(
        (SELECT coalesce(max({column}), 0) FROM {table}), coalesce(pg_sequence_last_value(name), 0)
    ) + :gap AS number FROM counter
), moved AS (
    SELECT setval(name, greatest(number, 1), number > 0) FROM reached -- a counter takes no 0
)
SELECT reached.number FROM reached, moved
"""
_SEQUENCES = sql_table("sqlite_sequence", sql_column("name"), sql_column("seq"))


def skip(connection: Connection, gap: int) -> dict[str, int]:
    """Leave out `gap` numbers of every table that counts its rows. Return the last number left out, by table.

    SQLite has counters for the tables with AUTOINCREMENT only: others outside this database know only those numbers.
    """
    move = _skip_on_sqlite if connection.database == "sqlite" else _skip
    return {table.name: move(connection, table, column, gap) for table, column in _counted(connection.database)}


def _counted(database: str) -> list[tuple[Table, Column[int]]]:
    found: list[tuple[Table, Column[int]]] = []
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None or not isinstance(column.type, Integer) or column.autoincrement is False:
            continue
        if database == "postgresql" or table.dialect_options["sqlite"]["autoincrement"]:
            found.append((table, column))
    return found


def _skip(connection: Connection, table: Table, column: Column[int], gap: int) -> int:
    move = text(_MOVE.format(table=table.name, column=column.name))
    return int(connection.execute(move, {"gap": gap}).scalar_one())


def _skip_on_sqlite(connection: Connection, table: Table, column: Column[int], gap: int) -> int:
    mine = _SEQUENCES.c.name == table.name
    largest = connection.execute(select(func.max(column))).scalar() or 0
    counted = connection.execute(select(_SEQUENCES.c.seq).where(mine)).scalar()
    reached = max(largest, counted or 0) + gap
    if counted is None:
        connection.execute(_SEQUENCES.insert().values(name=table.name, seq=reached))
    else:
        connection.execute(_SEQUENCES.update().where(mine).values(seq=reached))
    return reached
