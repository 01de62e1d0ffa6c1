"""The decision records are complete: all of them in the index, each with its four parts, on one page."""

import re

import pytest

from tests.support.markdown import Document, document
from tests.support.processes import ROOT

RECORDS = [Document(path) for path in sorted((ROOT / "docs" / "adr").glob("0*.md"))]
LONGEST_PAGE = 70


def test_records_are_numbered_without_a_gap() -> None:
    assert [int(record.path.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))


def test_index_names_each_record_by_its_title() -> None:
    listed = re.findall(r"^\| \[(.+?)\]\((.+?)\) \|", document("docs/adr/README.md").text, re.MULTILINE)

    assert listed == [(record.text.splitlines()[0].removeprefix("# "), record.path.name) for record in RECORDS]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.path.stem)
def test_each_record_has_its_number_four_parts_and_at_most_70_lines(record: Document) -> None:
    lines = record.text.splitlines()

    assert lines[0].startswith(f"# {int(record.path.name[:4])}. ")
    assert re.match(r"Status: Accepted\. Date: 20\d\d-\d\d-\d\d\.", lines[2]), "status and date stand below the title"
    parts = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert parts == ["Context", "Decision", "Consequences", "Alternatives"]
    assert len(lines) <= LONGEST_PAGE


def test_every_package_has_a_row_with_its_reason() -> None:
    wanted = [
        match[0]
        for name in ("", "-kafka", "-stripe", "-dev", "-docs")
        for line in (ROOT / f"requirements{name}.in").read_text().splitlines()
        if (match := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line))
    ]
    rows = list(document("docs/adr/0015-dependencies.md").section("Decision").rows())

    assert sorted(cells[0].strip("`") for cells in rows) == sorted(wanted)
    assert [cells[0] for cells in rows if not cells[1]] == []
