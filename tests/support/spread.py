"""What a Citus cluster demands of a statement: CI has none, so the texts are judged by the rules that it enforces."""

import re
from collections.abc import Iterator
from pathlib import Path

from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

DISTRIBUTE = Path(__file__).resolve().parents[2] / "deploy" / "citus" / "distribute.sql"

SPREAD_BY = dict(re.findall(r"create_distributed_table\('(\w+)', '(\w+)'", DISTRIBUTE.read_text()))
"""The column by which each table is spread, as the script spreads them."""


def lock_rows(connection: Connection, table: str, clause: str = "FOR UPDATE") -> None:
    """Lock every row of a table, each by the column that a cluster would spread the table by."""
    column = SPREAD_BY[table]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table}")  # noqa: S608 - our own words
        for row in cursor.fetchall():
            cursor.execute(f"SELECT FROM {table} WHERE {column} = %s {clause}", row)


_TABLE = re.compile(r"(?:FROM|INTO|UPDATE|JOIN) (\w+)")
_PART = re.compile(r"\w+ AS (MATERIALIZED )?\((.*?)\n\)", re.DOTALL)
_CLOCK = r"(?:statement_timestamp|clock_timestamp|now|nextval)\("


def faults(statement: str) -> Iterator[str]:
    """Yield the reasons for which a cluster would refuse a statement, or ask every machine."""
    parts = [found[2] for found in _PART.finditer(statement)]
    for found in _PART.finditer(statement):
        if "FOR " in found[2].split("WHERE")[-1] and not found[1]:
            yield "a part that locks is not MATERIALIZED, and becomes a join"
    for part in (*parts, _PART.sub("", statement)):
        yield from _faults_of_part(part)


def _faults_of_part(part: str) -> Iterator[str]:
    tables = set(_TABLE.findall(part)) & SPREAD_BY.keys()
    if len(tables) > 1:
        yield f"joins {' and '.join(sorted(tables))}"
    for table in tables:
        yield from _faults_with(part, table, SPREAD_BY[table])


def _faults_with(part: str, table: str, column: str) -> Iterator[str]:
    if inserted := re.search(rf"INSERT INTO {table} \((.*?)\)", part, re.DOTALL):
        if column not in re.findall(r"\w+", inserted[1]):
            yield f"gives a row of {table} no {column}"
    elif not re.search(rf"\b{column} = :{column}\b", part.partition("WHERE")[2]):
        yield f"finds rows of {table} without {column} = :{column}"
    if part.startswith("UPDATE"):
        changes = part.partition("SET")[2].partition("WHERE")[0]
        if re.search(rf"\b{column} =", changes):
            yield f"changes {column}, by which {table} is spread"
        if re.search(r"clock_timestamp\(|nextval\(", changes):
            yield "an UPDATE takes no volatile function"
        if re.search(rf"(?:CASE|coalesce\()[^;]*?{_CLOCK}", changes, re.IGNORECASE):
            yield "the clock stands in CASE or COALESCE"
    if re.search(r"FOR (?:NO KEY )?UPDATE", part) and "nextval(" in part:
        yield "draws a number in a query that locks"
