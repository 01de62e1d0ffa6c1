"""Which keys a repeat locks. Release 1.0.0's documents claimed a lock before each replay."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from payment_service.connection import Connection
from payment_service.services.dependencies import Dependencies
from tests.conftest import here
from tests.support.callers import pay_trip
from tests.support.database import expire_answers, purge_answers
from tests.support.gateways import LedgerGateway


@pytest.fixture
def locks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the statements that lock, as they are sent."""
    sent: list[str] = []
    send = Connection.write

    def write(connection: Connection, name: str, values: object) -> None:
        if name.startswith("lock_key"):
            sent.append(name)
        send(connection, name, values)  # type: ignore[arg-type]

    monkeypatch.setattr(Connection, "write", write)
    return sent


def test_e3_finished_key_is_replayed_without_a_lock(client: FlaskClient, locks: list[str]) -> None:
    """Release 1.0.0's code did so too, but its documents claimed a lock."""
    first = pay_trip(client)
    assert pay_trip(client).data == first.data
    assert pay_trip(client, amount=151).status_code == 422
    assert locks == []


@pytest.mark.parametrize(
    "change", [None, expire_answers, purge_answers], ids=["without an outcome", "expired", "purged"]
)
def test_e3_key_without_a_stored_response_is_locked_once(
    client: FlaskClient,
    deps: Dependencies,
    gateway: LedgerGateway,
    locks: list[str],
    change: Callable[[Dependencies], object] | None,
) -> None:
    """The service locks a key without an outcome, and one with an expired response."""
    gateway.script.append(gateway.lose_answer)
    pay_trip(client)
    if change:
        pay_trip(client)
        change(deps)
    locks.clear()
    assert pay_trip(client).status_code == 200
    assert locks == ["lock_key"]


def test_e3_documents_describe_the_locks_of_replays() -> None:
    """The diagram and the record mention no lock for a finished key."""
    diagram, record = (
        here("docs/explanation/architecture.md").read_text(),
        here("docs/adr/0003-claim-gateway-finish.md").read_text(),
    )
    assert "the stored response, without a lock" in diagram
    assert diagram.index("the stored response, without a lock") < diagram.index("services->>database: lock its row")
    assert "so it is not\n   locked" in record
