"""Settings: every environment variable once, typed; all faults are reported together, none with its value.

A process starts with `Settings.from_env(os.environ)`. A test builds `Settings(database_url=...)` directly, or takes
`dataclasses.replace` of one: only `from_env` checks the rules that join several variables.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal, get_args

from payment_service import config_brokers as brokers
from payment_service import config_contents as contents
from payment_service import config_fields as parse
from payment_service import config_gateways as gateways
from payment_service import config_operators as operators
from payment_service import config_production as production
from payment_service.config_fields import CHANNELS, Violation, var

_OF_SERVICES = ("trips", "bills", "orders", "checkout")
Environment = Literal["development", "testing", "production"]

DEVELOPMENT_SECRET_KEY = "dev-secret-key"  # noqa: S105 - the documents' public default, refused in production
DEVELOPMENT_JWT_SECRET_KEY = "jwt-secret-key"  # noqa: S105 - likewise; the bookings document's clients sign with it

_SECONDS = parse.real(0, 86400, min_inclusive=False)
_COUNT = parse.integer(1, 1000)
_TARIFF = parse.decimal(0, 100000)


class ConfigurationError(Exception):
    """The environment has faults; `faults` has one sentence for each, naming its variables, not values."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(("the environment is not fit to start with:", *(f"  {fault}" for fault in faults))))


@dataclass(frozen=True)
class Settings(gateways.GatewaySettings, brokers.BrokerSettings, operators.OperatorSettings):
    """The settings of a process. Times are seconds unless the name says otherwise; None means "off".

    `database_url` is ready for SQLAlchemy (`postgresql+psycopg2://` or `sqlite:///` with an absolute path).
    `trip_notification_service_url` falls back to `notification_service_url`. Secrets do not appear when the settings
    are printed. The settings of gateways, brokers and operators are inherited.
    """

    database_url: str = field(repr=False)
    environment: Environment = field(default="development")
    debug: bool = var(False, parse.boolean)
    log_level: str = var("INFO", parse.choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
    bind: tuple[str, ...] = field(default=("127.0.0.1:8082",))
    service_name: str = var("payment-service")
    service_version: str = var("1.0.0")
    api_prefix: str = var("/v1", parse.route_prefix)
    secret_key: str = var(DEVELOPMENT_SECRET_KEY, secret=True)
    v1_default_channel: str = var("bills", parse.choice("bills", "orders", "trips"))
    checkout_status_case: str = var("lower", parse.choice("lower", "upper"))
    cors_origins: tuple[str, ...] = var((), parse.origins)

    # Charging exactly once: how long a stored response is kept, how long a repeat waits, how long a lease lasts.
    idempotency_key_ttl: int = var(86400, parse.integer(1, 10 * 366 * 86400))
    idempotency_wait: float = var(2.0, parse.real(0, 20))
    lease_seconds: float = var(30.0, _SECONDS)
    recover_interval: float = var(1.0, _SECONDS)

    # How long a payment waits for its caller to charge it: for every channel (""), and for those that are named.
    pending_ttl: contents.SecondsByWord = var((("", 86400.0), ("orders", 3600.0)), contents.seconds_of(*CHANNELS))  # noqa: RUF009
    duplicate_refund_seconds: float = var(30.0, parse.real(0, 86400))
    keyless_answer_seconds: float = var(8.0, parse.real(0, 20))

    trip_service_url: str | None = var(None, parse.http_url)
    driver_service_url: str | None = var(None, parse.http_url)
    rider_service_url: str | None = var(None, parse.http_url)
    notification_service_url: str | None = var(None, parse.http_url)
    trip_notification_service_url: str | None = var(None, parse.http_url)
    order_service_url: str | None = var(None, parse.http_url)
    inventory_service_url: str | None = var(None, parse.http_url)
    webhook_secret: str | None = var(None, contents.webhook_secrets, secret=True)
    trip_notification_webhook_secret: str | None = var(None, contents.webhook_secrets, secret=True)
    order_webhook_secret: str | None = var(None, contents.webhook_secrets, secret=True)
    inventory_webhook_secret: str | None = var(None, contents.webhook_secrets, secret=True)
    notification_webhook_secret: str | None = var(None, contents.webhook_secrets, secret=True)
    base_fare: Decimal = var(Decimal("5.0"), _TARIFF)  # noqa: RUF009 - a field like the others
    rate_per_km: Decimal = var(Decimal("2.5"), _TARIFF)  # noqa: RUF009

    # The service verifies tokens and never issues them. Without a key, the default secret holds outside production.
    auth_open_channels: frozenset[str] = field(default=frozenset(_OF_SERVICES))
    # The channels that still admit plain tokens, without a scope; production asks for scopes.
    auth_scopes_optional: frozenset[str] = var(frozenset(), parse.choices(*_OF_SERVICES))
    # A subject may use an older one's keys and payments: new subject, old subject ("" for the anonymous caller).
    key_scope_aliases: tuple[tuple[str, str], ...] = var((), parse.aliases)
    jwt_secret_key: str | None = var(None, secret=True)
    jwt_public_key: str | None = var(None, contents.public_key)
    jwt_jwks_url: str | None = var(None, parse.http_url)
    jwt_audience: str | None = var(None)
    jwt_issuer: str | None = var(None)
    # Judged here; `http_client` takes it from the library that it names.
    requests_ca_bundle: str | None = var(None, contents.readable_file)
    # The journal's chain: pairs of id and secret, of which the first signs; the key of extracts for auditors.
    journal_key: tuple[tuple[str, str], ...] = var((), contents.journal_keys, secret=True)
    journal_signing_key: str | None = var(None, contents.signing_key, secret=True)

    # Overrides: each allows a setting that production refuses, with a warning at each start.
    allow_sqlite: bool = var(False, parse.boolean)
    allow_plain_database: bool = var(False, parse.boolean)
    allow_plain_services: bool = var(False, parse.boolean)
    allow_unsigned_webhooks: bool = var(False, parse.boolean)
    allow_any_audience: bool = var(False, parse.boolean)
    failpoints: str = var("", contents.armed_failpoints)
    web_workers: int = var(2, _COUNT, name="WEB_CONCURRENCY")
    web_threads: int = var(8, _COUNT)
    gunicorn_timeout: int = var(25, _COUNT)
    drain_seconds: float = var(0.0, parse.real(0, 300))
    request_read_seconds: float = var(10.0, parse.real(0, 300, min_inclusive=False))
    nginx_timeout: int = var(28, _COUNT)
    db_pool_size: int = var(8, _COUNT)
    prometheus_multiproc_dir: str | None = var(
        None, parse.directory
    )  # its client library looks at it, too; None: one process

    @property
    def is_production(self) -> bool:
        """True if the strict rules hold."""
        return self.environment == "production"

    def pending_seconds(self, channel: str) -> float:
        """Return the seconds that a payment of a channel waits to be charged; 0: as long as its caller likes."""
        seconds = dict(self.pending_ttl)
        return seconds.get(channel, seconds[""])

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read and check the environment (`os.environ`, or any mapping of texts).

        Raises ConfigurationError with *every* fault: unreadable values, and rules that join variables. DATABASE_URL
        wins over DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASS (or DB_PASSWORD), DB_SSLMODE; none of them: an SQLite file
        under the working directory. SERVICE_PORT wins over PORT, BIND over both, ENVIRONMENT over FLASK_ENV.
        """
        reader = parse.Reader(environ)
        # The default stands in for an unreadable value, so that the rules still find the other faults.
        settings = cls(**_read_all(reader, environ))
        broken = [*_contradictions(settings, environ), *gateways.contradictions(settings)]
        broken += [*brokers.contradictions(settings), *operators.contradictions(settings), *_time_limits(settings)]
        if settings.is_production:
            broken += production.violations(settings)
        faults = [f"{name}: {text}" for name, text in reader.faults.items()]
        faults += [f"{', '.join(names)}: {text}" for names, text in broken if not reader.faults.keys() & set(names)]
        if faults:
            raise ConfigurationError(faults)
        return settings


def _read_all(reader: parse.Reader, environ: Mapping[str, str]) -> dict[str, Any]:
    variables = [(each.metadata["name"] or each.name.upper(), each) for each in fields(Settings) if each.metadata]
    values = {each.name: reader.read(name, each.default, each.metadata["parser"]) for name, each in variables}
    name = "ENVIRONMENT" if environ.get("ENVIRONMENT") else "FLASK_ENV"
    values["environment"] = reader.read(name, "development", parse.choice(*get_args(Environment)))
    values["database_url"] = reader.database_url()
    values["bind"] = reader.bind()
    values["db_pool_size"] = reader.read("DB_POOL_SIZE", values["web_threads"], _COUNT)
    values["log_level"] = "DEBUG" if values["debug"] else values["log_level"]  # it "enables debug logs"
    values["trip_notification_service_url"] = (
        values["trip_notification_service_url"] or values["notification_service_url"]
    )
    strict = values["environment"] == "production"
    # Unlike in other variables, an empty text is a value here: no channel is open.
    default = frozenset(() if strict or "AUTH_OPEN_CHANNELS" in environ else _OF_SERVICES)
    values["auth_open_channels"] = reader.read("AUTH_OPEN_CHANNELS", default, parse.choices(*CHANNELS))
    if strict:
        values["secret_key"] = reader.read("SECRET_KEY", "")
    elif not any(values[name] for name in ("jwt_secret_key", "jwt_public_key", "jwt_jwks_url")):
        values["jwt_secret_key"] = DEVELOPMENT_JWT_SECRET_KEY
    return values


def _contradictions(settings: Settings, environ: Mapping[str, str]) -> Iterator[Violation]:
    named = {environ[name].strip().lower() for name in ("ENVIRONMENT", "FLASK_ENV") if environ.get(name)}
    if len(named) > 1:
        yield ("ENVIRONMENT", "FLASK_ENV"), "name two different environments."
    if "bookings" in settings.auth_open_channels:
        yield ("AUTH_OPEN_CHANNELS",), "bookings always need a token."


def _time_limits(settings: Settings) -> Iterator[Violation]:
    """Check that each limit is longer than the one it contains: otherwise a time-out cuts a charge off from outside."""
    for names, formula, budget in settings.gateway_budgets():
        if not budget < settings.gunicorn_timeout:
            what = f"the gateway's budget, {formula} = {budget:g} s"
            yield (
                (*names, "GUNICORN_TIMEOUT"),
                f"{what} must be less than GUNICORN_TIMEOUT {settings.gunicorn_timeout} s.",
            )
    limits = (
        ("GUNICORN_TIMEOUT", settings.gunicorn_timeout),
        ("NGINX_TIMEOUT", settings.nginx_timeout),
        ("LEASE_SECONDS", settings.lease_seconds),
        ("IDEMPOTENCY_KEY_TTL", settings.idempotency_key_ttl),
    )
    for (lower, shorter), (upper, longer) in pairwise(limits):
        if not shorter < longer:
            yield (lower, upper), f"{lower} {shorter:g} s must be less than {upper} {longer:g} s."
