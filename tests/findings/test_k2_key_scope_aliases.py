"""A caller's subject changes: from the anonymous one to its own, or from one name to another.

Release 1.0.0 took each repeat of a key for another caller's first request, and charged again.
"""

from typing import Any, NoReturn

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.config import ConfigurationError, Settings
from payment_service.domain.errors import DatabaseUnavailable
from payment_service.models import payments, transactions
from payment_service.services import queries
from payment_service.services.dependencies import Dependencies
from tests.conftest import Later, MakeApp
from tests.support.bookers import Booker
from tests.support.callers import at_once, pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.checkouts import process
from tests.support.database import rows
from tests.support.gateways import LedgerGateway
from tests.support.orders import charge_order
from tests.support.tokens import bearer, token

NEW, OLD = bearer("new"), bearer("old")
RENAMED = (("new", "old"),)
TOKENS_ON = (("new", ""),)
CLOSED: frozenset[str] = frozenset()


def is_replay(answer: TestResponse) -> bool:
    return answer.status_code in {200, 201} and answer.headers.get("Idempotent-Replayed") == "true"


@pytest.mark.parametrize(("aliases", "before"), [(TOKENS_ON, None), (RENAMED, OLD)])
def test_k2_key_of_a_renamed_subject_still_replays(
    make_app: MakeApp, gateway: LedgerGateway, aliases: Any, before: Any
) -> None:
    """Release 1.0.0 charged the same key again after tokens were switched on, and again after a rename."""
    client = make_app().test_client()
    number = trip_id_of(pay_trip(client, headers=before))
    refund = refund_trip(client, number, amount=1, headers=before)
    pay_bill(client, headers=before)
    sent = len(gateway.sent)

    client = make_app(auth_open_channels=CLOSED, key_scope_aliases=aliases).test_client()
    assert is_replay(pay_trip(client, headers=NEW))
    assert is_replay(pay_bill(client, headers=NEW))
    assert refund_trip(client, number, amount=1, headers=NEW).data == refund.data
    assert len(gateway.sent) == sent
    assert client.get(f"/payments/{number}", headers=NEW).status_code == 200
    assert len(client.get("/payments", headers=NEW).get_json()["payments"]) == 1
    assert client.get("/v1/idempotency-keys/demo-client-1", headers=NEW).status_code == 200
    assert refund_trip(client, number, idempotency_key="rest", headers=NEW).status_code == 200
    assert client.get(f"/payments/{number}", headers=bearer("another")).status_code == 404


def test_k2_other_subject_without_an_alias_charges_again(client: FlaskClient, gateway: LedgerGateway) -> None:
    """As in release 1.0.0: two services may use the same key."""
    pay_trip(client, headers=OLD)
    assert not is_replay(pay_trip(client, headers=NEW))
    assert len(gateway.sent) == 2


def test_k2_requests_of_both_subjects_at_once_charge_once(make_app: MakeApp, gateway: LedgerGateway) -> None:
    """Release 1.0.0 charged once for each of them."""
    app = make_app(key_scope_aliases=RENAMED)
    answers = at_once(app, 8, lambda client, number: pay_trip(client, headers=(OLD, NEW)[number % 2]))
    assert len({answer.data for answer in answers}) == 1
    assert len(gateway.sent) == 1
    path = f"/payments/{trip_id_of(answers[0])}"
    assert [app.test_client().get(path, headers=headers).status_code for headers in (OLD, NEW)] == [200, 200]


def test_k2_new_payment_of_a_renamed_subject_belongs_to_the_old_one(make_app: MakeApp, deps: Dependencies) -> None:
    """The audit trail still names the actual subject."""
    pay_trip(make_app(key_scope_aliases=RENAMED).test_client(), headers=NEW)
    assert [row["subject"] for row in rows(deps, payments)] == ["old"]
    assert {row["actor"] for row in rows(deps, transactions)} == {"new"}


def test_k2_key_under_the_own_subject_has_precedence(make_app: MakeApp, gateway: LedgerGateway) -> None:
    """An alias that is set late takes nothing away from what the new subject has made."""
    client = make_app().test_client()
    own = trip_id_of(pay_trip(client, headers=NEW))
    olds = trip_id_of(pay_trip(client, headers=OLD))
    sent = len(gateway.sent)

    client = make_app(key_scope_aliases=RENAMED).test_client()
    assert trip_id_of(pay_trip(client, headers=NEW)) == own
    assert trip_id_of(pay_trip(client, headers=OLD)) == olds
    assert len(gateway.sent) == sent
    listed = client.get("/payments", headers=NEW).get_json()["payments"]
    assert {payment["payment_id"] for payment in listed} == {own, olds}
    shown = client.get("/v1/idempotency-keys/demo-client-1", headers=NEW).get_json()
    assert shown["payment"]["id"] == own


def test_k2_undecided_operation_of_the_new_subject_is_continued(make_app: MakeApp, gateway: LedgerGateway) -> None:
    """The gateway key has the subject in it: another scope would send another charge."""
    gateway.script.append(gateway.lose_answer)
    assert pay_trip(make_app().test_client(), headers=NEW).status_code == 202
    assert pay_trip(make_app(key_scope_aliases=RENAMED).test_client(), headers=NEW).status_code == 200
    assert len({request.gateway_key for request in gateway.sent}) == 1


def test_k2_process_of_a_booking_by_both_subjects_charges_once(make_app: MakeApp, gateway: LedgerGateway) -> None:
    """Without a client's key the payment is the key, whichever of the two subjects processes it."""
    app = make_app(key_scope_aliases=RENAMED)
    old, new = Booker(app, "old"), Booker(app, "new")
    payment_id = new.made()
    at_once(app, 4, lambda _client, number: (old, new)[number % 2].process(payment_id))
    assert len(gateway.sent) == 1
    assert (new.status(payment_id), old.status(payment_id)) == ("completed", "completed")


def advice(answer: TestResponse) -> tuple[int, bool]:
    return answer.status_code, answer.get_json()["retry"]["safe"]


BAD: tuple[dict[str, str], ...] = ({}, {"Authorization": f"Bearer {token(secret='x' * 40)}"}, bearer(None))


@pytest.mark.parametrize("headers", BAD, ids=["missing", "invalid", "without subject"])
def test_k2_answer_401_of_a_formerly_open_channel_advises_no_safe_repeat(
    make_app: MakeApp, headers: dict[str, str]
) -> None:
    """Release 1.0.0 answered "same key, safe"; with a token the same key then charged again."""
    client = make_app().test_client()
    pay_trip(client)
    process(client)

    closed = make_app(auth_open_channels=CLOSED).test_client()
    assert advice(pay_trip(closed, headers=headers)) == (401, False)
    assert advice(pay_bill(closed, headers=headers)) == (401, False)  # its path is trips', too
    assert advice(closed.post("/api/v1/payments/process", headers=headers, json={})) == (401, False)
    assert advice(closed.post("/api/payments", headers=headers, json={})) == (401, True)
    assert advice(charge_order(closed, headers=headers)) == (401, True)
    assert advice(closed.get("/payments", headers=headers)) == (401, True)

    aliased = make_app(auth_open_channels=CLOSED, key_scope_aliases=TOKENS_ON).test_client()
    assert advice(pay_trip(aliased, headers=headers)) == (401, True)


def test_k2_answer_401_beside_an_open_channel_keeps_its_advice(make_app: MakeApp) -> None:
    """On a shared path the channel is known only when the body was read."""
    pay_trip(make_app().test_client())
    client = make_app(auth_open_channels=frozenset({"bills"})).test_client()
    assert advice(pay_trip(client)) == (401, False)


def test_k2_keyless_payment_of_another_process_changes_the_advice(make_app: MakeApp, later: Later) -> None:
    """While the processes restart one by one, some still accept callers without a token."""
    closed = make_app(auth_open_channels=CLOSED).test_client()
    assert advice(pay_trip(closed)) == (401, True)
    pay_trip(make_app().test_client())
    later(11)
    assert advice(pay_trip(closed)) == (401, False)


def test_k2_answer_401_needs_no_database(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the database's answer the service gives the careful advice."""

    def fail(*_: Any) -> NoReturn:
        raise DatabaseUnavailable

    client = make_app(auth_open_channels=CLOSED).test_client()
    monkeypatch.setattr(queries, "newest", fail)
    assert advice(pay_trip(client)) == (401, False)


@pytest.mark.parametrize(
    ("text", "aliases"),
    [
        ("new=old", (("new", "old"),)),
        (" a = anonymous , b=anonymous", (("a", ""), ("b", ""))),
        ("CN%3Da%2CO%3Db=100%25", (("CN=a,O=b", "100%"),)),
    ],
)
def test_k2_aliases_are_parsed(text: str, aliases: Any) -> None:
    """Release 1.0.0 had no such variable."""
    assert Settings.from_env({"KEY_SCOPE_ALIASES": text}).key_scope_aliases == aliases


@pytest.mark.parametrize(
    "text", ["new", "=old", "new=", "a=b=c", "a=b,a=c", "a=b,b=c", "a=a", "anonymous=a", "a=anonymous,anonymous=b"]
)
def test_k2_aliases_without_one_old_subject_each_are_refused(text: str) -> None:
    """With two aliases in a row, their order would decide the key's owner."""
    with pytest.raises(ConfigurationError, match="KEY_SCOPE_ALIASES"):
        Settings.from_env({"KEY_SCOPE_ALIASES": text})
