"""The site of `make docs` has every document in its navigation, is locked, and asks no foreign server."""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from tests.support.markdown import documents
from tests.support.processes import ROOT

SITE = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]


def pages(entry: Any) -> Iterator[str]:
    """Yield the pages of a part of the navigation, in order."""
    if isinstance(entry, str):
        yield entry
    else:
        for part in entry.values() if isinstance(entry, dict) else entry:
            yield from pages(part)


def test_navigation_has_every_page_once_and_the_records_by_their_index() -> None:
    names = [str(doc.path.relative_to(ROOT)) for doc in documents()]

    assert sorted(pages(SITE["nav"])) == sorted(name for name in names if not re.match(r"docs/adr/\d", name))


def test_fonts_and_scripts_are_its_own() -> None:
    assert SITE["theme"]["font"] is False
    assert [each for each in SITE["extra_javascript"] + SITE["extra_css"] if not each.startswith("assets/")] == []


def test_program_that_draws_diagrams_is_locked_and_the_lock_names_no_host() -> None:
    wanted = json.loads((ROOT / "site" / "package.json").read_text())["dependencies"]
    locked = json.loads((ROOT / "site" / "package-lock.json").read_text())["packages"]

    assert wanted == {"@mermaid-js/tiny": locked["node_modules/@mermaid-js/tiny"]["version"]}
    assert [name for name, entry in locked.items() if name and not entry.get("integrity")] == []
    assert "://" not in json.dumps(locked)
