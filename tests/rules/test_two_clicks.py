"""A stranger who knows one of the five documents finds each of its tasks within two clicks of the README."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.support.markdown import Document, document
from tests.support.processes import ROOT

TASKS = json.loads(Path(__file__).with_suffix("").with_name("two_clicks.json").read_text())
"""Each has the document that describes it, the page with its section, and words that the section must have."""

MOST_CLICKS = 2


def within(clicks: int) -> set[Path]:
    """Return the pages that links lead to from the README, at most so many one after the other."""
    found, newest = {ROOT / "README.md"}, {ROOT / "README.md"}
    for _ in range(clicks):
        linked = {
            (page.parent / link.partition("#")[0]).resolve()
            for page in newest
            for link in Document(page).links
            if link.partition("#")[0].endswith(".md")
        }
        newest = linked - found
        found |= newest
    return found


@pytest.fixture(scope="module")
def near() -> set[Path]:
    return within(MOST_CLICKS)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task['document']}: {task['task']}")
def test_task_is_explained_within_two_clicks(task: dict[str, str], near: set[Path]) -> None:
    page, _, anchor = task["page"].partition("#")
    text = document(page).under(anchor)

    assert ROOT / page in near
    assert [word for word in task["words"] if word.lower() not in " ".join(text.lower().split())] == []


def test_list_has_tasks_of_every_document() -> None:
    by_document = Counter(task["document"] for task in TASKS)

    assert by_document.keys() == {"bills", "trips", "bookings", "orders", "checkout"}
    assert min(by_document.values()) >= 10
    assert len({(task["document"], task["task"]) for task in TASKS}) == len(TASKS) >= 60
