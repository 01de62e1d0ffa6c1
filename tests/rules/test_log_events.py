"""The table of log events in the documents has every event that the program logs, each once, and no other."""

import ast
import re
from collections import Counter
from collections.abc import Iterator

from tests.support.processes import ROOT

CALLS = {"debug", "info", "warning", "error", "critical", "exception", "log", "write", "run"}
"""The methods that log; `write` is one of them under another name, `run` calls one in another context."""
EVENT = re.compile(r"[a-z]+\.[a-z0-9_]+")
BARE = {"request"}
"""Events without a dot."""


def logged() -> Iterator[str]:
    """Yield the events of all calls that log."""
    for folder in ("payment_service", "migrations"):
        for path in (ROOT / folder).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text())):
                if isinstance(call, ast.Call) and _name(call.func) in CALLS:
                    yield from _events(call)


def _events(call: ast.Call) -> Iterator[str]:
    for argument in call.args[:2]:
        for node in ast.walk(argument):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if EVENT.fullmatch(text) or (text in BARE and _name(call.func) == "info"):
                yield text


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def documented() -> list[str]:
    """Return the events in the first column of the table."""
    page = ROOT / "docs" / "reference" / "logs.md"
    (table,) = re.findall(r"^\| event \| when \|\n\|---\|---\|\n((?:\|.*\n)+)", page.read_text(), re.MULTILINE)
    return [event for row in table.splitlines() for event in re.findall(r"`([a-z0-9_.]+)`", row.split(" | ")[0])]


def test_every_event_is_documented_once() -> None:
    known = documented()
    assert [event for event, times in Counter(known).items() if times > 1] == []
    assert sorted(known) == sorted(set(logged()))
