"""Business metrics: `tallies` sums the journal up to a watermark, and a reader sums the rows behind it.

A row's number does not say when its transaction commits. The watermark therefore moves in two looks: the first
remembers the last number drawn, then the transactions that are open; when none of those is open any more, every row up
to that number is there or never will be. On SQLite transactions come one after the other: numbers are commit order.
"""

import json
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, bindparam, func, literal, select, text, union_all

from payment_service.connection import Connection
from payment_service.domain.business_metrics import FAILED_ATTEMPT, Tally, TallyKey, method_label
from payment_service.domain.hourly_stats import Change, hour_of
from payment_service.models import payments, tallies, transactions, watermarks
from payment_service.repositories import hourly_stats, schema
from payment_service.repositories import watermarks as marks
from payment_service.repositories.watermarks import Watermark
from payment_service.sqltypes import MoneySum

JOURNAL = "journal"
_WORDS = ("channel", "method", "currency", "move", "from_status", "status")
_FOLDED_UP_TO = (
    select(func.coalesce(func.max(watermarks.c.value), 0)).where(watermarks.c.name == JOURNAL).scalar_subquery()
)
_CHANGE = (
    payments.c.channel,
    payments.c.method,
    payments.c.currency,
    transactions.c.move,
    func.coalesce(transactions.c.from_status, "").label("from_status"),
    transactions.c.status,
)
_JOURNAL = transactions.join(payments, payments.c.payment_id == transactions.c.payment_id)
_BEHIND = transactions.c.transaction_log_id > _FOLDED_UP_TO
_TO_FOLD = (
    select(*_CHANGE, transactions.c.amount, transactions.c.created_at)
    .select_from(_JOURNAL)
    .where(transactions.c.transaction_log_id > bindparam("after"), transactions.c.transaction_log_id <= bindparam("to"))
)
_NEXT = select(func.min(transactions.c.transaction_log_id) - 1).where(
    transactions.c.transaction_log_id > bindparam("after")
)
_BACKLOG = union_all(
    select(*(tallies.c[name] for name in _WORDS), tallies.c.times, tallies.c.amount, literal(0).label("behind")),
    select(*_CHANGE, literal(1), transactions.c.amount, literal(1)).select_from(_JOURNAL).where(_BEHIND),
).subquery()
_READ = select(
    *(_BACKLOG.c[name] for name in _WORDS),
    func.sum(_BACKLOG.c.times, type_=BigInteger).label("times"),
    func.sum(_BACKLOG.c.amount, type_=MoneySum).label("amount"),
    func.sum(_BACKLOG.c.behind, type_=BigInteger).label("behind"),
).group_by(*(_BACKLOG.c[name] for name in _WORDS))


def read(connection: Connection) -> tuple[list[Tally], int]:
    """Return all counts so far, aggregated or not, from one statement, and how many changes are not aggregated."""
    rows = connection.execute(_READ).all()
    read = [Tally(_key(row), int(row.times), row.amount) for row in rows]
    return read, sum(int(row.behind) for row in rows)


_TALLIES = select(*(tallies.c[name] for name in _WORDS), tallies.c.times, tallies.c.amount)
_FOLDED = (
    select(*_CHANGE, func.count().label("times"), func.sum(transactions.c.amount, type_=MoneySum).label("amount"))
    .select_from(_JOURNAL)
    .where(transactions.c.transaction_log_id <= _FOLDED_UP_TO)
    .group_by(*_CHANGE)
)


def differences(connection: Connection) -> list[tuple[TallyKey, int, Decimal]]:
    """Return the differences between tallies and journal: how many changes, and how much.

    Undecided attempts are left out: release 1.0.0 counted them and did not write them down.
    """
    left: dict[TallyKey, tuple[int, Decimal]] = {}
    for sign, statement in ((1, _TALLIES), (-1, _FOLDED)):
        for row in connection.execute(statement):
            times, amount = left.get(_key(row), (0, Decimal(0)))
            left[_key(row)] = (times + sign * int(row.times), amount + sign * row.amount)
    return [(key, *off) for key, off in sorted(left.items()) if any(off) and key.move != FAILED_ATTEMPT]


def _key(row: Any) -> TallyKey:
    return TallyKey(row.channel, method_label(row.method), row.currency, row.move, row.from_status, row.status)


def aggregate(connection: Connection, watermark: Watermark, at_most: int) -> int:
    """Add up to `at_most` decided changes behind the locked watermark to the tallies. Return how many numbers."""
    look = watermark.value if watermark.look is None else watermark.look
    last = min(look, watermark.value + at_most)
    rows = connection.execute(_TO_FOLD, {"after": watermark.value, "to": last}).all()
    if not rows:  # numbers that no row has: a restore leaves out a million
        last = min(look, connection.execute(_NEXT, {"after": watermark.value}).scalar() or look)
    sums: dict[TallyKey, list[Any]] = {}
    for row in rows:
        sums.setdefault(_key(row), []).append(row.amount)
    for key, amounts in sorted(sums.items()):
        connection.write("add_tally", {**vars(key), "times": len(amounts), "amount": sum(amounts)})
    hourly_stats.add(connection, [_hourly(row) for row in rows])
    marks.advance(connection, JOURNAL, last)
    if last == look:
        marks.set_look(connection, JOURNAL, None, None)
    return last - watermark.value


def _hourly(row: Any) -> Change:
    return Change(hour_of(row.created_at), row.move, row.from_status, row.status)


PREPARED, UNKNOWN = "prepared ", "unknown"
"""The first word of a prepared transaction, and what stands for those of a worker that does not answer."""

_LAST_NUMBER = select(func.coalesce(func.max(transactions.c.transaction_log_id), 0))
_LAST_DRAWN = text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM transactions_transaction_log_id_seq")
# Every session that may hold a number: PostgreSQL's own maintenance writes no rows and may take hours. A moment is a
# number here, because its text depends on the session's time zone.
_OPEN = text(
    "SELECT pid || ' ' || extract(epoch FROM xact_start) FROM pg_stat_activity"
    " WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
    " AND backend_type NOT LIKE 'autovacuum%' AND backend_type <> 'walsender'"
)
_PREPARED = text("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
# None from a worker that does not answer: it may have prepared any transaction.
_PREPARED_BY_WORKERS = text(
    "SELECT CASE WHEN success THEN result END FROM run_command_on_workers("
    " 'SELECT coalesce(json_agg(gid), ''[]'') FROM pg_prepared_xacts WHERE database = current_database()')"
)
_HIDDEN_WRITERS = text(
    "SELECT NOT pg_has_role('pg_read_all_stats', 'USAGE') AND EXISTS (SELECT FROM pg_roles WHERE rolcanlogin"
    " AND NOT rolsuper AND rolname <> current_user AND has_table_privilege(oid, 'transactions', 'INSERT'))"
    " OR NOT current_setting('track_activities')::boolean"
    # At a stricter level the second look would see the state of the first.
    " OR current_setting('transaction_isolation') <> 'read committed'"
)


def begin(connection: Connection) -> Watermark | None:
    """Lock the journal's watermark and return it; None if another process aggregates."""
    marks.begin(connection, JOURNAL)
    return marks.lock(connection, JOURNAL)


def first_look(connection: Connection) -> None:
    """Remember the last number drawn, and after it the transactions that are open now."""
    if connection.database == "sqlite":
        marks.set_look(connection, JOURNAL, int(connection.execute(_LAST_NUMBER).scalar_one()), "[]")
        return
    look = int(connection.execute(_LAST_DRAWN).scalar_one())
    marks.set_look(connection, JOURNAL, look, json.dumps(sorted(_open(connection))))


def is_decided(connection: Connection, watermark: Watermark) -> bool:
    """Take the next look. Return whether all transactions open at the first have ended.

    One of them may have been prepared in between: then a later look waits for those that are prepared now, and no more.
    """
    if connection.database == "sqlite":
        return True
    before: set[str] = set(json.loads(watermark.open_transactions or "[]"))
    now = _open(connection)
    prepared = {each for each in now if each.startswith(PREPARED)}
    if now & before or UNKNOWN in now:
        return False
    if prepared and not all(each.startswith(PREPARED) for each in before):
        marks.set_look(connection, JOURNAL, watermark.look, json.dumps(sorted(prepared)))
        return False
    return True


def _open(connection: Connection) -> set[str]:
    """Return the transactions that are open: sessions first, and after them what is prepared here and on workers."""
    found = set(connection.execute(_OPEN).scalars())
    prepared: list[str | None] = list(connection.execute(_PREPARED).scalars())
    if schema.is_spread(connection):
        for gids in connection.execute(_PREPARED_BY_WORKERS).scalars():
            prepared += [None] if gids is None else json.loads(gids)
    return found | {UNKNOWN if gid is None else PREPARED + gid for gid in prepared}


def has_hidden_writers(connection: Connection) -> bool:
    """Return whether sessions that this one cannot see may write to the journal: then no look is certain."""
    return connection.database == "postgresql" and bool(connection.execute(_HIDDEN_WRITERS).scalar())
