"""The two pages about published lists of security cover the lists, and name tests and files that exist."""

import ast
import re
from collections import Counter
from functools import cache

import pytest

from tests.support.markdown import Document, document
from tests.support.processes import ROOT

STANDARD, TOP_10 = document("docs/reference/asvs.md"), document("docs/reference/api-top-10.md")
HERE = ("yes", "partly", "no", "not ours")
REQUIREMENTS = (27, 11, 19, 10, 9, 35, 18, 7, 7, 29, 14, 9, 13, 9, 13, 16, 7)
"""The number of requirements of levels 1 and 2 in each chapter of the standard."""
TITLES = re.findall(r"^## (V\d+ .+)$", STANDARD.text, re.MULTILINE)
ROWS = [row for title in TITLES for row in STANDARD.section(title).rows()]


def numbers(cell: str) -> list[str]:
    """Return the requirements of a row: one, or a range within a section."""
    first, _, last = cell.partition("\N{EN DASH}")
    section, _, begin = first.rpartition(".")
    found, _, end = (last or first).rpartition(".")
    assert found == section, cell
    assert int(begin) < int(end) or not last, cell
    return [f"{section}.{number}" for number in range(int(begin), int(end) + 1)]


def named_in(evidence: str) -> list[str]:
    """Return the tests that stand between backquotes."""
    return re.findall(r"`(tests/[\w/]+\.py::\w+)`", evidence)


@cache
def defined_in(path: str) -> frozenset[str]:
    """Return the tests that a file defines; none if there is no such file."""
    file = ROOT / path
    tree = ast.parse(file.read_text() if file.is_file() else "")
    names = (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return frozenset(name for name in names if name.startswith("test_"))


def test_each_requirement_has_one_row_in_its_chapter() -> None:
    asked = [number for row in ROWS for number in numbers(row[0])]
    of_chapter = [[number for row in STANDARD.section(title).rows() for number in numbers(row[0])] for title in TITLES]
    assert [number for number, times in Counter(asked).items() if times > 1] == []
    assert [int(title.split()[0].removeprefix("V")) for title in TITLES] == list(range(1, 18))
    assert tuple(len(found) for found in of_chapter) == REQUIREMENTS
    chapters = [{f"V{number.partition('.')[0]}" for number in found} for found in of_chapter]
    assert chapters == [{title.split()[0]} for title in TITLES]


def test_each_row_has_a_verdict_and_its_evidence() -> None:
    assert {row[2] for row in ROWS} == set(HERE)
    assert [number for number, words, _, evidence in ROWS if not (words and evidence)] == []
    assert [number for number, _, here, evidence in ROWS if here == "yes" and not named_in(evidence)] == []
    assert [number for number, _, here, evidence in ROWS if here == "partly" and "`" not in evidence] == []


def test_counts_of_the_standard_are_those_of_its_rows() -> None:
    *shown, total = STANDARD.section("Counts").rows()
    counts = [Counter[str]() for _ in TITLES]
    for title, count in zip(TITLES, counts, strict=True):
        for cell, _, here, _ in STANDARD.section(title).rows():
            count[here] += len(numbers(cell))

    assert [row[0] for row in shown] == [title.split()[0] for title in TITLES]
    assert [row[1:] for row in shown] == [[str(count[word]) for word in HERE] for count in counts]
    assert total == ["all", *(str(sum(count[word] for count in counts)) for word in HERE)]


def test_each_of_the_10_risks_names_a_test() -> None:
    rows = re.findall(r"^\| API(\d+) .*\| (.+) \|$", TOP_10.text, re.MULTILINE)

    assert [int(number) for number, _ in rows] == list(range(1, 11))
    assert [number for number, evidence in rows if not named_in(evidence)] == []


@pytest.mark.parametrize("page", [STANDARD, TOP_10], ids=lambda page: page.path.stem)
def test_named_tests_and_files_exist(page: Document) -> None:
    named = [span.split("::") for span in page.spans if "::" in span]
    files = {span for span in page.spans if re.fullmatch(r"[\w.-]+(/[\w.-]*)*", span) and re.search(r"[./]", span)}

    assert named
    assert [parts for parts in named if len(parts) != 2 or parts[1] not in defined_in(parts[0])] == []
    assert [file for file in files if not (ROOT / file).exists()] == []
