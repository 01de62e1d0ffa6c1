"""`flask journal …` and `flask verify --seal` as operators and auditors use them."""

import json
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask

from payment_service import clock
from payment_service.models import journal_seals, payments, transactions
from payment_service.services.verification import chain_of
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import rows
from tests.support.manipulations import changed, removed, stored

KEY = ("2026", "the-newest-secret-of-the-journal!!")
PEM = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

Late = Callable[[], None]


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(journal_key=(KEY,), journal_signing_key=PEM)


@pytest.fixture
def later_by_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> Late:
    """Let what was made so far be old enough for a seal."""
    now = clock.now

    def pass_() -> None:
        monkeypatch.setattr(clock, "now", lambda: now() + timedelta(minutes=10))

    return pass_


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=words)


def printed(app: Flask, *words: str) -> str:
    result = run(app, *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def exported(app: Flask, tmp_path: Path, *words: str) -> tuple[Path, Path]:
    """Return an extract, and the public key of its signature."""
    extract, public = tmp_path / "journal.jsonl", tmp_path / "journal.pub.pem"
    printed(app, "journal", "export", "--output", str(extract), *words)
    public.write_text(printed(app, "journal", "public-key"))
    return extract, public


def test_seal_is_printed_for_a_later_verify(app: Flask, later_by_ten_minutes: Late) -> None:
    pay_trip(app.test_client())
    assert printed(app, "journal", "seal") == "nothing to seal\n"
    later_by_ten_minutes()

    made = json.loads(printed(app, "journal", "seal", "--json"))
    assert (made["number"], made["rows"]) == (rows(dependencies_of(app), journal_seals)[0]["seal_id"], 2)
    assert printed(app, "verify", "--seal", made["seal"]) == "no violations\n"
    result = run(app, "verify", "--seal", "2026:another")
    assert result.exit_code == 1
    assert result.stdout == "J6 seals: the seal 2026:another is not among them: seals were removed\n"


def test_extract_is_checked_without_a_database(app: Flask, tmp_path: Path) -> None:
    client = app.test_client()
    number = trip_id_of(pay_trip(client))
    pay_trip(client, idempotency_key="another")
    refund_trip(client, number, amount=10)
    extract, public = exported(app, tmp_path)

    header, *lines, last = map(json.loads, extract.read_text().splitlines())
    assert header["format"] == "payment-journal/1"
    assert last["rows"] == len(lines) == 6
    assert {line["payment_id"] for line in lines} == {row["payment_id"] for row in rows(dependencies_of(app), payments)}
    words = ("journal", "check", str(extract), "--public-key", str(public))
    assert printed(app, *words) == "genuine: 6 rows of 2 payments\n"


def test_extract_is_checked_by_openssl_alone(app: Flask, tmp_path: Path) -> None:
    pay_trip(app.test_client())
    extract, public = exported(app, tmp_path)
    digest = tmp_path / "journal.digest"
    openssl = f"openssl dgst -sha256 -binary -out {digest} {extract} && openssl pkeyutl -verify -pubin -inkey {public}"
    command = f"{openssl} -rawin -in {digest} -sigfile {extract}.sig"

    checked = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602 - our own
    assert checked.stdout == "Signature Verified Successfully\n", checked.stderr


@pytest.mark.parametrize("spoil", ["change", "shorten", "other key"])
def test_changed_extract_is_refused(app: Flask, tmp_path: Path, spoil: str) -> None:
    pay_trip(app.test_client())
    extract, public = exported(app, tmp_path)
    if spoil == "change":
        extract.write_text(extract.read_text().replace("CAPTURED", "REFUNDED"))
    elif spoil == "shorten":
        extract.write_text("".join(extract.read_text().splitlines(keepends=True)[:-1]))
    else:
        other = Ed25519PrivateKey.generate().public_key()
        from cryptography.hazmat.primitives.serialization import PublicFormat

        public.write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    result = run(app, "journal", "check", str(extract), "--public-key", str(public))
    assert result.exit_code == 1
    assert "the signature is not one of this file by this key" in result.output


def test_extract_has_only_the_rows_of_its_payment_or_period(app: Flask, tmp_path: Path) -> None:
    client = app.test_client()
    number = trip_id_of(pay_trip(client))
    pay_trip(client, idempotency_key="another")

    extract, _ = exported(app, tmp_path, "--payment", str(number))
    assert [json.loads(line)["payment_id"] for line in extract.read_text().splitlines()[1:-1]] == [number, number]
    extract, _ = exported(app, tmp_path, "--until", "2020-01-01")
    assert len(extract.read_text().splitlines()) == 2


def test_changed_row_is_not_exported(app: Flask, tmp_path: Path) -> None:
    pay_trip(app.test_client())
    database = dependencies_of(app).database
    row, *_ = stored(database, transactions)

    with changed(database, transactions, row, {"actor": "intruder"}):
        result = run(app, "journal", "export", "--output", str(tmp_path / "x.jsonl"))
    assert result.exit_code == 1
    assert f"journal row {row['transaction_log_id']}: is not what its hash says" in result.output
    assert list(tmp_path.glob("x.jsonl*")) == []


def test_export_without_a_key_names_the_missing_setting(make_app: MakeApp, tmp_path: Path) -> None:
    result = run(make_app(journal_key=(KEY,)), "journal", "export", "--output", str(tmp_path / "x"))
    assert (result.exit_code, result.stderr) == (1, "Error: JOURNAL_SIGNING_KEY is not set\n")


@pytest.fixture
def owner_url(database_url: str) -> str:
    """Return the database as the owner of its tables reaches it."""
    return database_url.replace("payments_app", "payments_owner")


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
def test_rekey_needs_the_owner_of_the_tables(app: Flask) -> None:
    result = run(app, "journal", "rekey")

    message = "Error: only the role that owns the tables may do this: connect as payments_owner\n"
    assert (result.exit_code, result.stderr) == (1, message)


def test_rekey_protects_rows_written_without_a_key(
    make_app: MakeApp, owner_url: str, later_by_ten_minutes: Late
) -> None:
    plain = make_app()
    refund_trip(plain.test_client(), trip_id_of(pay_trip(plain.test_client())), amount=10)
    later_by_ten_minutes()
    printed(plain, "journal", "seal")
    keyed = make_app(journal_key=(KEY,))
    assert run(keyed, "verify").exit_code == 1

    owner = make_app(database_url=owner_url, journal_key=(KEY,))
    assert printed(owner, "journal", "rekey") == "1 payments chained anew\n"
    assert printed(keyed, "verify") == "no violations\n"
    (seal,) = rows(dependencies_of(keyed), journal_seals)
    assert seal["row_hash"].startswith("2026:")
    payment, *_ = stored(dependencies_of(keyed).database, payments)
    refund_trip(keyed.test_client(), payment["payment_id"], idempotency_key="more", amount=5)
    assert list(chain_of(dependencies_of(keyed))) == []


def test_rekey_refuses_changed_rows(make_app: MakeApp, owner_url: str) -> None:
    plain = make_app()
    pay_trip(plain.test_client())
    keyed = make_app(database_url=owner_url, journal_key=(KEY,))
    database = dependencies_of(keyed).database
    payment, *_ = stored(database, payments)

    with changed(database, payments, payment, {"customer_id": "intruder"}):
        result = run(keyed, "journal", "rekey")
        assert result.exit_code == 1
        assert result.stdout == f"J2 payment {payment['payment_id']}: is not what its hash says\n"
    last = stored(database, transactions)[-1]
    with removed(database, (transactions, last)):
        assert run(keyed, "journal", "rekey").exit_code == 1
    assert {row["state_hash"].partition(":")[0] for row in rows(dependencies_of(keyed), payments)} == {"plain"}
    assert run(plain, "journal", "rekey").stderr == "Error: JOURNAL_KEY is not set\n"
