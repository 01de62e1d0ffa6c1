"""Settings: every environment variable once, typed; all faults are reported together, none with its value.

A process starts with `Settings.from_env(os.environ)`. A test builds `Settings(database_url=...)` directly, or takes
`dataclasses.replace` of one: only `from_env` checks the rules that join several variables.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, Literal, get_args

from sqlalchemy.engine import make_url

from payment_service import config_contents as contents
from payment_service import config_fields as parse

CHANNELS = ("trips", "bills", "bookings", "orders", "checkout")
_OPEN_IN_DEVELOPMENT = ("trips", "bills", "orders", "checkout")
Environment = Literal["development", "testing", "production"]

DEVELOPMENT_SECRET_KEY = "dev-secret-key"  # noqa: S105 - the documents' public default, refused in production
DEVELOPMENT_JWT_SECRET_KEY = "jwt-secret-key"  # noqa: S105 - likewise; what the bookings document's clients sign with

_SECONDS = parse.real(0, 86400, min_inclusive=False)
_COUNT = parse.integer(1, 1000)
_RATE = parse.real(0, 1)
_TARIFF = parse.decimal(0, 100000)

Violation = tuple[tuple[str, ...], str]
"""The variables that break a rule together, and the rule: it names settings and limits, never a secret."""


class ConfigurationError(Exception):
    """The environment has faults; `faults` has one sentence for each, naming its variables, not values."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(("the environment is not fit to start with:", *(f"  {fault}" for fault in faults))))


def _var(default: Any, parser: Callable[[str], Any] = str, *, name: str = "", secret: bool = False) -> Any:
    """A setting read by `parser` from the variable `name` (else the attribute in capitals)."""
    return field(default=default, repr=not secret, metadata={"name": name, "parser": parser})


@dataclass(frozen=True)
class Settings:
    """The settings of a process. Times are seconds unless the name says otherwise; None means "off".

    `database_url` is ready for SQLAlchemy (`postgresql+psycopg2://` or `sqlite:///` with an absolute path).
    `gateway_url` None: the simulated gateway in this process. `trip_notification_service_url` falls back to
    `notification_service_url`. Secrets do not appear when the settings are printed.
    """

    database_url: str = field(repr=False)
    environment: Environment = field(default="development")
    debug: bool = _var(False, parse.boolean)
    log_level: str = _var("INFO", parse.choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
    bind: tuple[str, ...] = field(default=("127.0.0.1:8082",))
    service_name: str = _var("payment-service")
    service_version: str = _var("1.0.0")
    api_prefix: str = _var("/v1", parse.route_prefix)
    secret_key: str = _var(DEVELOPMENT_SECRET_KEY, secret=True)
    v1_default_channel: str = _var("bills", parse.choice("bills", "orders", "trips"))
    checkout_status_case: str = _var("lower", parse.choice("lower", "upper"))
    cors_origins: tuple[str, ...] = _var((), parse.origins)

    # Charging exactly once: how long a key's answer is kept, how long a repeat waits, how long a lease lasts.
    idempotency_key_ttl: int = _var(86400, parse.integer(1, 10 * 366 * 86400))
    idempotency_wait: float = _var(2.0, parse.real(0, 20))
    lease_seconds: float = _var(30.0, _SECONDS)
    recover_interval: float = _var(1.0, _SECONDS)

    gateway_url: str | None = _var(None, parse.gateway_url)
    gateway_connect_timeout: float = _var(1.0, _SECONDS)
    gateway_read_timeout: float = _var(5.0, _SECONDS)
    duplicate_refund_seconds: float = _var(30.0, parse.real(0, 86400))
    keyless_answer_seconds: float = _var(8.0, parse.real(0, 20))
    gateway_success_rate: float = _var(1.0, _RATE)
    checkout_success_rate: float = _var(0.95, _RATE)
    gateway_latency_ms: int = _var(0, parse.integer(0, 60000))
    allow_simulated_gateway: bool = _var(False, parse.boolean)

    trip_service_url: str | None = _var(None, parse.http_url)
    driver_service_url: str | None = _var(None, parse.http_url)
    rider_service_url: str | None = _var(None, parse.http_url)
    notification_service_url: str | None = _var(None, parse.http_url)
    trip_notification_service_url: str | None = _var(None, parse.http_url)
    order_service_url: str | None = _var(None, parse.http_url)
    inventory_service_url: str | None = _var(None, parse.http_url)
    webhook_secret: str | None = _var(None, contents.webhook_secrets, secret=True)
    trip_notification_webhook_secret: str | None = _var(None, contents.webhook_secrets, secret=True)
    order_webhook_secret: str | None = _var(None, contents.webhook_secrets, secret=True)
    inventory_webhook_secret: str | None = _var(None, contents.webhook_secrets, secret=True)
    notification_webhook_secret: str | None = _var(None, contents.webhook_secrets, secret=True)
    base_fare: Decimal = _var(Decimal("5.0"), _TARIFF)  # noqa: RUF009 - a field like the others
    rate_per_km: Decimal = _var(Decimal("2.5"), _TARIFF)  # noqa: RUF009

    # Tokens are verified, never issued. The secret's documented default stands in only where nothing else is given.
    auth_open_channels: frozenset[str] = field(default=frozenset(_OPEN_IN_DEVELOPMENT))
    # Whose keys and payments a subject uses beside its own: new subject, old subject ("" for nobody in particular).
    key_scope_aliases: tuple[tuple[str, str], ...] = _var((), parse.aliases)
    jwt_secret_key: str | None = _var(None, secret=True)
    jwt_public_key: str | None = _var(None, contents.public_key)
    jwt_jwks_url: str | None = _var(None, parse.http_url)
    jwt_audience: str | None = _var(None)
    jwt_issuer: str | None = _var(None)

    rabbitmq_enabled: bool = _var(False, parse.boolean)
    rabbitmq_host: str = _var("localhost", parse.host)
    rabbitmq_port: int = _var(5672, parse.port)
    rabbitmq_user: str = _var("guest")
    rabbitmq_password: str = _var("guest", secret=True)
    kafka_brokers: str | None = _var(None, parse.brokers)
    kafka_topic: str = _var("payment-events", parse.topic)
    rabbitmq_channels: frozenset[str] = _var(frozenset({"bookings"}), parse.channels(*CHANNELS))
    kafka_channels: frozenset[str] = _var(frozenset({"checkout"}), parse.channels(*CHANNELS))
    allow_sqlite: bool = _var(False, parse.boolean)
    failpoints: str = _var("", contents.armed_failpoints)
    web_workers: int = _var(2, _COUNT, name="WEB_CONCURRENCY")
    web_threads: int = _var(8, _COUNT)
    gunicorn_timeout: int = _var(25, _COUNT)
    drain_seconds: float = _var(0.0, parse.real(0, 300))
    nginx_timeout: int = _var(28, _COUNT)
    db_pool_size: int = _var(8, _COUNT)
    prometheus_multiproc_dir: str | None = _var(
        None, parse.directory
    )  # its client library looks at it, too; None: one process

    @property
    def gateway_budget(self) -> float:
        """The longest gateway call of one operation: two sends and at most a second of jitter between them."""
        return 2 * (self.gateway_connect_timeout + self.gateway_read_timeout) + 1

    @property
    def lookup_budget(self) -> float:
        """The longest look-up at the gateway, and a second to write its result down."""
        return self.gateway_connect_timeout + self.gateway_read_timeout + 1

    @property
    def is_production(self) -> bool:
        """Whether the strict rules hold."""
        return self.environment == "production"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read and check the environment (`os.environ`, or any mapping of texts).

        Raises ConfigurationError with *every* fault: unreadable values, and rules that join variables. DATABASE_URL
        wins over DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASS (or DB_PASSWORD); none of them: an SQLite file under the
        working directory. SERVICE_PORT wins over PORT, BIND over both, ENVIRONMENT over FLASK_ENV.
        """
        reader = parse.Reader(environ)
        # The default stands in for a value that could not be read: the rules still find the other faults.
        settings = cls(**_read_all(reader, environ))
        broken = [*_contradictions(settings, environ), *_time_limits(settings)]
        if settings.is_production:
            broken += [*_secrets(settings), *_production(settings)]
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
    # Unlike elsewhere an empty text is a value here: no channel is open.
    default = frozenset(() if strict or "AUTH_OPEN_CHANNELS" in environ else _OPEN_IN_DEVELOPMENT)
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
    if settings.kafka_brokers and find_spec("confluent_kafka") is None:
        yield ("KAFKA_BROKERS",), "needs the packages of requirements-kafka.txt."


def _time_limits(settings: Settings) -> Iterator[Violation]:
    """Each limit must be longer than the one it contains; else a time-out cuts off a charge from outside."""
    limits = (
        (("GATEWAY_CONNECT_TIMEOUT", "GATEWAY_READ_TIMEOUT"), settings.gateway_budget),
        (("GUNICORN_TIMEOUT",), settings.gunicorn_timeout),
        (("NGINX_TIMEOUT",), settings.nginx_timeout),
        (("LEASE_SECONDS",), settings.lease_seconds),
        (("IDEMPOTENCY_KEY_TTL",), settings.idempotency_key_ttl),
    )
    for (lower, shorter), (upper, longer) in pairwise(limits):
        if not shorter < longer:
            what = "the gateway's budget, 2 * (connect + read) + 1 =" if len(lower) > 1 else lower[0]
            yield lower + upper, f"{what} {shorter:g} s must be less than {upper[0]} {longer:g} s."


def _secrets(settings: Settings) -> Iterator[Violation]:
    of_webhooks = [each.name for each in fields(settings) if each.name.endswith("webhook_secret")]
    for name in ("secret_key", "jwt_secret_key", *of_webhooks):
        secret = getattr(settings, name)
        if secret is not None and (problem := contents.secret_problem(secret)):
            yield (name.upper(),), problem
    if not (settings.jwt_secret_key or settings.jwt_public_key or settings.jwt_jwks_url):
        yield ("JWT_SECRET_KEY", "JWT_PUBLIC_KEY", "JWT_JWKS_URL"), "one is needed in production to verify tokens."
    if settings.rabbitmq_enabled and settings.rabbitmq_password == "guest":  # noqa: S105 - the broker's own default
        yield ("RABBITMQ_PASSWORD",), "the broker's default is refused in production."
    database = make_url(settings.database_url)
    if database.drivername != "sqlite" and not database.password:
        yield ("DATABASE_URL", "DB_PASS"), "an empty database password is refused in production."


def _production(settings: Settings) -> Iterator[Violation]:
    if settings.debug:
        yield ("DEBUG",), "is refused in production."
    if settings.failpoints:
        yield ("FAILPOINTS",), "are refused in production."
    if "*" in settings.cors_origins:
        yield ("CORS_ORIGINS",), "'*' is refused in production; name the origins."
    if (settings.jwt_jwks_url or "https://").startswith("http://"):
        yield ("JWT_JWKS_URL",), "must be https:// in production."
    if settings.database_url.startswith("sqlite") and not settings.allow_sqlite:
        yield ("DATABASE_URL", "DB_HOST"), "production needs PostgreSQL (ALLOW_SQLITE=true overrides)."
    if settings.gateway_url is None and not settings.allow_simulated_gateway:
        yield ("GATEWAY_URL",), "production needs a gateway (ALLOW_SIMULATED_GATEWAY=true overrides)."
