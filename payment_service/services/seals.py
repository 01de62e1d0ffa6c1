"""Seals: once a day the worker writes down which rows exist, so that verification misses a row removed later.

A seal lists the numbers of the rows made since the seal before, and a digest of the journal rows' hashes. It covers the
seal before it by its hash. An auditor with a copy of a seal's hash can prove later that no seal was removed.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import Any

from payment_service import clock
from payment_service.connection import Connection
from payment_service.domain.chain import SEAL
from payment_service.models import transactions
from payment_service.repositories import chain, watermarks
from payment_service.repositories.chain import Row
from payment_service.services.dependencies import Dependencies
from payment_service.services.later_verification import Violation

EVERY = timedelta(days=1)
MARGIN = timedelta(minutes=5)
"""The next seal takes rows younger than this: longer than any transaction of a request stays open."""

MOST = 50_000
"""The most rows of one table in one seal; with more, the next seal follows at once."""

MARK = "seals"
MOST_NAMED = 20
"""Missing rows that are named one by one; of further ones only the number."""

_NAMES = {table.name: table for table in chain.STAYS}
_ONE = {"transactions": "journal row", "idempotency_keys": "key", "payment_refunds": "refund", "payments": "payment"}
_ONE |= {"disputes": "dispute", "operator_actions": "operator action"}


@dataclass(frozen=True)
class Sealed:
    """A seal as it was made: its number, its hash, and how many rows it counts."""

    seal_id: int
    row_hash: str
    rows: int


def seal(deps: Dependencies, until: datetime | None = None) -> Sealed | None:
    """Make the next seal, over rows made before `until`. Return None if there are none. Raises DatabaseUnavailable."""
    until = clock.now() - MARGIN if until is None else until
    return deps.database.run("seal", _seal, deps, until)


def seal_if_due(deps: Dependencies) -> int:
    """Make the seals that are due, and return how many: one a day, and more if a day has very many rows."""
    with deps.database.reading() as connection:
        last = chain.last_seal(connection)
    if last is not None and clock.now() - last["created_at"] < EVERY:
        return 0
    made = 0
    while (sealed := seal(deps)) is not None and sealed.rows:
        made += 1
        if sealed.rows < MOST:
            break
    return made


def detach(deps: Dependencies, before: datetime) -> Sealed | None:
    """Make a seal that says: operators may take journal rows made before this moment out of the database."""
    return deps.database.run("seal", _seal, deps, clock.now() - MARGIN, before)


def _seal(
    connection: Connection, deps: Dependencies, until: datetime, detached: datetime | None = None
) -> Sealed | None:
    watermarks.begin(connection, MARK)
    if watermarks.lock(connection, MARK) is None:
        return None  # another process makes it
    last = chain.last_seal(connection)
    before = None if last is None else json.loads(last["content"])
    tables, counted = {}, 0
    for name, table in _NAMES.items():
        after = before["tables"][name]["last"] if before else 0
        rows = chain.made_before(connection, table, after, until, MOST)
        counted = max(counted, len(rows))
        tables[name] = {"last": rows[-1][0] if rows else after, "count": len(rows), "numbers": _packed(after, rows)}
        if table is transactions:
            tables[name]["root"] = _root(rows)
    if not counted and detached is None:
        return None
    taken_out = before["detached"] if before else None
    if detached is not None:
        taken_out = {"before": detached.isoformat(), "last": chain.last_made_before(connection, transactions, detached)}
    content = {"tables": tables, "detached": taken_out}
    row: Row = {
        "sealed_until": until,
        "content": json.dumps(content, separators=(",", ":")),
        "previous_hash": last["row_hash"] if last else None,
        "created_at": clock.now(),
    }
    row["row_hash"] = deps.journal.sign(SEAL, row)
    chain.insert_seal(connection, row)
    made = chain.last_seal(connection)
    return Sealed(made["seal_id"] if made else 0, row["row_hash"], counted)


def _packed(after: int, rows: Sequence[tuple[int, Any]]) -> str:
    """Return the differences between the numbers, nearly all of them 1, compressed."""
    numbers = [after, *(number for number, _ in rows)]
    steps = ",".join(str(later - earlier) for earlier, later in pairwise(numbers))
    return base64.b64encode(zlib.compress(steps.encode())).decode()


def _unpacked(after: int, packed: str) -> list[int]:
    steps = zlib.decompress(base64.b64decode(packed)).decode()
    return list(accumulate((int(step) for step in steps.split(",") if step), initial=after))[1:]


def _root(rows: Sequence[tuple[int, str | None]]) -> str:
    return hashlib.sha256("\n".join(str(row_hash) for _, row_hash in rows).encode()).hexdigest()


def detached_before(deps: Dependencies) -> datetime | None:
    """Return the moment before which months of the journal may be missing, by the newest seal with a hash of ours."""
    with deps.database.reading() as connection:
        found = _detached(deps, chain.last_seal(connection))
    return datetime.fromisoformat(found["before"]) if found else None


def _detached(deps: Dependencies, last: Row | None) -> Mapping[str, Any] | None:
    if last is None or deps.journal.fault(SEAL, last, last["row_hash"]) is not None:
        return None
    found: Mapping[str, Any] | None = json.loads(last["content"])["detached"]
    return found


def verify_seals(deps: Dependencies, kept: str | None = None) -> Iterator[Violation]:
    """J6: seals are a whole chain, and no row that one counts is missing. `kept`: a hash that must be among them."""
    with deps.database.reading() as connection:
        seals = chain.seals(connection)
    head, before = None, dict.fromkeys(_NAMES, 0)
    detached = _detached(deps, seals[-1] if seals else None)
    gone = detached["last"] if detached else 0
    for row in seals:
        name = f"seal {row['seal_id']}"
        if problem := deps.journal.fault_after(SEAL, row, head, "a seal"):
            yield Violation("J6", name, problem)
            return
        head, content = row["row_hash"], json.loads(row["content"])["tables"]
        for table in _NAMES:
            yield from _missing(deps, name, table, before[table], content[table], gone)
            before[table] = content[table]["last"]
    if kept is not None and kept not in {row["row_hash"] for row in seals}:
        yield Violation("J6", "seals", f"the seal {kept} is not among them: seals were removed")


def _missing(
    deps: Dependencies, name: str, table: str, after: int, sealed: Mapping[str, Any], gone: int
) -> Iterator[Violation]:
    """Find missing rows that a seal counts. Journal rows up to `gone` may have been taken out."""
    if sealed["last"] == after:
        return
    with deps.database.reading() as connection:
        rows = chain.numbers(connection, _NAMES[table], after + 1, sealed["last"])
    may_miss = gone if table == transactions.name else 0
    expected = set(_unpacked(after, sealed["numbers"]))
    missing = sorted(number for number in expected - {number for number, _ in rows} if number > may_miss)
    for number in missing[:MOST_NAMED]:
        yield Violation("J6", f"{_ONE[table]} {number}", f"was removed after {name} had counted it")
    if missing[MOST_NAMED:]:
        yield Violation("J6", f"{table}", f"{len(missing)} rows were removed after {name} had counted them")
    if missing or after < may_miss or "root" not in sealed:
        return
    if _root([row for row in rows if row[0] in expected]) != sealed["root"]:
        yield Violation("J6", f"journal rows up to {sealed['last']}", f"are not those that {name} has counted")
