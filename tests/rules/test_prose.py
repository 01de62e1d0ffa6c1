"""Documents, docstrings and comments are plain English, by counts of what makes it slow to read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import here
from tests.support import prose
from tests.support.prose import Counts

MOST_SLOW = 4.0
"""Words of the list for each thousand."""
MOST_RIDDLES = 1.0
"""Sentences for each hundred that begin with what, who or where."""

DOCUMENTS = [*here("").glob("*.md"), *here("docs").rglob("*.md"), *here("clients").glob("*/*.md")]
PROGRAMS = [
    path
    for folder in ("payment_service", "simulator", "benchmarks", "clients/python/src", "migrations", "tests")
    for path in here(folder).rglob("*.py")
]


@pytest.mark.parametrize(
    ("paths", "count"), [(DOCUMENTS, prose.of_markdown), (PROGRAMS, prose.of_python)], ids=["documents", "docstrings"]
)
def test_prose_stays_within_its_limits(paths: list[Path], count: Callable[[Path], Counts]) -> None:
    counted = {path: count(path) for path in paths}
    total = sum(counted.values(), prose.NOTHING)
    worst = sorted(counted, key=lambda path: counted[path].slow, reverse=True)[:5]

    assert total.words > 40_000
    assert total.slow_share <= MOST_SLOW, [str(path) for path in worst]
    assert total.riddle_share <= MOST_RIDDLES


def test_template_of_the_environment_has_no_slow_words() -> None:
    counted = prose.of_comments(here(".env.example"))

    assert counted.words > 1_000
    assert (counted.slow, counted.riddles) == (0, 0)


def test_count_covers_words_and_sentences_without_code(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""What nobody asked for. Return `whose` code."""\n\nelse_ = 1  # whatever\n')

    assert prose.of_python(module) == Counts(words=8, slow=2, sentences=3, riddles=1)
