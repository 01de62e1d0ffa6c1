"""Settings of the chained journal: keys by id, the key of extracts, and production's warning without one."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from payment_service import create_app
from payment_service.config import ConfigurationError, Settings
from tests.conftest import Lines
from tests.unit.test_config_production import PRODUCTION as USUAL

SECRET = "8Jq2vXn7RkLw4TzB6yHdS9cGfM3pA1eU"
PRODUCTION = USUAL | {"DATABASE_URL": "postgresql://payments:Qm7sd0qk1@127.0.0.1:1/payments?sslmode=require"}


def pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> str:
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def faults_of(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(environ)
    return str(caught.value).splitlines()[1:]


def test_keys_have_an_id_and_the_first_one_signs() -> None:
    settings = Settings.from_env({"JOURNAL_KEY": "2027:new:with a colon, 2026:old"})

    assert settings.journal_key == (("2027", "new:with a colon"), ("2026", "old"))
    assert "with a colon" not in repr(settings)
    assert Settings.from_env({}).journal_key == ()


@pytest.mark.parametrize("text", ["secret", ":secret", "2026:", "an id:secret", "a:1,a:2", "plain:1", "x" * 17 + ":1"])
def test_invalid_list_of_keys_is_refused(text: str) -> None:
    (fault,) = faults_of({"JOURNAL_KEY": text})
    assert fault.startswith("  JOURNAL_KEY: must")


def test_weak_key_is_refused_in_production() -> None:
    assert Settings.from_env(PRODUCTION | {"JOURNAL_KEY": f"2026:{SECRET}"}).journal_key
    (fault,) = faults_of(PRODUCTION | {"JOURNAL_KEY": f"2027:{SECRET},2026:short"})
    assert fault.startswith("  JOURNAL_KEY: a secret of at least 32 bytes")
    assert "short" not in fault


def test_signing_key_of_extracts_is_accepted_with_escaped_line_ends() -> None:
    text = pem(Ed25519PrivateKey.generate())
    assert Settings.from_env({"JOURNAL_SIGNING_KEY": text.replace("\n", "\\n")}).journal_signing_key == text


@pytest.mark.parametrize(
    "key",
    ["key", pem(ec.generate_private_key(ec.SECP256R1())), pem(Ed25519PrivateKey.generate(), b"secret")],
    ids=["no key", "another curve", "encrypted"],
)
def test_signing_key_of_extracts_that_is_not_plain_ed25519_is_refused(key: str) -> None:
    (fault,) = faults_of({"JOURNAL_SIGNING_KEY": key})
    assert fault.startswith("  JOURNAL_SIGNING_KEY: must be a")


def test_production_without_a_key_warns_at_its_start(lines: Lines) -> None:
    create_app(Settings.from_env(PRODUCTION))
    (told,) = [line for line in lines() if line["event"] == "journal.without_key"]
    assert told["level"] == "warning"

    create_app(Settings.from_env(PRODUCTION | {"JOURNAL_KEY": f"2026:{SECRET}"}))
    create_app(Settings.from_env({"DATABASE_URL": "postgresql://payments@127.0.0.1:1/payments"}))
    assert [line for line in lines() if line["event"] == "journal.without_key"] == []
