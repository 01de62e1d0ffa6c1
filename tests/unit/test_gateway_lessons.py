"""The page of lessons names every point and lesson once, and only existing tests."""

import re
from functools import cache

import pytest

from tests.mutants.faults import MUTANTS
from tests.support.markdown import document
from tests.support.processes import ROOT

PAGE = "docs/reference/gateway-lessons.md"
LISTS = {"What Stripe does": 40, "Lessons of other services": 46}


def table(title: str) -> list[list[str]]:
    """Return the rows under a heading, as cells."""
    section = document(PAGE).text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if re.match(r"\| *\d+ *\|", line)]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


@cache
def suite() -> frozenset[str]:
    """Return the names of all test functions."""
    texts = (path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    return frozenset(name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE))


@pytest.mark.parametrize(("title", "count"), LISTS.items())
def test_every_lesson_stands_on_the_page_once(title: str, count: int) -> None:
    assert [int(row[0]) for row in table(title)] == list(range(1, count + 1))


@pytest.mark.parametrize("title", LISTS)
def test_every_lesson_has_a_test_or_a_reason_why_it_does_not_apply(title: str) -> None:
    rows = [(number, words, re.findall(r"`(test_\w+)`", held_by)) for number, *words, held_by in table(title)]
    excused = {number for number, words, _ in rows if any(word.startswith("does not apply: ") for word in words)}
    assert {number for number, words, _ in rows if len(words) != 2} == set()
    assert {number for number, _, named in rows if not named} - excused == set()
    assert {(number, name) for number, _, named in rows for name in named if name not in suite()} == set()


def test_page_of_reliability_names_only_existing_tests_and_mutants() -> None:
    page = document("docs/explanation/reliability.md").text
    assert set(re.findall(r"`(test_\w+)`", page)) - suite() == set()
    model = page.partition("\n### The model of the protocol\n")[2].partition("\n### ")[0]
    rows = [line for line in model.splitlines() if line.startswith("| ")][1:]
    mutants = {name for row in rows for name in row.strip("| ").rpartition(" | ")[2].split("; ")}
    assert len(rows) >= 14
    assert mutants - set(MUTANTS) == set()


def test_every_test_of_a_lesson_is_on_the_page_beside_its_number() -> None:
    of_lessons = {name for name in suite() if re.match("test_(lesson|point)_[0-9]+_", name)}
    beside = [
        (number, lesson)
        for number, *_, held_by in table("Lessons of other services")
        for lesson in re.findall(r"test_lesson_(\d+)(?:_and_(\d+))?_", held_by)
    ]
    assert of_lessons - set(re.findall(r"`(test_\w+)`", document(PAGE).text)) == set()
    assert [(number, lesson) for number, lesson in beside if number not in lesson] == []
