"""G7: the service reports nothing about money while its own COMMIT is in doubt."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask import Flask

from payment_service.connection import Connection, TransactionLost
from payment_service.db import ATTEMPTS, Database
from payment_service.domain.errors import DatabaseUnavailable
from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined, GatewayRequest, SendResult, Unknown
from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.integration.test_callers_without_a_key import (
    Ask,
    assert_done_once,
    assert_sent_to_look_it_up,
    every_movement,
)
from tests.support import checkouts
from tests.support.database import recover_all, rows
from tests.support.gateways import LedgerGateway


@contextmanager
def commits_lost(times: int, *, heard: bool, then: type[Exception] | None = None) -> Iterator[None]:
    """Lose the answers of the first `times` COMMITs that complete an operation; then lose none, or fail all `then`."""
    real = Database.atomic
    lost: list[str] = []

    @contextmanager
    def atomic(database: Database, name: str) -> Iterator[Connection]:
        is_lost = name == "finish" and len(lost) < times
        if name == "finish" and not is_lost and then is not None:
            raise then
        with real(database, name) as connection:
            yield connection
            if is_lost:
                lost.append(name)
                if not heard or len(lost) < times:
                    raise TransactionLost  # rolled back
        if is_lost:
            raise TransactionLost

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "atomic", atomic)
        yield


@every_movement
@pytest.mark.parametrize("heard", [True, False], ids=["heard", "unheard"])
def test_g7_unreadable_tables_after_a_commit_answer_outcome_unknown(
    app: Flask,
    deps: Dependencies,
    gateway: LedgerGateway,
    kind: Kind,
    prepare: Callable[[Flask], Ask],
    heard: bool,
) -> None:
    """Release 1.0.0 answered undecided, although the outcome may have been committed as done."""
    ask = prepare(app)
    with commits_lost(1, heard=heard, then=DatabaseUnavailable):
        answer = ask()
    assert_sent_to_look_it_up(answer)
    assert_done_once(deps, gateway, kind, is_committed=heard)


@every_movement
def test_g7_stored_outcome_is_answered_when_the_tables_can_be_read(
    app: Flask, deps: Dependencies, gateway: LedgerGateway, kind: Kind, prepare: Callable[[Flask], Ask]
) -> None:
    """Release 1.0.0 answered undecided."""
    ask = prepare(app)
    with commits_lost(ATTEMPTS, heard=True):
        answer = ask()
    assert answer.status_code == 200, answer.text
    assert_done_once(deps, gateway, kind, is_committed=True)


@every_movement
def test_g7_outcome_that_was_not_stored_is_undecided(
    app: Flask, deps: Dependencies, gateway: LedgerGateway, kind: Kind, prepare: Callable[[Flask], Ask]
) -> None:
    """The re-reading holds the key's lock: no COMMIT of ours can follow."""
    ask = prepare(app)
    with commits_lost(ATTEMPTS, heard=False):
        answer = ask()
    assert answer.status_code == 202, answer.text
    assert_done_once(deps, gateway, kind)


def test_g7_stored_decline_is_answered_as_a_decline(app: Flask, deps: Dependencies, gateway: LedgerGateway) -> None:
    """Release 1.0.0 answered "processing" for a payment that had failed."""
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    with commits_lost(ATTEMPTS, heard=True):
        body = checkouts.body_of(checkouts.process(app.test_client()))
    assert (body["status"], body["error"]) == ("failed", "Card was declined by issuer")


def test_g7_outcome_whose_commit_was_never_sent_answers_202(
    app: Flask, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """No COMMIT was sent: the payment is undecided, and its caller may know it."""
    with commits_lost(0, heard=False, then=DatabaseUnavailable):
        body = checkouts.body_of(checkouts.process(app.test_client()), 202)
    assert (body["success"], body["status"]) == (False, "processing")
    for _ in ("the charge", "its reversal"):
        recover_all(deps)
    assert [row["status"] for row in rows(deps, payments)] == ["FAILED"]
    assert not list(verify(deps))


def test_g7_overtaken_owner_of_an_open_operation_answers_undecided(
    app: Flask, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """Another one holds the key now, and knows no more."""

    def sleep(asked: GatewayRequest) -> SendResult:
        gateway.found.append(Unknown("silence"))
        recover_all(deps)
        return gateway.approve(asked)

    gateway.script.append(sleep)
    answer = checkouts.process(app.test_client())
    assert (answer.status_code, "Idempotent-Replayed" in answer.headers) == (202, False)
    assert_done_once(deps, gateway, Kind.CHARGE)
