"""Parsers of environment variables: one function per kind of text, used by config alone.

A parser raises ValidationError. Its message names the expected form and never the value, which may be a secret.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from marshmallow import ValidationError, fields, validate
from sqlalchemy.engine import URL

from payment_service import database_urls

_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")


CHANNELS = ("trips", "bills", "bookings", "orders", "checkout")

Parser = Callable[[str], Any]

Violation = tuple[tuple[str, ...], str]
"""The variables that break a rule together, and the rule: it names settings and limits, never a secret."""

Refusal = tuple[str | None, tuple[str, ...], str]
"""A refusal of production: the variable that overrides it, if one does; then as in a Violation."""


def var(default: Any, parser: Parser = str, *, name: str = "", secret: bool = False) -> Any:
    """Return a field of settings, read by `parser` from the variable `name` (default: the attribute in capitals)."""
    return field(default=default, repr=not secret, metadata={"name": name, "parser": parser})


def _number(kind: type[fields.Number[Any]], low: float, high: float, *, min_inclusive: bool = True) -> Parser:
    return kind(validate=validate.Range(low, high, min_inclusive=min_inclusive)).deserialize


integer, real, decimal = (partial(_number, kind) for kind in (fields.Integer, fields.Float, fields.Decimal))
boolean: Parser = fields.Boolean().deserialize
port = integer(1, 65535)
directory = database_urls.directory
topic: Parser = fields.String(validate=validate.Regexp(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}\Z")).deserialize


def http_url(text: str) -> str:
    """Parse an http(s) address with a host; a trailing slash is dropped, so that paths can be appended."""
    fault = ValidationError("must be an http:// or https:// address without query or fragment.")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")  # no label is empty or too long
    except ValueError as error:
        raise fault from error
    if parts.scheme not in ("http", "https") or not host or port == 0 or parts.query or parts.fragment:
        raise fault
    if not text.isprintable() or " " in text:
        raise fault
    return text.rstrip("/")


def gateway_url(text: str) -> str:
    """Parse an http(s) address without a name and password: the gateway's transport sends none."""
    if "@" in urlsplit(http_url(text)).netloc:
        raise ValidationError("must be an address without a name and password.")
    return http_url(text)


def host(text: str) -> str:
    """Parse a host name or an address."""
    bracketed = f"[{text}]" if ":" in text else text
    try:
        if http_url(f"http://{bracketed}") and not {*"/@[]"} & {*text}:
            return text
    except ValidationError:
        pass
    raise ValidationError("must be a host name or an address.")


RESERVED_PREFIXES = frozenset({"/api", "/api/v1", "/ops"})
"""Under these `/payments` belongs to bookings, checkout and operators: the trips' paths there would open theirs."""
CALLERS_PATHS = re.compile(r"/ops/|(/v1)?/(payments|idempotency-keys)/|/api(/v1)?/payments/")
"""Paths below these hold a caller's text or an operator's page; the proxy does not look for metrics there."""


def route_prefix(text: str) -> str:
    """Parse a path such as /v1, but not a reserved one."""
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", text):
        raise ValidationError("must be a path such as /v1.")
    if text.rstrip("/") in RESERVED_PREFIXES or CALLERS_PATHS.match(f"{text}/"):
        raise ValidationError("belongs to the payments of the channels, or to operators.")
    return text.rstrip("/")


def choice(*words: str) -> Callable[[str], str]:
    """Return a parser for one of `words`, given in any case, returned as listed."""
    listed = {word.lower(): word for word in words}

    def parse(text: str) -> str:
        if text.strip().lower() not in listed:
            raise ValidationError(f"must be one of {', '.join(words)}.")
        return listed[text.strip().lower()]

    return parse


def choices(*words: str) -> Callable[[str], frozenset[str]]:
    """Return a parser for a comma separated selection of `words`."""
    parse = choice(*words)
    return lambda text: frozenset(map(parse, split(text)))


def channels(*words: str) -> Callable[[str], frozenset[str]]:
    """Return a parser for a comma separated selection of `words`, with `*` for all of them."""
    parse = choices(*words)
    return lambda text: frozenset(words) if text.strip() == "*" else parse(text)


ANONYMOUS = "anonymous"
"""In an alias: the caller of an open channel without a token."""


def aliases(text: str) -> tuple[tuple[str, str], ...]:
    """Parse a comma separated list of new-subject=old-subject; "" stands for an old one that is `anonymous`.

    In a subject %2C is a comma, %3D an equals sign and %25 a percent sign.
    """
    pairs = [part.split("=") for part in split(text)]
    if not all(len(pair) == 2 and all(subject.strip() for subject in pair) for pair in pairs):
        raise ValidationError("must be new-subject=old-subject, or several separated by commas.")
    old_of = {_subject(new): _subject(old) for new, old in pairs}
    if len(old_of) < len(pairs) or "" in old_of or not old_of.keys().isdisjoint(old_of.values()):
        raise ValidationError("must give each new subject one old subject, which has no alias itself.")
    return tuple(old_of.items())


def _subject(text: str) -> str:
    return "" if text.strip() == ANONYMOUS else unquote(text.strip())


def addresses(text: str) -> tuple[str, ...]:
    """Parse a comma separated list of host:port."""
    parts = split(text)
    matches = [_HOST_AND_PORT.fullmatch(part) for part in parts]
    if not parts or not all(match and 0 < int(match[2]) < 65536 for match in matches):
        raise ValidationError("must be host:port, or several separated by commas.")
    return parts


def brokers(text: str) -> str:
    """Parse a comma separated list of host:port, and return it as one text, the form that Kafka's client takes."""
    return ",".join(addresses(text))


def bind(text: str) -> tuple[str, ...]:
    """Parse a comma separated list of host:port and unix:/path, as gunicorn takes them."""
    parts = split(text)
    ports = ",".join(part for part in parts if not part.startswith("unix:/"))
    if ports or not parts:
        addresses(ports)
    return parts


def origins(text: str) -> tuple[str, ...]:
    """Parse origins allowed by CORS: separated by commas, or a JSON list as the checkout document writes it."""
    fault = ValidationError("must be origins such as https://shop.example.com, separated by commas.")
    try:
        found = split(",".join(json.loads(text)) if text.lstrip().startswith("[") else text)
    except (ValueError, TypeError, RecursionError) as error:
        raise fault from error
    if not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in found):
        raise fault
    return found


class Reader:
    """Reads variables from the mapping it is given (never from the process) and collects every fault by variable.

    An empty text counts as not set: that is how compose files and .env templates write "nothing".
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: dict[str, str] = {}

    def read(self, name: str, default: Any, parser: Parser = str) -> Any:
        """Return the parsed value of a variable, or the default: unset, or not parsed, which is a fault."""
        given = self._environ.get(name)
        if not given:
            return default
        try:
            given.encode()
            return parser(given)
        except UnicodeEncodeError:
            self.faults[name] = "must be text in UTF-8."
            return default
        except ValidationError as error:
            self.faults[name] = " ".join(map(str, error.messages))
            return default

    def database_url(self) -> str:
        """Return DATABASE_URL, or the trips document's DB_HOST, DB_PORT, ... (any of them), or a file below `var/`."""
        url: str | None = self.read("DATABASE_URL", None, database_urls.parse)
        host, name, user = (self.read(f"DB_{part}", "") for part in ("HOST", "NAME", "USER"))
        password = self.read("DB_PASS", "") or self.read("DB_PASSWORD", None)
        db_port = self.read("DB_PORT", None, port)
        sslmode = self.read("DB_SSLMODE", None, choice(*database_urls.SSL_MODES))
        if url:
            return url
        if not (host or name or user or password or db_port):
            return f"sqlite:///{Path.cwd() / 'var' / 'payments.db'}"
        return database_urls.postgresql(
            URL.create(
                database_urls.POSTGRESQL,
                host=host or "localhost",
                port=db_port or 5433,  # the trips document's, not PostgreSQL's own
                database=name or "postgres",
                username=user or "postgres",
                password=password,
                query={"sslmode": sslmode} if sslmode else {},
            )
        )

    def bind(self) -> tuple[str, ...]:
        """Return BIND, or 127.0.0.1 with SERVICE_PORT, PORT or 8082."""
        service_port, any_port = (self.read(name, None, port) for name in ("SERVICE_PORT", "PORT"))
        default = (f"127.0.0.1:{service_port or any_port or 8082}",)
        return cast("tuple[str, ...]", self.read("BIND", default, bind))


def split(text: str) -> tuple[str, ...]:
    """Return the parts of a comma separated list, without blanks and without empty ones."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
