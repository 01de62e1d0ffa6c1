"""What happened to payments hour by hour, as it is folded: to be shown for a day at a cost that does not grow."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from payment_service.domain.figures import Mark
from payment_service.domain.hours import Change, hour_of
from payment_service.models import hourly_tallies, tally_marks

MOST = 10_000
"""The most marks not folded yet that are looked at: where there are more, nobody folds, and the newest hour lags."""

_KEY = [column.name for column in hourly_tallies.primary_key]


def _add_statement(dialect: Any) -> Any:
    given = dialect.insert(hourly_tallies).values(
        {column.name: bindparam(column.name, type_=column.type) for column in hourly_tallies.columns}
    )
    more = hourly_tallies.c.times + given.excluded.times
    return given.on_conflict_do_update(index_elements=_KEY, set_={"times": more})


_ADD = {dialect.__name__.rsplit(".", 1)[-1]: _add_statement(dialect) for dialect in (postgresql, sqlite)}


def add(connection: Connection, happened: Iterable[tuple[datetime | None, Mark]]) -> None:
    """Count marks for the hours they happened in; in one order for all, as tallies are."""
    counted: Counter[Change] = Counter(
        Change(hour_of(at), mark.move, mark.from_status, mark.status) for at, mark in happened if at is not None
    )
    if counted:
        rows = [vars(change) | {"times": counted[change]} for change in sorted(counted)]
        connection.execute(_ADD[connection.dialect.name], rows)


_FOLDED = select(*(hourly_tallies.c[name] for name in _KEY), hourly_tallies.c.times).where(
    hourly_tallies.c.hour >= bindparam("since")
)
_MARKS = (
    select(tally_marks.c.happened_at, tally_marks.c.move, tally_marks.c.from_status, tally_marks.c.status)
    .order_by(tally_marks.c.mark_id)
    .limit(MOST)
)


def read(connection: Connection, since: datetime) -> Counter[Change]:
    """How often each change happened in each hour since then, folded or not. The connection must be a snapshot."""
    counted: Counter[Change] = Counter()
    for row in connection.execute(_FOLDED, {"since": since}):
        counted[Change(*row[: len(_KEY)])] += row.times
    for at, *words in connection.execute(_MARKS):
        if at is not None and at >= since:
            counted[Change(hour_of(at), *words)] += 1
    return counted
