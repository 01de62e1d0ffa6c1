"""The SQL statements of the two databases agree with each other and with the tables."""

import re

import pytest
from sqlalchemy import Table, UniqueConstraint

from payment_service.models import idempotency_keys, payments
from payment_service.statements import statements

POSTGRESQL, SQLITE = statements("postgresql"), statements("sqlite")

CHANGED_BY_A_CHARGE = {
    "payments": ("update_payment",),
    "idempotency_keys": (
        "set_operation",
        "release_key",
        "release_key_as_of",
        "take_over_key",
        "complete_operation",
        "store_response",
    ),
}


def changed(name: str) -> set[str]:
    """Return the columns that an UPDATE sets."""
    clause = POSTGRESQL[name].text.partition("SET")[2].partition("WHERE")[0]
    return set(re.findall(r"(\w+) = ", clause))


def test_both_databases_have_the_same_statements() -> None:
    assert SQLITE.keys() - POSTGRESQL.keys() == {"find_finished_key"}, "PostgreSQL finds it while it inserts"
    assert POSTGRESQL.keys() - SQLITE.keys() == set()


@pytest.mark.parametrize("name", sorted(POSTGRESQL))
def test_statement_takes_the_same_parameters_on_both_databases(name: str) -> None:
    assert set(POSTGRESQL[name].names) == set(SQLITE[name].names)


@pytest.mark.parametrize("name", [name for name, each in POSTGRESQL.items() if each.text.startswith("UPDATE")])
def test_update_reads_the_clock_once(name: str) -> None:
    assert "clock_timestamp" not in POSTGRESQL[name].text


@pytest.mark.parametrize("table", [payments, idempotency_keys], ids=lambda table: table.name)
def test_no_index_has_a_column_that_a_charge_changes(table: Table) -> None:
    """PostgreSQL updates such a row in place (HOT): no index gets another entry."""
    hot = set().union(*(changed(name) for name in CHANGED_BY_A_CHARGE[table.name]))
    sets = [each.columns for each in table.indexes]
    sets += [each.columns for each in table.constraints if isinstance(each, UniqueConstraint)]
    indexed = {column.name for columns in sets for column in columns}
    conditions = " ".join(str(each.dialect_options["postgresql"]["where"]) for each in table.indexes)

    assert len(hot) >= 10
    assert hot & indexed == set()
    assert hot & set(re.findall(r"\w+", conditions)) == set()
