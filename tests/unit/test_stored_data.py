"""The page of stored data classifies every column of every table, and no other."""

import pytest

from payment_service.models import metadata
from tests.support.markdown import document

PAGE = "docs/reference/stored-data.md"
KINDS = {"money", "identity", "personal", "secret digest", "technical"}
NOTHING = "\N{EN DASH}"


@pytest.mark.parametrize("name", sorted(metadata.tables))
def test_page_of_stored_data_classifies_every_column(name: str) -> None:
    rows = list(document(PAGE).section(name).rows())
    assert [row[0].strip("`") for row in rows] == [column.name for column in metadata.tables[name].columns]
    assert {row[1] for row in rows} <= KINDS
    assert [column for column, _, kept, _ in rows if not kept] == []
    assert [row for row in rows if (row[2] == "always") != (row[3] == NOTHING)] == []


def test_page_of_stored_data_shows_no_other_table() -> None:
    titles = [line.removeprefix("## ") for line in document(PAGE).text.splitlines() if line.startswith("## ")]

    assert sorted(titles) == sorted(metadata.tables)


def test_columns_that_name_a_person_are_personal() -> None:
    naming = {"subject", "customer_id", "auth_user_id", "email", "actor", "metadata", "caller_note"}
    kinds = {
        (name, column.name): next(row[1] for row in document(PAGE).section(name).rows() if row[0] == f"`{column.name}`")
        for name, table in metadata.tables.items()
        for column in table.columns
        if column.name in naming
    }

    assert {column for column, kind in kinds.items() if kind != "personal"} == set()
