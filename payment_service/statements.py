"""The statements of a charge as SQL text: a file for both databases and one for each, read once."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "repositories" / "sql"
_NAMED = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


@dataclass(frozen=True)
class Statement:
    """One SQL statement: `text` with `:name` parameters, and in PostgreSQL's styles with the names in their order."""

    name: str
    text: str
    numbered: str  # $1, $2, ...: a name has one number
    names: tuple[str, ...]
    execute: str  # runs the statement once it is prepared
    formatted: str  # %s: a name stands as often as it is used
    places: tuple[str, ...]


@cache
def statements(database: str) -> dict[str, Statement]:
    """Return all statements for `postgresql` or `sqlite`, by name."""
    found: dict[str, Statement] = {}
    for file in ("common", database):
        _, *parts = _NAMED.split((_FOLDER / f"{file}.sql").read_text())
        found |= {name: _statement(name, text) for name, text in zip(parts[::2], parts[1::2], strict=True)}
    return found


def _statement(name: str, text: str) -> Statement:
    sql = _COMMENT.sub("", text.lstrip("\n")).strip().removesuffix(";")
    places = tuple(_PARAMETER.findall(sql))
    names = tuple(dict.fromkeys(places))
    return Statement(
        name,
        text=sql,
        numbered=_PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", sql),
        names=names,
        execute=f"EXECUTE {name} ({', '.join(['%s'] * len(names))})" if names else f"EXECUTE {name}",
        formatted=_PARAMETER.sub("%s", sql.replace("%", "%%")),
        places=places,
    )
