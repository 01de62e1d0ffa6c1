"""The settings that production refuses, and the overrides by which an operator allows them by name."""

from collections.abc import Iterator
from dataclasses import fields
from itertools import combinations
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy.engine import URL, make_url

from payment_service import config_brokers as brokers
from payment_service import config_contents as contents
from payment_service import config_gateways as gateways
from payment_service import config_operators as operators
from payment_service.config_fields import Refusal, Violation, split

if TYPE_CHECKING:
    from payment_service.config import Settings

_SERVICES = (
    "trip_service_url",
    "driver_service_url",
    "rider_service_url",
    "notification_service_url",
    "trip_notification_service_url",
    "order_service_url",
    "inventory_service_url",
)
_RECEIVERS = ("trip_notification", "order", "inventory", "notification")
_ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})


def violations(settings: "Settings") -> Iterator[Violation]:
    """Yield each refusal that its override does not allow."""
    for override, variables, text in _refusals(settings):
        if override is None:
            yield variables, text
        elif not getattr(settings, override.lower()):
            yield variables, f"{text.removesuffix('.')} ({override}=true overrides)."


def overrides_in_use(settings: "Settings") -> list[str]:
    """Return the overrides without which production would not start."""
    if not settings.is_production:
        return []
    needed = {override for override, _, _ in _refusals(settings) if override}
    return sorted(override for override in needed if getattr(settings, override.lower()))


def _refusals(settings: "Settings") -> Iterator[Refusal]:
    yield from _secrets(settings)
    yield from _whole_service(settings)
    yield from _connections(settings)
    yield from gateways.refusals(settings)
    yield from brokers.refusals(settings)
    yield from operators.refusals(settings)


def _secrets(settings: "Settings") -> Iterator[Refusal]:
    for name, secrets in _made_here(settings).items():
        if (problem := next(filter(None, map(contents.secret_problem, secrets)), None)) is not None:
            yield None, (name,), problem
    for name, password in _made_elsewhere(settings).items():
        if contents.is_placeholder(password):
            yield None, (name,), "a placeholder is no password: production needs one that nobody can guess."
    every = {name: set(secrets) for name, secrets in _made_here(settings).items()}
    every |= {name: {password} for name, password in _made_elsewhere(settings).items()}
    for (one, ours), (other, theirs) in combinations(every.items(), 2):
        if ours & theirs:
            yield None, (one, other), "each use needs a secret of its own in production."
    if not (settings.jwt_secret_key or settings.jwt_public_key or settings.jwt_jwks_url):
        yield None, ("JWT_SECRET_KEY", "JWT_PUBLIC_KEY", "JWT_JWKS_URL"), "production needs one to verify tokens."


def _made_here(settings: "Settings") -> dict[str, tuple[str, ...]]:
    """Return the secrets that only programs read, by variable; a webhook has two while its secret is changed."""
    found = {
        "SECRET_KEY": (settings.secret_key,),
        "JWT_SECRET_KEY": (settings.jwt_secret_key,),
        "GATEWAY_TOKEN": (settings.gateway_token,),
    }
    given = {name: tuple(each for each in secrets if each is not None) for name, secrets in found.items()}
    if settings.journal_key:
        given["JOURNAL_KEY"] = tuple(secret for _, secret in settings.journal_key)
    for name in (each.name for each in fields(settings) if each.name.endswith("webhook_secret")):
        given[name.upper()] = split(getattr(settings, name) or "")
    return {name: secrets for name, secrets in given.items() if secrets}


def _made_elsewhere(settings: "Settings") -> dict[str, str]:
    """Return the passwords of accounts at other programs, by variable."""
    found = {
        "DB_PASS": make_url(settings.database_url).password,
        "RABBITMQ_PASSWORD": settings.rabbitmq_password
        if settings.rabbitmq_enabled and settings.rabbitmq_url is None
        else None,
        "RABBITMQ_URL": urlsplit(settings.rabbitmq_url or "").password,
        "KAFKA_SASL_PASSWORD": settings.kafka_sasl_password,
    }
    return {name: str(password) for name, password in found.items() if password}


def _whole_service(settings: "Settings") -> Iterator[Refusal]:
    if settings.debug:
        yield None, ("DEBUG",), "is refused in production."
    if settings.failpoints:
        yield None, ("FAILPOINTS",), "are refused in production."
    if "*" in settings.cors_origins:
        yield None, ("CORS_ORIGINS",), "'*' is refused in production; name the origins."
    if (settings.jwt_jwks_url or "https://").startswith("http://"):
        yield None, ("JWT_JWKS_URL",), "must be https:// in production."
    if settings.jwt_audience is None:
        yield "ALLOW_ANY_AUDIENCE", ("JWT_AUDIENCE",), "production needs the audience that tokens must name."


def _connections(settings: "Settings") -> Iterator[Refusal]:
    database = make_url(settings.database_url)
    if database.drivername == "sqlite":
        yield "ALLOW_SQLITE", ("DATABASE_URL", "DB_HOST"), "production needs PostgreSQL."
    elif not database.password:
        yield None, ("DATABASE_URL", "DB_PASS"), "an empty database password is refused in production."
    if not _is_private(database):
        yield (
            "ALLOW_PLAIN_DATABASE",
            ("DATABASE_URL", "DB_SSLMODE"),
            "production needs require, verify-ca or verify-full.",
        )
    plain = [name.upper() for name in _SERVICES if (getattr(settings, name) or "").startswith("http://")]
    if plain:
        yield "ALLOW_PLAIN_SERVICES", tuple(plain), "must be https:// in production."
    unsigned = [
        f"{name.upper()}_WEBHOOK_SECRET"
        for name in _RECEIVERS
        if getattr(settings, f"{name}_service_url") and not getattr(settings, f"{name}_webhook_secret")
    ]
    if unsigned and settings.webhook_secret is None:
        yield "ALLOW_UNSIGNED_WEBHOOKS", ("WEBHOOK_SECRET", *unsigned), "a receiver needs signed events in production."


def _is_private(database: URL) -> bool:
    """Return whether the way to the database is safe from strangers: a file, a Unix socket, or TLS."""
    if database.drivername == "sqlite" or (not database.host and "host" not in database.query):
        return True
    hosts = database.query.get("host", ())
    every = [database.host, *((hosts,) if isinstance(hosts, str) else hosts)]
    on_this_machine = all(host.startswith("/") for host in every if host)
    return on_this_machine or database.query.get("sslmode") in _ENCRYPTED
