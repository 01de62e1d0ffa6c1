"""Statements that every request sends: compiled once, and on PostgreSQL planned once for each connection.

Compiling and planning cost more than most of these statements themselves. Where a pooler stands between, a connection
is another one a moment later and can be taught nothing: there they travel as text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any

from sqlalchemy import ClauseElement, Connection, Executable
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg2
from sqlalchemy.types import TypeEngine

from payment_service.outgoing import hold, send

Row = Sequence[Any]
Processor = Callable[[Any], Any] | None

_DIALECTS = {
    "postgresql": psycopg2.dialect(paramstyle="numeric_dollar"),  # type: ignore[no-untyped-call]
    "sqlite": sqlite.dialect(paramstyle="qmark"),
}
_NUMERIC = 1700
"""The type by which PostgreSQL tells amounts, which the driver reads as decimals already."""

_numbers = count()


@dataclass(frozen=True)
class _Form:
    """A statement as one database takes it: the names and writers of its parameters in order, its columns' readers."""

    text: str
    names: Sequence[str]
    defaults: Mapping[str, Any]
    types: str
    writers: Sequence[Processor]
    readers: Sequence[tuple[int, Callable[[Any], Any]]]

    def values(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """The parameters as the driver takes them; absent ones are those the statement was built with."""
        given = parameters if not self.defaults else {**self.defaults, **parameters}
        return tuple(
            [
                given[name] if writer is None else writer(given[name])
                for name, writer in zip(self.names, self.writers, strict=True)
            ]
        )

    def read(self, rows: Sequence[Any]) -> Sequence[Row]:
        """The rows' values as the columns' types mean them."""
        if not self.readers:
            return rows
        told = [list(row) for row in rows]
        for row in told:
            for at, reader in self.readers:
                row[at] = reader(row[at])
        return told


class Prepared:
    """A statement with named parameters; `rows()` sends it. It does not change once it was built."""

    def __init__(self, statement: Executable, *, gives_rows: bool = True) -> None:
        self._statement, self._gives_rows = statement, gives_rows
        self._name = f"s{next(_numbers)}"

    def rows(self, connection: Connection, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """All rows of the answer, their values in the order of the columns; none for a statement that gives none."""
        if connection.dialect.name == "sqlite":
            form, text = self._on_sqlite, self._on_sqlite.text
        elif _keeps_statements(connection):
            form, text = self._on_postgresql, self._execute
            self._teach(connection, form)
        else:
            result = connection.execute(self._statement, parameters)
            return result.all() if self._gives_rows else ()
        if self._gives_rows:
            return form.read(send(connection, text, form.values(parameters), fetch=True))
        hold(connection, text, form.values(parameters))
        return ()

    def one_or_none(self, connection: Connection, parameters: Mapping[str, Any]) -> Row | None:
        """The only row of the answer, None where there is none."""
        found = self.rows(connection, parameters)
        return found[0] if found else None

    def _teach(self, connection: Connection, form: _Form) -> None:
        """A connection that does not know the statement yet is told it; it forgets it with its end, and not before."""
        known = connection.info["statements"]
        if self._name not in known:
            types = f" ({form.types})" if form.types else ""
            send(connection, f"PREPARE {self._name}{types} AS {form.text}", (), fetch=False)
            known.add(self._name)

    @cached_property
    def _execute(self) -> str:
        places = ", ".join("%s" for _ in self._on_postgresql.names)
        return f"EXECUTE {self._name} ({places})" if places else f"EXECUTE {self._name}"

    @cached_property
    def _on_postgresql(self) -> _Form:
        return _form(self._statement, "postgresql")

    @cached_property
    def _on_sqlite(self) -> _Form:
        return _form(self._statement, "sqlite")


def _keeps_statements(connection: Connection) -> bool:
    """Whether the session behind a connection is its own for as long as it lives."""
    info = connection.info
    if "statements" not in info:
        driver: Any = connection.connection.driver_connection
        # A pooler says a number of its own when somebody connects: it does not know yet who will serve them.
        direct = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() == driver.info.backend_pid
        info["statements"] = set() if direct else None
    return info["statements"] is not None


def _form(statement: Executable, name: str) -> _Form:
    assert isinstance(statement, ClauseElement)  # noqa: S101 - every statement of SQLAlchemy Core is one
    dialect: Any = _DIALECTS[name]
    compiled: Any = statement.compile(dialect=dialect)
    names = compiled.positiontup
    if name == "postgresql":
        names = list(dict.fromkeys(names))  # `$1` may stand in several places
    types: list[TypeEngine[Any]] = [compiled.binds[each].type for each in names]
    columns = [column.type for column in getattr(statement, "exported_columns", ())]
    readers = [(at, _reader(each, dialect)) for at, each in enumerate(columns)]
    return _Form(
        text=str(compiled),
        names=names,
        defaults={each: value for each, value in compiled.params.items() if value is not None},
        types=", ".join(_type_name(each, dialect) for each in types) if name == "postgresql" else "",
        writers=[each.dialect_impl(dialect).bind_processor(dialect) for each in types],
        readers=[(at, reader) for at, reader in readers if reader is not None],
    )


def _reader(column: TypeEngine[Any], dialect: Any) -> Processor:
    return column.dialect_impl(dialect).result_processor(dialect, _NUMERIC)


def _type_name(of: TypeEngine[Any], dialect: Any) -> str:
    return "unknown" if of._isnull else dialect.type_compiler_instance.process(of)  # noqa: SLF001
