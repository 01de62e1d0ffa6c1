"""How the text of an environment variable becomes a value: one function per kind, used by config alone.

A fault's message says what is expected and never repeats what was given: the value may be a secret.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from environs import Env, ValidationError, validate
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_POSTGRESQL = "postgresql+psycopg2"
# SQLAlchemy's plain "postgresql" means another driver from 2.1 on, and "postgres" none at all; the checkout document
# names asyncpg, which a synchronous service cannot use.
_DRIVERS = {
    "postgres": _POSTGRESQL,
    "postgresql": _POSTGRESQL,
    "postgresql+asyncpg": _POSTGRESQL,
    _POSTGRESQL: _POSTGRESQL,
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
}
PORT = validate.Range(min=1, max=65535)
_SHORTEST_RSA_KEY = 2048  # bits; RFC 7518 §3.3
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")

# HS256 needs a key as long as its digest (RFC 7518 §3.2); the same floor serves every secret.
_MINIMUM_SECRET_BYTES = 32
# Long is not enough: templates and tutorials are full of long secrets that everybody knows.
_PLACEHOLDERS = ("change-me", "changeme", "change_me", "replace", "example", "placeholder", "insecure", "secret-key")
_FEWEST_DIFFERENT_CHARACTERS = 10


def http_url(text: str) -> str:
    """An http(s) address with a host; a trailing slash is dropped, so that paths can be appended."""
    fault = ValidationError("must be an http:// or https:// address without query or fragment.")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise fault from error
    if parts.scheme not in ("http", "https") or not host or port == 0 or parts.query or parts.fragment:
        raise fault
    if not text.isprintable() or " " in text:
        raise fault
    return text.rstrip("/")


OTHERS_PREFIXES = frozenset({"/api", "/api/v1", "/ops"})
"""Under these `/payments` belongs to bookings, checkout and operators: the trips' paths there would open theirs."""


def prefix(text: str) -> str:
    """A path such as /v1, none under which another document has its payments."""
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", text):
        raise ValidationError("must be a path such as /v1.")
    if text.rstrip("/") in OTHERS_PREFIXES:
        raise ValidationError("belongs to the payments of bookings or checkout, or to operators.")
    return text.rstrip("/")


def word(text: str, words: tuple[str, ...]) -> str:
    """One of `words`, given in any case, returned as listed."""
    listed = {word.lower(): word for word in words}
    if text.strip().lower() not in listed:
        raise ValidationError(f"must be one of {', '.join(words)}.")
    return listed[text.strip().lower()]


def word_set(text: str, words: tuple[str, ...]) -> frozenset[str]:
    """A comma separated selection of `words`."""
    return frozenset(word(part, words) for part in text.split(",") if part.strip())


def addresses(text: str) -> tuple[str, ...]:
    """A comma separated list of host:port."""
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    matches = [_HOST_AND_PORT.fullmatch(part) for part in parts]
    if not parts or not all(match and 0 < int(match[2]) < 65536 for match in matches):
        raise ValidationError("must be host:port, or several separated by commas.")
    return parts


def bind(text: str) -> tuple[str, ...]:
    """A comma separated list of host:port and unix:/path, as gunicorn takes them."""
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    ports = ",".join(part for part in parts if not part.startswith("unix:/"))
    if ports or not parts:
        addresses(ports)
    return parts


def brokers(text: str) -> str:
    """A comma separated list of host:port, kept as one text: the form Kafka's client takes."""
    return ",".join(addresses(text))


def origins(text: str) -> tuple[str, ...]:
    """Origins allowed by CORS: separated by commas, or a JSON list as the checkout document writes it."""
    fault = ValidationError("must be origins such as https://shop.example.com, separated by commas.")
    try:
        listed = json.loads(text) if text.lstrip().startswith("[") else text.split(",")
        found = tuple(origin.strip() for origin in listed if origin.strip())
    except (ValueError, AttributeError, RecursionError) as error:
        raise fault from error
    if not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in found):
        raise fault
    return found


def public_key(text: str) -> str:
    """A PEM public key (RSA of at least 2048 bits, or EC on P-256); a backslash and n may stand for a line end."""
    pem = text.replace("\\n", "\n").strip() + "\n"
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, TypeError) as error:
        raise ValidationError("must be a PEM public key.") from error
    strong_rsa = isinstance(key, rsa.RSAPublicKey) and key.key_size >= _SHORTEST_RSA_KEY
    if not strong_rsa and not (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"):
        raise ValidationError("must be an RSA key of at least 2048 bits or an EC key on P-256.")
    return pem


def database_url(text: str) -> str:
    """A database address for SQLAlchemy: PostgreSQL through psycopg2, or SQLite by an absolute path."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ValidationError("must be a database address such as postgresql://user:password@host/name.") from error
    if url.drivername not in _DRIVERS:
        raise ValidationError("must begin with postgresql:// or sqlite:///.")
    normalised = _absolute(url) if _DRIVERS[url.drivername] == "sqlite" else _psycopg2(url)
    return normalised.render_as_string(hide_password=False)


def _psycopg2(url: URL) -> URL:
    query = dict(url.query)
    if "ssl" in query:  # asyncpg's word for libpq's sslmode, with the same values
        query["sslmode"] = query.pop("ssl")
    return url.set(drivername=_POSTGRESQL, query=query)


def _absolute(url: URL) -> URL:
    """An absolute path means the same file to every process and to Flask-SQLAlchemy, which has its own idea of `./`."""
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        return url.set(drivername="sqlite")
    return url.set(drivername="sqlite", database=str(Path(url.database).resolve()))


def weakness(secret: str) -> str | None:
    """Why a text is no secret for production, None where it may be one."""
    if len(secret.encode()) < _MINIMUM_SECRET_BYTES:
        return f"a secret of at least {_MINIMUM_SECRET_BYTES} bytes is needed in production."
    if any(part in secret.lower() for part in _PLACEHOLDERS) or len(set(secret)) < _FEWEST_DIFFERENT_CHARACTERS:
        return "a placeholder is no secret: make a random one for production."
    return None


class Reader(Env):
    """Reads variables from the mapping it is given (never from the process) and collects every fault until `seal()`.

    An empty text counts as not set: that is how compose files and .env templates write "nothing".
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(eager=False)
        self._given = environ
        for parse in (http_url, prefix, word, word_set, addresses, bind, brokers, origins, public_key, database_url):
            self.add_parser(parse.__name__, partial(_unless_default, parse))

    def database(self) -> str:
        """DATABASE_URL, else the trips document's DB_HOST, DB_PORT, ... (any of them), else a file below `var/`."""
        url: str | None = self.database_url("DATABASE_URL", None)
        names = ("DB_HOST", "DB_NAME", "DB_USER", "DB_PASS", "DB_PASSWORD")
        parts = {name: self.str(name, "") or None for name in names}
        port = self.int("DB_PORT", None, validate=PORT)
        if url:
            return url
        if not port and not any(parts.values()):
            return f"sqlite:///{Path.cwd() / 'var' / 'payments.db'}"
        return URL.create(
            _POSTGRESQL,
            host=parts["DB_HOST"] or "localhost",
            port=port or 5433,  # the trips document's, not PostgreSQL's own
            database=parts["DB_NAME"] or "postgres",
            username=parts["DB_USER"] or "postgres",
            password=parts["DB_PASS"] or parts["DB_PASSWORD"],
        ).render_as_string(hide_password=False)

    def listening(self) -> tuple[str, ...]:
        """BIND, else 127.0.0.1 with SERVICE_PORT, PORT or 8082."""
        service_port, port = (self.int(name, None, validate=PORT) for name in ("SERVICE_PORT", "PORT"))
        given: tuple[str, ...] | None = self.bind("BIND", None)
        return given or (f"127.0.0.1:{service_port or port or 8082}",)

    def _get_value(self, env_key: str, default: Any) -> Any:
        return self._given.get(env_key) or default


def _unless_default(parse: Callable[..., Any], value: Any, **options: Any) -> Any:
    """Defaults pass through the parser as well; those that are no text are values already."""
    return parse(value, **options) if isinstance(value, str) else value
