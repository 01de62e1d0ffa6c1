"""Every statement of a charge and its refunds names the column by which its table is spread, as Citus wants it."""

import re

import pytest

from payment_service.statements import statements
from tests.conftest import here
from tests.support.spread import SPREAD_BY, faults

POSTGRESQL = statements("postgresql")

ASKS_EVERY_MACHINE = {"find_hash_by_id", "find_hash_of_operation", "adopt_key", "ask_to_cancel_charge"}
"""Statements of recovery, of a person's decision or a caller who gives up, and for keys that release 1.0.0 purged."""


def test_the_script_spreads_the_tables_of_a_charge() -> None:
    assert SPREAD_BY == {
        "idempotency_keys": "key_hash",
        "operator_actions": "payment_id",
        "payment_refunds": "payment_id",
        "payments": "payment_id",
        "reservations": "value",
        "transactions": "payment_id",
    }


@pytest.mark.parametrize("table", sorted(SPREAD_BY))
def test_the_document_names_the_column_of_a_table(table: str) -> None:
    rows = re.findall(r"^\| (.*?) \| `(\w+)` \|$", here("docs/explanation/scaling.md").read_text(), re.MULTILINE)
    assert {column for tables, column in rows if f"`{table}`" in tables} == {SPREAD_BY[table]}


def test_how_to_gives_a_reason_for_each_test_that_is_left_out() -> None:
    rows = re.findall(r"^\| `(tests/\S+)`(?:, `(\w+)`)? \|", here("docs/how-to/citus.md").read_text(), re.MULTILINE)
    told = {"::".join(filter(None, row)) for row in rows}
    left_out = here("tests/citus/given_up.txt").read_text().replace("--deselect=", "").splitlines()
    assert told == set(left_out)
    parts = [name.partition("::") for name in left_out]
    assert [name for file, _, name in parts if f"def {name}" not in here(file).read_text()] == []


@pytest.mark.parametrize("name", sorted(POSTGRESQL.keys() - ASKS_EVERY_MACHINE))
def test_statement_runs_on_one_machine_of_a_cluster(name: str) -> None:
    assert list(faults(POSTGRESQL[name].text)) == []


@pytest.mark.parametrize("name", sorted(ASKS_EVERY_MACHINE))
def test_excepted_statement_asks_every_machine(name: str) -> None:
    assert any("without" in fault for fault in faults(POSTGRESQL[name].text))


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("SELECT status FROM payments WHERE reference = :reference", "without payment_id"),
        ("SELECT 1 FROM payments JOIN idempotency_keys ON true WHERE payment_id = :payment_id", "joins"),
        ("INSERT INTO reservations (channel, kind) VALUES (:channel, :kind)", "no value"),
        ("UPDATE idempotency_keys SET key_hash = :new WHERE key_hash = :key_hash", "changes key_hash"),
        ("UPDATE payments SET updated_at = clock_timestamp() WHERE payment_id = :payment_id", "volatile"),
        ("UPDATE payments SET a = coalesce(:a, statement_timestamp()) WHERE payment_id = :payment_id", "COALESCE"),
        ("SELECT nextval('n') FROM payments WHERE payment_id = :payment_id FOR UPDATE", "draws a number"),
        (
            "WITH one AS (\n    SELECT 1 FROM payments WHERE payment_id = :payment_id FOR UPDATE\n)\nSELECT 1 FROM one",
            "MATERIALIZED",
        ),
    ],
)
def test_each_rule_is_noticed_where_it_is_broken(statement: str, fault: str) -> None:
    assert any(fault in found for found in faults(statement)), list(faults(statement))
