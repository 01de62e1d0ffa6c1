"""The statements of a charge as SQL text: a file for both databases and one for each, read once."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from payment_service.connection import Connection, Statement

_FOLDER = Path(__file__).parent / "sql"
_NAMED = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


@cache
def statements(database: str) -> dict[str, Statement]:
    """All statements for `postgresql` or `sqlite`, by name."""
    found: dict[str, Statement] = {}
    for file in ("common", database):
        _, *parts = _NAMED.split((_FOLDER / f"{file}.sql").read_text())
        found |= {name: _statement(name, text) for name, text in zip(parts[::2], parts[1::2], strict=True)}
    return found


def rows(connection: Connection, name: str, values: Mapping[str, Any]) -> Sequence[Any]:
    """The rows of a named statement."""
    return connection.rows(statements(connection.database)[name], values)


def one_or_none(connection: Connection, name: str, values: Mapping[str, Any]) -> Any:
    """The only row of a named statement, None where there is none."""
    found = rows(connection, name, values)
    return found[0] if found else None


def write(connection: Connection, name: str, values: Mapping[str, Any]) -> None:
    """Run a named statement that gives no rows."""
    connection.write(statements(connection.database)[name], values)


def _statement(name: str, text: str) -> Statement:
    sql = _COMMENT.sub("", text.lstrip("\n")).strip().removesuffix(";")
    places = tuple(_PARAMETER.findall(sql))
    names = tuple(dict.fromkeys(places))
    return Statement(
        name,
        text=sql,
        numbered=_PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", sql),
        names=names,
        formatted=_PARAMETER.sub("%s", sql.replace("%", "%%")),
        places=places,
    )
