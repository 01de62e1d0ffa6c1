"""S19: a host with a clock that is a day wrong, either way, changes no response that was given."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from payment_service import clock
from payment_service.services.dependencies import Dependencies
from payment_service.services.retention import purge, purgeable
from tests.support.callers import pay_trip, refund_trip, trip_id_of

A_DAY_AND_MORE = timedelta(days=1, hours=1)


def be_wrong(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    wrong = clock.now() + by
    monkeypatch.setattr(clock, "now", lambda: wrong)


def test_answer_stored_by_a_clock_a_day_behind_is_replayed(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as there:
        be_wrong(there, -A_DAY_AND_MORE)
        first = pay_trip(client)
    refund_trip(client, trip_id_of(first))

    again = pay_trip(client)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.data == first.data


def test_purge_by_a_clock_a_day_ahead_deletes_nothing_early(
    client: FlaskClient, deps: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pay_trip(client)
    with monkeypatch.context() as there:
        be_wrong(there, A_DAY_AND_MORE)
        assert purgeable(deps) == 0
        assert list(purge(deps)) == []

    refund_trip(client, trip_id_of(first))
    assert pay_trip(client).data == first.data
