"""Production refuses weak secrets, and one secret for two uses. Release 1.0.0 took `password1234…` and one byte."""

import pytest

from payment_service.config import Settings
from tests.unit.test_config_production import PRODUCTION, SECRET, faults_of

RANDOM = "8Jq2vXn7RkLw4TzB6yHdS9cGfM3pA1eU"


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET_KEY", "GATEWAY_TOKEN", "WEBHOOK_SECRET"])
@pytest.mark.parametrize(
    "weak",
    [
        "password1234password1234password1234",
        "whsec_eA==",
        "0123456789abcdefghijklmnopqrstuvwxyz",
        "zyxwvutsrqponmlkjihgfedcba9876543210",
        "aB3$fG7&kL" * 4,
        "correct-horse-change-me-please-now-1",
        "My$ecretAdministratorPassword!2026#x",
    ],
)
def test_s13_weak_secret_is_refused_by_name(name: str, weak: str) -> None:
    (fault,) = faults_of(PRODUCTION | {name: weak})

    assert fault.strip().startswith(f"{name}: ")
    assert weak not in fault


def test_s13_each_of_two_webhook_secrets_must_be_strong() -> None:
    assert Settings.from_env(PRODUCTION | {"WEBHOOK_SECRET": f"{RANDOM},{RANDOM[::-1]}"}).is_production
    (fault,) = faults_of(PRODUCTION | {"WEBHOOK_SECRET": f"{RANDOM},x"})
    assert fault.strip().startswith("WEBHOOK_SECRET: ")


@pytest.mark.parametrize(
    "change",
    [
        {"JWT_SECRET_KEY": SECRET},
        {"GATEWAY_TOKEN": SECRET},
        {"WEBHOOK_SECRET": SECRET},
        {"ORDER_WEBHOOK_SECRET": f"{RANDOM},{SECRET}"},
        {"DATABASE_URL": f"postgresql://payments:{SECRET}@db/payments?sslmode=require"},
    ],
)
def test_s13_one_secret_for_two_uses_is_refused(change: dict[str, str]) -> None:
    (fault,) = faults_of(PRODUCTION | change)

    assert fault.strip().startswith("SECRET_KEY, ")
    assert "each use needs a secret of its own" in fault


@pytest.mark.parametrize("password", ["guest", "postgres", "Password1234"])
def test_s13_placeholder_as_a_password_is_refused(password: str) -> None:
    url = f"postgresql://payments:{password}@db/payments?sslmode=require"
    assert [fault.strip().split(":")[0] for fault in faults_of(PRODUCTION | {"DATABASE_URL": url})] == ["DB_PASS"]
