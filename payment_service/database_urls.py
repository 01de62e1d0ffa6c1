"""The address of a database: its spellings, its hosts, its parameters.

A fault is a ValidationError. Its message names the expected form and parameters by name, never a value.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg2
from marshmallow import ValidationError
from psycopg2.extensions import parse_dsn
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

POSTGRESQL = "postgresql+psycopg2"
# From SQLAlchemy 2.1 on plain "postgresql" means another driver, and "postgres" none at all; the checkout document
# names asyncpg, which a synchronous service cannot use.
_POSTGRESQL_DRIVERS = frozenset({"postgres", "postgresql", "postgresql+asyncpg", POSTGRESQL})
_SQLITE_DRIVERS = frozenset({"sqlite", "sqlite+pysqlite"})
_SQLITE_PARAMETERS = frozenset({"uri", "mode", "cache", "vfs", "nolock"})

_PORTS_BY_HOST = re.compile(
    r"(?P<scheme>[^:/]+://)(?P<user>[^@]*@)?(?P<hosts>[^/?@]*:[0-9]+,[^/?@]*)(?P<rest>.*)", re.DOTALL
)
"""libpq's own form of several hosts, `host1:port1,host2:port2`, which SQLAlchemy does not read."""
_HOST = re.compile(r"\[?(?P<host>[^\[\]]*?)\]?(?::(?P<port>[0-9]+))?")

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_REPEATABLE = frozenset({"host", "port", "options"})
_ANY = re.compile(r".*", re.DOTALL)
_NUMBER = re.compile(r"[0-9]+")
_VALUES = {
    "sslmode": re.compile("|".join(SSL_MODES)),
    "target_session_attrs": re.compile(r"any|read-write|primary"),  # a service that writes needs a primary
    "connect_timeout": _NUMBER,
    "keepalives": _NUMBER,
    "keepalives_idle": _NUMBER,
    "keepalives_interval": _NUMBER,
    "keepalives_count": _NUMBER,
    "tcp_user_timeout": _NUMBER,
}
"""Parameters with a check here: otherwise only each connection would notice a wrong value."""


def parse(text: str) -> str:
    """Parse a database address for SQLAlchemy: PostgreSQL through psycopg2, or SQLite by an absolute path."""
    try:
        url = _with_hosts_apart(text)
    except (ArgumentError, ValueError) as error:
        raise ValidationError("must be a database address such as postgresql://user:password@host/name.") from error
    if url.drivername in _POSTGRESQL_DRIVERS:
        return postgresql(url)
    if url.drivername in _SQLITE_DRIVERS:
        return _sqlite(url)
    raise ValidationError("must begin with postgresql:// or sqlite:///.")


def postgresql(url: URL) -> str:
    """Return the address of a PostgreSQL server, or of several of which one takes writes."""
    # asyncpg's word for libpq's sslmode is ssl, with the same values.
    query = {"sslmode" if name == "ssl" else name: value for name, value in url.query.items()}
    if unknown := sorted(name for name in query if not _is_known(name)):
        raise ValidationError(f"has parameters that PostgreSQL does not know: {', '.join(unknown)}.")
    for name, value in query.items():
        if name not in _REPEATABLE and not (isinstance(value, str) and _VALUES.get(name, _ANY).fullmatch(value)):
            raise ValidationError(f"{name} must be given once, as {_VALUES.get(name, _ANY).pattern}.")
    if len(list(_hosts(url))) > 1:
        query = {"target_session_attrs": "read-write", **query}  # otherwise libpq takes a standby that answers first
    url = url.set(drivername=POSTGRESQL, query=query)
    try:
        url.get_dialect()().create_connect_args(url)
    except (ArgumentError, ValueError) as error:
        raise ValidationError("must have one port for all hosts, or one for each.") from error
    return url.render_as_string(hide_password=False)


def _sqlite(url: URL) -> str:
    if unknown := sorted(url.query.keys() - (_SQLITE_PARAMETERS if "uri" in url.query else set())):
        raise ValidationError(f"has parameters that SQLite does not know: {', '.join(unknown)}.")
    # An absolute path is the same file for every process and for Flask-SQLAlchemy, which resolves `./` differently.
    is_file = url.database and url.database != ":memory:" and not url.database.startswith("file:")
    path = str(Path(url.database or "").resolve()) if is_file else url.database
    if is_file and path and not Path(path).parent.is_dir():
        directory(str(Path(path).parent))  # checks that the service can make it
    return url.set(drivername="sqlite", database=path).render_as_string(hide_password=False)


def directory(text: str) -> str:
    """Parse a directory in which this process may write, or that it can make."""
    place = Path(text).absolute()
    there = next(path for path in (place, *place.parents) if os.path.lexists(path))
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise ValidationError("must be, or lie in, a directory in which this process may write.")
    return text


def _with_hosts_apart(text: str) -> URL:
    found = _PORTS_BY_HOST.fullmatch(text)
    if found is None:
        return make_url(text)
    places = [_HOST.fullmatch(place) for place in found["hosts"].split(",")]
    if not all(place and place["host"] for place in places):
        raise ValueError("a host without a name")
    hosts = ",".join(place["host"] for place in places if place)
    ports = ",".join(place["port"] or "5432" for place in places if place)
    url = make_url(f"{found['scheme']}{found['user'] or ''}{found['rest']}")
    return url.update_query_dict({"host": hosts, "port": ports})


def _hosts(url: URL) -> Iterator[str]:
    named = url.query.get("host", ())
    for hosts in (url.host or "", *((named,) if isinstance(named, str) else named)):
        yield from filter(None, hosts.split(","))


def _is_known(name: str) -> bool:
    """Return whether libpq, which carries the driver, knows a parameter."""
    try:
        parse_dsn(f"{name}=x")
    except psycopg2.ProgrammingError:
        return False
    return True
