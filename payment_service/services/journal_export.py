"""Extracts of the journal for auditors: JSON lines and an Ed25519 signature. Checking them needs no database.

The first line says what was asked for, the last one how many rows there are and the SHA-256 of all lines before it. The
signature, in a file of its own, is over the SHA-256 of the whole file.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from payment_service import clock
from payment_service.domain.chain import CHANGE
from payment_service.repositories import chain
from payment_service.services.chain_making import change_values
from payment_service.services.dependencies import Dependencies

FORMAT = "payment-journal/1"


class NotExported(Exception):
    """A row does not match its hash: an extract would vouch for it."""


class NotGenuine(Exception):
    """An extract is not the file that was signed."""


@dataclass(frozen=True)
class Extract:
    """The size of an extract: its rows, and the number of their payments."""

    rows: int
    payments: int


class _Hashing:
    """Writes lines to a file, and hashes them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, document: Mapping[str, Any]) -> None:
        line = json.dumps(document, default=_text, separators=(",", ":")).encode() + b"\n"
        self._file.write(line)
        self.sha256.update(line)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def export(
    deps: Dependencies,
    pem: str,
    path: Path,
    *,
    since: datetime | None,
    until: datetime | None,
    payment_id: int | None,
) -> Extract:
    """Write the journal rows of a period or payment to `path`, and the signature beside it, with `.sig` at the end.

    Raises NotExported, DatabaseUnavailable.
    """
    asked = {"since": since, "until": until, "payment_id": payment_id}
    payments, rows = set(), 0
    with path.open("wb") as file:
        lines = _Hashing(file)
        with deps.database.reading() as connection:
            last = chain.last_seal(connection)
        seal = last["row_hash"] if last else None
        lines.write({"format": FORMAT, **asked, "exported_at": clock.now(), "last_seal": seal})
        for row in _rows(deps, since, until, payment_id):
            if problem := deps.journal.fault(CHANGE, change_values(row), row["row_hash"]):
                raise NotExported(f"journal row {row['transaction_log_id']}: {problem}")
            lines.write(row)
            rows += 1
            payments.add(row["payment_id"])
        lines.write({"rows": rows, "sha256": lines.sha256.hexdigest()})
    signature_of(path).write_bytes(_private(pem).sign(lines.sha256.digest()))
    return Extract(rows, len(payments))


def _rows(
    deps: Dependencies, since: datetime | None, until: datetime | None, payment_id: int | None
) -> Iterator[chain.Row]:
    after = 0
    while True:
        with deps.database.reading() as connection:
            page = chain.journal_page(connection, after, since, until, payment_id)
        yield from page
        if not page:
            return
        after = page[-1]["transaction_log_id"]


def signature_of(path: Path) -> Path:
    """Return the path of an extract's signature."""
    return path.with_name(path.name + ".sig")


def public_key(pem: str) -> str:
    """Return the public key of a private one, as PEM for auditors."""
    encoded: bytes = _private(pem).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded.decode()


def check(path: Path, signature: Path, public_pem: bytes) -> Extract:
    """Check an extract without a database: its signature, its lines, and that each payment's rows follow each other.

    Raises NotGenuine, OSError.
    """
    try:
        key = load_pem_public_key(public_pem)
    except ValueError as error:
        raise NotGenuine("the public key cannot be read") from error
    if not isinstance(key, Ed25519PublicKey):
        raise NotGenuine("the public key is none of Ed25519")
    with path.open("rb") as file:
        whole = hashlib.file_digest(file, "sha256")
    try:
        key.verify(signature.read_bytes(), whole.digest())
    except InvalidSignature as error:
        raise NotGenuine("the signature is not one of this file by this key") from error
    heads: dict[int, str] = {}
    rows = 0
    with path.open("rb") as file:
        for line in file:
            row = json.loads(line)
            if "row_hash" in row:
                rows += 1
                _follow(heads, row)
    return Extract(rows, len(heads))


def _follow(heads: dict[int, str], row: Mapping[str, Any]) -> None:
    before = heads.get(row["payment_id"])
    if before is not None and row["previous_hash"] != before:
        raise NotGenuine(f"journal row {row['transaction_log_id']} does not follow the row before it")
    heads[row["payment_id"]] = row["row_hash"]


def _private(pem: str) -> Ed25519PrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("JOURNAL_SIGNING_KEY is no key for Ed25519")
    return key
