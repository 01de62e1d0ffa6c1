"""Counting what happens to payments: marks are appended with each change, and folded into tallies a moment later.

A mark is appended by `writes.write()`, locks nothing, and is visible when its change is. Folding moves marks into
tallies in one transaction: whoever reads both sees every change exactly once, at any moment, whoever dies meanwhile.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, fields
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, delete, func, literal, select, union_all
from sqlalchemy.dialects import postgresql, sqlite

from payment_service.domain.figures import Mark, Tally
from payment_service.models import tallies, tally_marks
from payment_service.repositories import hours
from payment_service.sqltypes import MoneySum

_WORDS = [field.name for field in fields(Mark)]

_EARLIEST = (
    select(tally_marks.c.mark_id)
    .order_by(tally_marks.c.mark_id)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
    .cte("earliest")  # not a subquery, which PostgreSQL may run once for each row, each time with a limit of its own
)
_TAKE = (
    delete(tally_marks)
    .where(tally_marks.c.mark_id.in_(select(_EARLIEST.c.mark_id)))
    .returning(*(tally_marks.c[name] for name in _WORDS), tally_marks.c.amount, tally_marks.c.happened_at)
)


def _add_statement(dialect: Any) -> Any:
    given = dialect.insert(tallies).values({column.name: bindparam(column.name) for column in tallies.columns})
    return given.on_conflict_do_update(
        index_elements=_WORDS,
        set_={name: tallies.c[name] + given.excluded[name] for name in ("times", "amount")},
    )


_ADD = {dialect.__name__.rsplit(".", 1)[-1]: _add_statement(dialect) for dialect in (postgresql, sqlite)}


def fold(connection: Connection, at_most: int) -> int:
    """Turn up to `at_most` marks into tallies; how many. Marks another folder has in hand are left to it."""
    taken = connection.execute(_TAKE, {"at_most": at_most}).all()
    marks = [Mark(*row[: len(_WORDS)]) for row in taken]
    counted = _counted((mark, row.amount) for mark, row in zip(marks, taken, strict=True))
    if counted:
        rows = [dict(zip(_WORDS, astuple(each.mark), strict=True)) | _sums(each) for each in counted]
        connection.execute(_ADD[connection.dialect.name], rows)
        hours.add(connection, ((row.happened_at, mark) for mark, row in zip(marks, taken, strict=True)))
    return len(taken)


def _counted(marks: Iterable[tuple[Mark, Decimal]]) -> list[Tally]:
    """In one order for all: two folders who wait for each other's rows would wait for ever."""
    amounts: dict[Mark, list[Decimal]] = defaultdict(list)
    for mark, amount in marks:
        amounts[mark].append(amount)
    return [Tally(mark, len(amounts[mark]), sum(amounts[mark], Decimal(0))) for mark in sorted(amounts)]


def _sums(tally: Tally) -> dict[str, Any]:
    return {"times": tally.times, "amount": tally.amount}


_ALL = union_all(
    select(*(tallies.c[name] for name in _WORDS), tallies.c.times, tallies.c.amount, literal(0).label("marks")),
    select(
        *(tally_marks.c[name] for name in _WORDS),
        literal(1).label("times"),
        tally_marks.c.amount.label("amount"),
        literal(1).label("marks"),
    ),
).subquery()
_READ = select(
    *(_ALL.c[name] for name in _WORDS),
    func.sum(_ALL.c.times, type_=BigInteger).label("times"),
    func.sum(_ALL.c.amount, type_=MoneySum).label("amount"),
    func.sum(_ALL.c.marks, type_=BigInteger).label("marks"),
).group_by(*(_ALL.c[name] for name in _WORDS))


def read(connection: Connection) -> tuple[list[Tally], int]:
    """Everything counted so far, folded or not, in one statement; and how many marks were not folded yet."""
    rows = connection.execute(_READ).all()
    told = [Tally(Mark(*row[: len(_WORDS)]), int(row.times), row.amount) for row in rows]
    return told, sum(int(row.marks) for row in rows)
