import pytest

from payment_service.config import ConfigurationError, Settings

SECRET = "f3b0c44298fc1c149afbf4c8996fb92427ae41e4"
PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": SECRET,
    "JWT_SECRET_KEY": SECRET[::-1],
    "JWT_AUDIENCE": "payments",
    "DATABASE_URL": "postgresql://payments:Qm7sd0qk1@db/payments?sslmode=verify-full",
    "GATEWAY_URL": "https://gateway.test/",
    "GATEWAY_TOKEN": "vU3Yq8tR1nW6kB9xZ2cM5pL7sD4gH0jF",
}


def faults_of(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(environ)
    return str(caught.value).splitlines()[1:]


def test_complete_production_environment_is_accepted() -> None:
    settings = Settings.from_env(PRODUCTION)
    assert settings.is_production
    assert settings.database_url == "postgresql+psycopg2://payments:Qm7sd0qk1@db/payments?sslmode=verify-full"
    assert settings.gateway_url == "https://gateway.test"
    assert settings.auth_open_channels == frozenset()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"SECRET_KEY": "dev-secret-key"}, "SECRET_KEY"),
        ({"SECRET_KEY": SECRET[:31]}, "SECRET_KEY"),
        ({"SECRET_KEY": "change-me-" * 5}, "SECRET_KEY"),
        ({"SECRET_KEY": "x" * 64}, "SECRET_KEY"),
        ({"JWT_SECRET_KEY": "jwt-secret-key"}, "JWT_SECRET_KEY"),
        ({"JWT_SECRET_KEY": ""}, "JWT_SECRET_KEY, JWT_PUBLIC_KEY, JWT_JWKS_URL"),
        ({"WEBHOOK_SECRET": "short"}, "WEBHOOK_SECRET"),
        ({"JWT_JWKS_URL": "http://auth.test/jwks.json"}, "JWT_JWKS_URL"),
        ({"DEBUG": "true"}, "DEBUG"),
        ({"DATABASE_URL": ""}, "DATABASE_URL, DB_HOST"),
        ({"DATABASE_URL": "sqlite:///x.db"}, "DATABASE_URL, DB_HOST"),
        ({"DATABASE_URL": "postgresql://payments@db/payments?sslmode=require"}, "DATABASE_URL, DB_PASS"),
        ({"DATABASE_URL": "", "DB_HOST": "/run/postgresql"}, "DATABASE_URL, DB_PASS"),
        ({"GATEWAY_URL": ""}, "GATEWAY_URL"),
        ({"FAILPOINTS": "after-claim=kill"}, "FAILPOINTS"),
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS"),
        ({"RABBITMQ_ENABLED": "1", "RABBITMQ_URL": "amqps://payments:guest@broker/"}, "RABBITMQ_URL"),
    ],
)
def test_production_refuses_unsafe_settings_by_name_without_their_values(change: dict[str, str], named: str) -> None:
    lines = faults_of(PRODUCTION | change)
    assert [line.split(":")[0].strip() for line in lines] == [named]
    assert not any(value in lines[0] for value in change.values() if len(value) > 5)


@pytest.mark.parametrize(
    "change",
    [
        {"DATABASE_URL": "sqlite:///x.db", "ALLOW_SQLITE": "true"},
        {"GATEWAY_URL": "", "ALLOW_SIMULATED_GATEWAY": "true"},
        {"JWT_SECRET_KEY": "", "JWT_JWKS_URL": "https://auth.test/jwks.json"},
    ],
)
def test_production_accepts_an_explicit_override(change: dict[str, str]) -> None:
    assert Settings.from_env(PRODUCTION | change).is_production


def test_printed_settings_show_no_secret() -> None:
    settings = Settings.from_env(PRODUCTION | {"WEBHOOK_SECRET": SECRET[1:] + "x", "RABBITMQ_PASSWORD": "Qm7sd0qk1"})
    assert not {secret for secret in (SECRET, SECRET[1:], SECRET[::-1], "Qm7sd0qk1") if secret in repr(settings)}
