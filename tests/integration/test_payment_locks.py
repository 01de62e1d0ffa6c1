"""An operation on an existing payment is decided under the lock of the payment's row."""

from contextlib import closing
from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg2.errors import LockNotAvailable

from payment_service.services import transitions
from tests.support.operations import MOVEMENTS
from tests.support.postgres import plainly
from tests.support.spread import lock_rows


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)  # on SQLite the whole file is locked
@pytest.mark.parametrize("name", ["capture", "void", "refund of a trip"])
def test_payment_is_locked_while_an_operation_on_it_is_decided(
    client: FlaskClient, database_url: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ask = MOVEMENTS[name].prepare(client, "asked")
    start, locked = transitions.operation_started, []

    def start_and_look(*arguments: Any) -> Any:
        with closing(plainly(database_url)) as other:
            try:
                lock_rows(other, "payments", "FOR NO KEY UPDATE NOWAIT")
            except LockNotAvailable:
                locked.append(name)
        return start(*arguments)

    monkeypatch.setattr(transitions, "operation_started", start_and_look)
    assert ask().status_code == 200
    assert locked == [name]
