"""The diagrams of the documents show layers, tables and the life of a payment as the code has them."""

import re
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Column, Table, UniqueConstraint

from payment_service.domain.lifecycle import LIFECYCLE, Move
from payment_service.models import metadata
from tests.support.markdown import document
from tests.support.processes import ROOT

WORDS = {
    "BigInteger": "bigint",
    "Boolean": "bool",
    "Integer": "int",
    "Money": "money",
    "MoneySum": "money",
    "String": "text",
    "Text": "text",
    "UtcDateTime": "moment",
    "Uuid": "uuid",
}
"""The words of the diagram for the types of columns."""

ATTRIBUTE = re.compile(r'^ {8}(\w+) (\w+)(?: ((?:PK|FK|UK)(?:, (?:PK|FK|UK))*))?(?: "(.+)")?$', re.MULTILINE)
LINE = re.compile(r"^ {4}(\w+) (\|\||\|o)(--|\.\.)(o\{|o\|) (\w+) : (\w+)$", re.MULTILINE)

every_table = pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)


def diagram(kind: str) -> str:
    """Return the only diagram of a kind; of several flowcharts the last."""
    pages = (document("docs/explanation/architecture.md"), document("docs/reference/database.md"))
    blocks = [text for page in pages for word, text in page.blocks if word == "mermaid"]
    return [text for text in blocks if text.startswith(kind)][-1]


def shown(table: Table) -> list[tuple[str, str, str, str]]:
    """Return the columns of a table in the diagram: type, name, marks, remark."""
    found = re.search(rf"^ {{4}}{table.name} \{{\n(.*?)^ {{4}}\}}$", diagram("erDiagram"), re.MULTILINE | re.DOTALL)
    assert found, f"docs/reference/database.md does not show the table {table.name}"
    columns = ATTRIBUTE.findall(found[1])
    assert len(columns) == len(found[1].splitlines()), "every line is one column"
    return columns


def uniques(table: Table) -> set[frozenset[str]]:
    """Return the unique columns, except primary keys."""
    constraints = [each.columns for each in table.constraints if isinstance(each, UniqueConstraint)]
    indexes = [each.columns for each in table.indexes if each.unique]
    return {frozenset(column.name for column in columns) for columns in [*constraints, *indexes]}


def marks(column: Column[Any]) -> str:
    """Return those of PK, FK and UK that hold."""
    alone = frozenset({column.name}) in uniques(column.table)
    held = (("PK", column.primary_key), ("FK", bool(column.foreign_keys)), ("UK", alone))
    return ", ".join(mark for mark, holds in held if holds)


def test_diagram_of_tables_has_every_table_and_no_other() -> None:
    entities = set(re.findall(r"^ {4}(\w+) \{$", diagram("erDiagram"), re.MULTILINE))

    assert entities == set(metadata.tables)


@every_table
def test_diagram_shows_each_column_with_its_type_and_keys(table: Table) -> None:
    columns = [(kind, name, keys) for kind, name, keys, _ in shown(table)]
    types = {column.name: WORDS[type(column.type).__name__] for column in table.columns}
    assert columns == [(types[name], name, marks(table.c[name])) for _, name, _ in columns]


@every_table
def test_every_key_of_a_table_is_shown(table: Table) -> None:
    told = {name: remark for _, name, _, remark in shown(table)}
    together = {
        frozenset({name, *remark.removeprefix("unique with ").partition(" where ")[0].split(", ")})
        for name, remark in told.items()
        if remark
    }

    assert {column.name for column in table.columns if marks(column)} <= told.keys()
    assert together == {each for each in uniques(table) if len(each) > 1}


def test_lines_of_the_diagram_are_the_foreign_keys() -> None:
    drawn = {(parent, child, name, one, many) for parent, one, _, many, child, name in solid()}
    real = {
        (key.column.table.name, table.name, key.parent.name, "||", "o|" if "UK" in marks(key.parent) else "o{")
        for table in metadata.sorted_tables
        for key in table.foreign_keys
    }

    assert drawn == real


def solid() -> list[tuple[str, ...]]:
    return [line for line in LINE.findall(diagram("erDiagram")) if line[2] == "--"]


def test_dotted_line_of_the_diagram_is_a_number_without_a_foreign_key() -> None:
    dotted = [line for line in LINE.findall(diagram("erDiagram")) if line[2] == ".."]
    columns = [metadata.tables[child].c[name] for *_, child, name in dotted]
    assert dotted
    assert [line for line in dotted if not metadata.tables[line[0]].c[line[5]].primary_key] == []
    assert [column for column in columns if column.foreign_keys] == []
    assert [one == "|o" for _, one, *_ in dotted] == [column.nullable for column in columns]


DISPUTES = (Move.DISPUTED, Move.DISPUTE_WON, Move.DISPUTE_LOST)
"""The text below the diagram names the operations that keep every status, instead of two dozen arrows."""


def test_diagram_of_statuses_has_every_legal_move_and_no_other() -> None:
    (*arrows,) = re.findall(r"^ {4}(\S+) --> (\w+) : (\w+)$", diagram("stateDiagram-v2"), re.MULTILINE)
    drawn = {key: after for key, after in LIFECYCLE.items() if key[1] not in DISPUTES}
    legal = {(str(status or "[*]"), str(after), str(move)) for (status, move), after in drawn.items()}

    assert len(arrows) == len(diagram("stateDiagram-v2").splitlines()) - 1
    assert len(arrows) == len(drawn)
    assert all(after is status for (status, move), after in LIFECYCLE.items() if move in DISPUTES)
    assert all(f"`{move}`" in document("docs/explanation/architecture.md").text for move in DISPUTES)
    assert set(arrows) == legal


def test_arrows_between_layers_point_down_as_imports_do() -> None:
    _, _, listed = (ROOT / "setup.cfg").read_text().partition("\nlayers =\n")
    depth = {
        layer: number
        for number, line in enumerate(listed.partition("\n\n")[0].splitlines())
        for layer in re.findall(r"\((\w+)\)", line)
    }
    text = diagram("flowchart")
    boxes = set(re.findall(r"^ {4}(\w+)\[", text, re.MULTILINE))
    arrows = [
        (above, below)
        for above, targets in re.findall(r'^ {4}(\w+)(?:\[".*?"\])? --> ([\w &]+)$', text, re.MULTILINE)
        for below in targets.split(" & ")
    ]
    package = ROOT / "payment_service"
    assert boxes <= depth.keys()
    assert {name for arrow in arrows for name in arrow} == boxes
    assert [arrow for arrow in arrows if depth[arrow[0]] >= depth[arrow[1]]] == []
    assert {name for name in boxes if not (package / name).exists() and not (package / f"{name}.py").exists()} == set()


def test_sequence_commits_before_and_after_the_gateway_call() -> None:
    lines = diagram("sequenceDiagram").splitlines()
    commits = [number for number, line in enumerate(lines) if line.endswith(": COMMIT")]
    asked = [number for number, line in enumerate(lines) if "services->>gateway: charge" in line]
    opened = [number for number, line in enumerate(lines) if line.strip().startswith("rect ")]

    assert (len(commits), len(asked), len(opened)) == (2, 1, 2)
    assert all(before < after for before, after in pairwise((opened[0], commits[0], asked[0], opened[1], commits[1])))


def test_every_line_of_a_diagram_is_parsed_to_its_end() -> None:
    """A semicolon ends a statement anywhere: the rest of the line would be an error."""
    kinds = ("flowchart", "sequenceDiagram", "erDiagram", "stateDiagram-v2")
    diagrams = "".join(diagram(kind) for kind in kinds)

    assert [line for line in diagrams.splitlines() if ";" in line] == []
