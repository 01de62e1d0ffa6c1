from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy.engine import make_url

from payment_service.config import ConfigurationError, Settings
from payment_service.config_fields import CHANNELS


def faults_of(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(environ)
    return str(caught.value)


def test_empty_environment_is_a_development_service_on_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_env({})
    assert settings.database_url == f"sqlite:///{tmp_path}/var/payments.db"
    assert make_url(settings.database_url).database == f"{tmp_path}/var/payments.db"
    assert settings.environment == "development"
    assert settings.bind == ("127.0.0.1:8082",)
    assert settings.auth_open_channels == {"trips", "bills", "orders", "checkout"}
    assert settings.secret_key == "dev-secret-key"
    assert settings.jwt_secret_key == "jwt-secret-key"
    assert settings.gateway_budget == 13
    assert (settings.base_fare, settings.rate_per_km) == (Decimal("5.0"), Decimal("2.5"))
    assert not settings.debug
    assert not settings.rabbitmq_enabled


def test_defaults_built_directly_equal_those_of_an_empty_environment() -> None:
    read = Settings.from_env({})
    assert replace(Settings(database_url=read.database_url), jwt_secret_key=read.jwt_secret_key) == read


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg2"])
def test_every_spelling_of_postgresql_means_psycopg2(scheme: str) -> None:
    settings = Settings.from_env({"DATABASE_URL": f"{scheme}://u:p%40ss@h:5433/d?application_name=x"})
    assert settings.database_url == "postgresql+psycopg2://u:p%40ss@h:5433/d?application_name=x"


def test_ssl_option_of_asyncpg_becomes_sslmode() -> None:
    settings = Settings.from_env({"DATABASE_URL": "postgresql+asyncpg://u:p@h/d?ssl=require"})
    assert settings.database_url == "postgresql+psycopg2://u:p@h/d?sslmode=require"


@pytest.mark.parametrize("text", ["sqlite:///./payment.db", "sqlite:///payment.db", "sqlite+pysqlite:///payment.db"])
def test_relative_sqlite_path_is_made_absolute(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.from_env({"DATABASE_URL": text}).database_url == f"sqlite:///{tmp_path}/payment.db"


def test_sqlite_in_memory_stays_in_memory() -> None:
    assert Settings.from_env({"DATABASE_URL": "sqlite:///:memory:"}).database_url == "sqlite:///:memory:"


@pytest.mark.parametrize("name", ["DB_PASS", "DB_PASSWORD"])
def test_database_in_parts_accepts_any_password(name: str) -> None:
    settings = Settings.from_env(
        {"DB_HOST": "db", "DB_PORT": "5444", "DB_NAME": "pay", "DB_USER": "u@x", name: "S#9/@:"}
    )
    url = make_url(settings.database_url)
    assert url.drivername == "postgresql+psycopg2"
    assert (url.host, url.port, url.database) == ("db", 5444, "pay")
    assert (url.username, url.password) == ("u@x", "S#9/@:")


def test_missing_parts_of_the_database_have_documented_defaults() -> None:
    url = make_url(Settings.from_env({"DB_PASS": "x"}).database_url)
    assert (url.host, url.port, url.database, url.username) == ("localhost", 5433, "postgres", "postgres")


def test_database_url_has_precedence_over_its_parts() -> None:
    settings = Settings.from_env({"DATABASE_URL": "postgres://u:p@a/d", "DB_HOST": "b"})
    assert make_url(settings.database_url).host == "a"


@pytest.mark.parametrize(
    ("environ", "bind"),
    [
        ({"PORT": "8006"}, ("127.0.0.1:8006",)),
        ({"PORT": "8006", "SERVICE_PORT": "5001"}, ("127.0.0.1:5001",)),
        ({"BIND": "127.0.0.1:8082, 127.0.0.1:8006", "PORT": "1"}, ("127.0.0.1:8082", "127.0.0.1:8006")),
        ({"BIND": "[::1]:8082,unix:/run/payments.sock"}, ("[::1]:8082", "unix:/run/payments.sock")),
    ],
)
def test_address_of_the_service_is_read(environ: dict[str, str], bind: tuple[str, ...]) -> None:
    assert Settings.from_env(environ).bind == bind


@pytest.mark.parametrize("text", ["true", "True", "1", "yes", "YES", "on"])
def test_booleans_are_read_in_many_spellings(text: str) -> None:
    assert Settings.from_env({"RABBITMQ_ENABLED": text}).rabbitmq_enabled
    assert not Settings.from_env({"RABBITMQ_ENABLED": "False"}).rabbitmq_enabled


@pytest.mark.parametrize(
    "text", ["https://a.example,http://b.example:3000", '["https://a.example", "http://b.example:3000"]']
)
def test_origins_are_read_as_a_list_or_json(text: str) -> None:
    assert Settings.from_env({"CORS_ORIGINS": text}).cors_origins == ("https://a.example", "http://b.example:3000")


def test_empty_texts_count_as_not_set() -> None:
    environ = {
        "DB_HOST": "",
        "SERVICE_PORT": "",
        "JWT_AUDIENCE": "",
        "KAFKA_BROKERS": "",
        "DEBUG": "",
        "ENVIRONMENT": "",
    }
    assert Settings.from_env(environ) == Settings.from_env({})


def test_empty_list_of_open_channels_opens_none() -> None:
    assert Settings.from_env({"AUTH_OPEN_CHANNELS": ""}).auth_open_channels == frozenset()
    assert Settings.from_env({"AUTH_OPEN_CHANNELS": " Trips, bills"}).auth_open_channels == {"trips", "bills"}


def test_bookings_cannot_be_an_open_channel() -> None:
    assert "AUTH_OPEN_CHANNELS: bookings always need a token." in faults_of({"AUTH_OPEN_CHANNELS": ",".join(CHANNELS)})


def test_flask_env_names_the_environment_unless_it_contradicts() -> None:
    assert Settings.from_env({"FLASK_ENV": "testing"}).environment == "testing"
    assert "ENVIRONMENT, FLASK_ENV:" in faults_of({"FLASK_ENV": "production", "ENVIRONMENT": "development"})


def test_trip_notifications_default_to_the_common_service() -> None:
    both = {"NOTIFICATION_SERVICE_URL": "http://n:8085", "TRIP_NOTIFICATION_SERVICE_URL": "http://t:8085/"}
    assert Settings.from_env(both).trip_notification_service_url == "http://t:8085"
    del both["TRIP_NOTIFICATION_SERVICE_URL"]
    assert Settings.from_env(both).trip_notification_service_url == "http://n:8085"


def test_pool_size_defaults_to_the_threads_of_a_worker() -> None:
    assert Settings.from_env({"WEB_THREADS": "3", "WEB_CONCURRENCY": "5"}).db_pool_size == 3
    assert Settings.from_env({"WEB_THREADS": "3", "DB_POOL_SIZE": "4"}).db_pool_size == 4


def test_other_key_replaces_the_documented_jwt_default() -> None:
    assert Settings.from_env({"JWT_JWKS_URL": "http://127.0.0.1:1/jwks"}).jwt_secret_key is None


UNREADABLE = {
    "DATABASE_URL": "mysql://root:hunter2hunter2@h/d",
    "SERVICE_PORT": "hunter2hunter2",
    "BIND": "hunter2hunter2",
    "RABBITMQ_PORT": "70000",
    "DEBUG": "hunter2hunter2",
    "LOG_LEVEL": "hunter2hunter2",
    "API_PREFIX": "hunter2hunter2",
    "IDEMPOTENCY_KEY_TTL": "-1",
    "LEASE_SECONDS": "nan",
    "GATEWAY_SUCCESS_RATE": "1.5",
    "GATEWAY_READ_TIMEOUT": "inf",
    "BASE_FARE": "hunter2hunter2",
    "TRIP_SERVICE_URL": "ftp://hunter2hunter2",
    "ORDER_SERVICE_URL": "http://h:99999",
    "JWT_PUBLIC_KEY": "hunter2hunter2",
    "KAFKA_BROKERS": "hunter2hunter2",
    "KAFKA_TOPIC": "hunter2 hunter2",
    "CORS_ORIGINS": "[hunter2hunter2",
    "AUTH_OPEN_CHANNELS": "hunter2hunter2",
    "V1_DEFAULT_CHANNEL": "bookings",
    "FLASK_ENV": "hunter2hunter2",
    "WEB_CONCURRENCY": "0",
    "DB_PORT": "hunter2hunter2",
}


def test_every_unreadable_variable_is_named_once_and_no_value_shown() -> None:
    text = faults_of(UNREADABLE)
    named = [line.strip().split(":")[0] for line in text.splitlines()[1:]]
    assert sorted(named) == sorted(UNREADABLE)
    assert "hunter2" not in text


@pytest.mark.parametrize("name", UNREADABLE)
def test_each_unreadable_variable_stops_the_start(name: str) -> None:
    assert f"  {name}: " in faults_of({name: UNREADABLE[name]})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"GATEWAY_READ_TIMEOUT": "11"}, "GATEWAY_CONNECT_TIMEOUT, GATEWAY_READ_TIMEOUT, GUNICORN_TIMEOUT"),
        ({"GATEWAY_CONNECT_TIMEOUT": "7"}, "GATEWAY_CONNECT_TIMEOUT, GATEWAY_READ_TIMEOUT, GUNICORN_TIMEOUT"),
        ({"GUNICORN_TIMEOUT": "28"}, "GUNICORN_TIMEOUT, NGINX_TIMEOUT"),
        ({"NGINX_TIMEOUT": "30"}, "NGINX_TIMEOUT, LEASE_SECONDS"),
        ({"IDEMPOTENCY_KEY_TTL": "30"}, "LEASE_SECONDS, IDEMPOTENCY_KEY_TTL"),
    ],
)
def test_outer_time_out_must_exceed_the_inner_one(change: dict[str, str], named: str) -> None:
    assert [line.split(":")[0].strip() for line in faults_of(change).splitlines()[1:]] == [named]


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_public_key_on_one_line_is_accepted() -> None:
    text = pem(ec.generate_private_key(ec.SECP256R1()))
    assert Settings.from_env({"JWT_PUBLIC_KEY": text.replace("\n", "\\n")}).jwt_public_key == text


WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused


@pytest.mark.parametrize("key", [WEAK, ec.generate_private_key(ec.SECP384R1())])
def test_weak_or_unusable_public_key_is_refused(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    assert "JWT_PUBLIC_KEY: must be an RSA key" in faults_of({"JWT_PUBLIC_KEY": pem(key)})


@pytest.mark.parametrize("prefix", ["/api", "/api/", "/api/v1", "/ops"])
def test_prefix_of_trips_cannot_be_a_path_of_another_channel(prefix: str) -> None:
    assert "API_PREFIX" in faults_of({"API_PREFIX": prefix})
