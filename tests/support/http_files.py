"""Files of sample requests, as REST Client of VS Code, Visual Studio and httpYac read them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "requests"
_VARIABLE = re.compile(r"\{\{([^{}]+)\}\}")
_REQUEST = re.compile(r"(GET|POST|PATCH|PUT|DELETE) (\S+)$")
_SHOWN = re.compile(r"^# (\d{3}) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    """One request: its lines below a title, variables not yet filled in."""

    title: str
    lines: tuple[str, ...]

    @property
    def shown(self) -> tuple[int, Any]:
        """Status and body of the answer that is shown below the title."""
        (found,) = _SHOWN.findall("\n".join(self.lines))
        return int(found[0]), json.loads(found[1])

    @property
    def name(self) -> str:
        """By which later requests refer to its answer, "" without."""
        return "".join(re.findall(r"^# @name (\w+)$", "\n".join(self.lines), re.MULTILINE))

    def filled(self, variables: Mapping[str, str], answers: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a test client's `open()`: method, path, headers, body."""
        head, _, body = "\n".join(line for line in self.lines if not line.startswith("#")).partition("\n\n")
        first, *headers = [_fill(line, variables, answers) for line in head.splitlines() if line]
        method, address = _REQUEST.fullmatch(first).groups()  # type: ignore[union-attr]
        return {
            "method": method,
            "path": address,
            "headers": dict(header.split(": ", 1) for header in headers),
            "data": _fill(body.strip(), variables, answers) or None,
        }


@dataclass(frozen=True)
class SampleFile:
    """One file of them."""

    path: Path

    @cached_property
    def variables(self) -> dict[str, str]:
        """Return the variables that its first lines define."""
        return dict(re.findall(r"^@(\w+) = (.+)$", self.path.read_text(), re.MULTILINE))

    @cached_property
    def samples(self) -> list[Sample]:
        """Its requests, from top to bottom."""
        _, *parts = re.split(r"^### ", self.path.read_text(), flags=re.MULTILINE)
        return [Sample(title, tuple(lines)) for title, *lines in (part.splitlines() for part in parts)]


def sample_files() -> list[SampleFile]:
    """Return every file of sample requests."""
    return [SampleFile(path) for path in sorted(FOLDER.glob("*.http"))]


def _fill(text: str, variables: Mapping[str, str], answers: Mapping[str, Any]) -> str:
    """The text with its variables replaced: `{{host}}`, or `{{charge.response.body.$.payment_id}}` of an answer."""

    def value(found: re.Match[str]) -> str:
        name, _, rest = found[1].partition(".response.body.$.")
        if not rest:
            return variables[name]
        place = answers[name]
        for step in rest.split("."):
            place = place[step]
        return str(place)

    return _VARIABLE.sub(value, text)
