"""Events get numbers in one order and commit in another: a reader that continues after the last number misses some."""

import pytest
from sqlalchemy import insert

from payment_service.db import Database
from payment_service.delivery.base import Delivered
from payment_service.delivery.relay import Relay
from payment_service.models import outbox_deliveries
from tests.support.events import delivery, pile_up, statuses
from tests.support.relays import ScriptedSink, drain

SINK = "scripted"


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)  # SQLite lets one writer after the other write
def test_event_with_a_late_commit_is_delivered(database: Database) -> None:
    pile_up(database, ["another"], count=1)
    early = {name: value for name, value in delivery(database, "another").items() if name != "delivery_id"}
    sink = ScriptedSink(lambda _: Delivered())
    relay = Relay(database, sink)
    with database.atomic("late") as late:
        late.execute(insert(outbox_deliveries), early | {"sink": SINK})
        pile_up(database, [SINK], count=1, first=2)
        drain(relay)
        assert [each.message_key for each in sink.offered] == ["2"]
    drain(relay, patience=5)

    assert [each.message_key for each in sink.offered] == ["2", "1"]
    assert statuses(database, SINK) == {"DELIVERED": 2}
