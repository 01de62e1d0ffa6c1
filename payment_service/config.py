"""Settings: every environment variable once, typed; all faults are reported together, none with its value.

`Settings.from_env(os.environ)` is what a process starts with. A test builds `Settings(database_url=...)` directly, or
takes `dataclasses.replace` of one: the rules that join several variables hold only for `from_env`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal, get_args

from environs import EnvValidationError
from environs import validate as check
from sqlalchemy.engine import make_url

from payment_service.config_fields import PORT, Reader, weakness

CHANNELS = ("trips", "bills", "bookings", "orders", "checkout")
_OPEN_IN_DEVELOPMENT = ("trips", "bills", "orders", "checkout")
Environment = Literal["development", "testing", "production"]

DEVELOPMENT_SECRET_KEY = "dev-secret-key"  # noqa: S105 - the documents' public default, refused in production
DEVELOPMENT_JWT_SECRET_KEY = "jwt-secret-key"  # noqa: S105 - likewise; what the bookings document's clients sign with

_SECONDS = check.Range(min=0, max=86400, min_inclusive=False)
_COUNT = check.Range(min=1, max=1000)
_RATE = check.Range(min=0, max=1)
_TARIFF = check.Range(min=0, max=100000)

Violation = tuple[tuple[str, ...], str]
"""The variables that break a rule together, and the rule: it names settings and limits, never a secret."""


class ConfigurationError(Exception):
    """The environment is unfit to start with; `faults` has one sentence for each, naming its variables, not values."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(("the environment is not fit to start with:", *(f"  {fault}" for fault in faults))))


def _var(default: Any, kind: str = "", *, name: str = "", secret: bool = False, **options: Any) -> Any:
    """A setting read from the variable `name` (else the attribute in capitals) by the reader's method `kind`."""
    return field(default=default, repr=not secret, metadata={"kind": kind, "name": name, "options": options})


@dataclass(frozen=True)
class Settings:
    """What the service was told from outside. Times are seconds unless the name says otherwise; None means "off".

    `database_url` is ready for SQLAlchemy (`postgresql+psycopg2://` or `sqlite:///` with an absolute path).
    `gateway_url` None: the simulated gateway in this process. `trip_notification_service_url` falls back to
    `notification_service_url`. Whoever prints the settings sees no secret.
    """

    database_url: str = field(repr=False)
    environment: Environment = field(default="development")
    debug: bool = _var(False)
    log_level: str = _var("INFO", "word", words=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
    bind: tuple[str, ...] = field(default=("127.0.0.1:8082",))
    service_name: str = _var("payment-service")
    service_version: str = _var("1.0.0")
    api_prefix: str = _var("/v1", "prefix")
    secret_key: str = _var(DEVELOPMENT_SECRET_KEY, secret=True)
    v1_default_channel: str = _var("bills", "word", words=("bills", "orders", "trips"))
    checkout_status_case: str = _var("lower", "word", words=("lower", "upper"))
    cors_origins: tuple[str, ...] = _var((), "origins")

    # Charging exactly once: how long a key's answer is kept, a repeat waits, an owner may work.
    idempotency_key_ttl: int = _var(86400, validate=check.Range(min=1, max=10 * 366 * 86400))
    idempotency_wait: float = _var(2.0, validate=check.Range(min=0, max=20))
    lease_seconds: float = _var(30.0, validate=_SECONDS)
    recover_interval: float = _var(5.0, validate=_SECONDS)

    gateway_url: str | None = _var(None, "http_url")
    gateway_connect_timeout: float = _var(1.0, validate=_SECONDS)
    gateway_read_timeout: float = _var(5.0, validate=_SECONDS)
    gateway_success_rate: float = _var(1.0, validate=_RATE)
    checkout_success_rate: float = _var(0.95, validate=_RATE)
    gateway_latency_ms: int = _var(0, validate=check.Range(min=0, max=60000))
    allow_simulated_gateway: bool = _var(False)

    trip_service_url: str | None = _var(None, "http_url")
    driver_service_url: str | None = _var(None, "http_url")
    rider_service_url: str | None = _var(None, "http_url")
    notification_service_url: str | None = _var(None, "http_url")
    trip_notification_service_url: str | None = _var(None, "http_url")
    order_service_url: str | None = _var(None, "http_url")
    inventory_service_url: str | None = _var(None, "http_url")
    webhook_secret: str | None = _var(None, secret=True)
    base_fare: Decimal = _var(Decimal("5.0"), validate=_TARIFF)  # noqa: RUF009 - a field like the others
    rate_per_km: Decimal = _var(Decimal("2.5"), validate=_TARIFF)  # noqa: RUF009

    # Tokens are verified, never issued. The secret's documented default stands in only where nothing else is given.
    auth_open_channels: frozenset[str] = field(default=frozenset(_OPEN_IN_DEVELOPMENT))
    jwt_secret_key: str | None = _var(None, secret=True)
    jwt_public_key: str | None = _var(None, "public_key")
    jwt_jwks_url: str | None = _var(None, "http_url")
    jwt_audience: str | None = _var(None)
    jwt_issuer: str | None = _var(None)

    rabbitmq_enabled: bool = _var(False)
    rabbitmq_host: str = _var("localhost")
    rabbitmq_port: int = _var(5672, validate=PORT)
    rabbitmq_user: str = _var("guest")
    rabbitmq_password: str = _var("guest", secret=True)
    kafka_brokers: str | None = _var(None, "brokers")
    kafka_topic: str = _var("payment-events", validate=check.Regexp(r"[A-Za-z0-9._-]{1,249}\Z"))
    allow_sqlite: bool = _var(False)
    failpoints: str = _var("")
    web_workers: int = _var(2, name="WEB_CONCURRENCY", validate=_COUNT)
    web_threads: int = _var(8, validate=_COUNT)
    gunicorn_timeout: int = _var(25, validate=_COUNT)
    drain_seconds: float = _var(0.0, validate=check.Range(min=0, max=300))
    nginx_timeout: int = _var(28, validate=_COUNT)
    db_pool_size: int = _var(8, validate=_COUNT)
    prometheus_multiproc_dir: str | None = _var(None)  # its client library looks at it, too; None: one process

    @property
    def gateway_budget(self) -> float:
        """The longest one operation may be with the gateway: two sends and at most a second of jitter between them."""
        return 2 * (self.gateway_connect_timeout + self.gateway_read_timeout) + 1

    @property
    def is_production(self) -> bool:
        """Whether the strict rules hold."""
        return self.environment == "production"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read and judge the environment (`os.environ`, or any mapping of texts).

        Raises ConfigurationError with *every* fault: unreadable values, and rules that join variables. DATABASE_URL
        wins over DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASS (or DB_PASSWORD); none of them: an SQLite file under the
        working directory. SERVICE_PORT wins over PORT, BIND over both, ENVIRONMENT over FLASK_ENV.
        """
        reader = Reader(environ)
        values = _read_all(reader, environ)
        unreadable = _unreadable(reader)
        # A value that could not be read is judged by its default: the rules still find the other faults.
        settings = cls(**{name: value for name, value in values.items() if value is not None})
        broken = [*_contradictions(settings, environ), *_time_limits(settings)]
        if settings.is_production:
            broken += [*_secrets(settings), *_production(settings)]
        faults = [f"{name}: {text}" for name, text in unreadable.items()]
        faults += [f"{', '.join(names)}: {text}" for names, text in broken if not unreadable.keys() & set(names)]
        if faults:
            raise ConfigurationError(faults)
        return settings


def _unreadable(reader: Reader) -> dict[str, str]:
    try:
        reader.seal()
    except EnvValidationError as error:
        return {name: " ".join(map(str, texts)) for name, texts in error.error_messages.items()}  # type: ignore[union-attr]
    return {}


def _read_all(reader: Reader, environ: Mapping[str, str]) -> dict[str, Any]:
    values = {setting.name: _read(reader, setting) for setting in fields(Settings) if setting.metadata}
    name = "ENVIRONMENT" if environ.get("ENVIRONMENT") else "FLASK_ENV"
    values["environment"] = reader.word(name, "development", words=get_args(Environment))
    values["database_url"] = reader.database()
    values["bind"] = reader.listening()
    values["db_pool_size"] = reader.int("DB_POOL_SIZE", values["web_threads"], validate=_COUNT)
    values["log_level"] = "DEBUG" if values["debug"] else values["log_level"]  # it "enables debug logs"
    for_trips = values["trip_notification_service_url"]
    values["trip_notification_service_url"] = for_trips or values["notification_service_url"]
    strict = values["environment"] == "production"
    # Unlike elsewhere an empty text is an answer here: no channel is open.
    default = "" if strict or "AUTH_OPEN_CHANNELS" in environ else ",".join(_OPEN_IN_DEVELOPMENT)
    values["auth_open_channels"] = reader.word_set("AUTH_OPEN_CHANNELS", default, words=CHANNELS)
    if strict:
        values["secret_key"] = reader.str("SECRET_KEY", "")
    elif not any(values[name] for name in ("jwt_secret_key", "jwt_public_key", "jwt_jwks_url")):
        values["jwt_secret_key"] = DEVELOPMENT_JWT_SECRET_KEY
    return values


def _read(reader: Reader, setting: "Field[Any]") -> Any:
    name = setting.metadata["name"] or setting.name.upper()
    kinds = {bool: "bool", int: "int", float: "float", Decimal: "decimal"}
    method = setting.metadata["kind"] or kinds.get(setting.type, "str")  # type: ignore[arg-type]
    return getattr(reader, method)(name, setting.default, **setting.metadata["options"])


def _contradictions(settings: Settings, environ: Mapping[str, str]) -> Iterator[Violation]:
    named = {environ[name].strip().lower() for name in ("ENVIRONMENT", "FLASK_ENV") if environ.get(name)}
    if len(named) > 1:
        yield ("ENVIRONMENT", "FLASK_ENV"), "name two different environments."
    if "bookings" in settings.auth_open_channels:
        yield ("AUTH_OPEN_CHANNELS",), "bookings always need a token."


def _time_limits(settings: Settings) -> Iterator[Violation]:
    """Whoever waits for another must outlive it; else a charge is cut off by a time-out that knows nothing of it."""
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
    for name in ("secret_key", "jwt_secret_key", "webhook_secret"):
        secret = getattr(settings, name)
        if secret is not None and (fault := weakness(secret)):
            yield (name.upper(),), fault
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
