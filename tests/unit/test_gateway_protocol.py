"""Only well-formed answers of a gateway are final; every other answer is unknown."""

import json
from decimal import Decimal
from typing import Any

import pytest

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined, NotFound, Pending, Unknown
from payment_service.gateways.listed import Entry
from payment_service.gateways.protocol import (
    Reply,
    UnreadableReplyError,
    encode,
    read_answer,
    read_finding,
    read_ledger,
)
from tests.support.instructions import instruct

ASKED = instruct(gateway_key="v1-asked")
APPROVED = {"gateway_key": "v1-asked", "kind": "charge", "status": "approved", "amount": "150.00", "currency": "USD"}
DECLINED = {"gateway_key": "v1-asked", "kind": "charge", "status": "declined", "code": "EXPIRED_CARD", "message": "No"}
PENDING = {"gateway_key": "v1-asked", "kind": "charge", "status": "pending"}
NOT_FOUND = {"gateway_key": "v1-asked", "status": "not_found"}


def reply(body: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode())


def test_amount_is_sent_as_plain_text() -> None:
    assert encode(instruct(amount="1E+3"))["amount"] == "1000"
    assert encode(instruct(amount="0.10"))["amount"] == "0.10"


def test_approval_is_read_with_all_its_fields() -> None:
    answer = read_answer(ASKED, reply(APPROVED | {"reference": "R1", "authorization_code": "A1B2C3"}))
    assert answer == Approved(Decimal("150.00"), "USD", "R1", "A1B2C3")


def test_approval_of_another_amount_or_currency_shows_it() -> None:
    answer = read_answer(ASKED, reply(APPROVED | {"amount": "15.00", "currency": "EUR"}))
    assert answer == Approved(Decimal("15.00"), "EUR")


@pytest.mark.parametrize("status", [200, 201, 402, 422])
def test_documented_refusal_is_a_decline(status: int) -> None:
    assert read_answer(ASKED, reply(DECLINED, status)) == Declined("EXPIRED_CARD", "No")


def test_pending_answer_is_pending() -> None:
    assert read_answer(ASKED, reply(PENDING | {"reference": "R1"}, 202)) == Pending("R1")


@pytest.mark.parametrize(
    "distorted",
    [
        reply(APPROVED, 500),
        reply(APPROVED, 302),
        reply(APPROVED, 402),
        reply(DECLINED, 503),
        reply(DECLINED, 304),
        reply(PENDING, 404),
        reply({"status": "error", "code": "KEY_CONFLICT"}, 409),
        reply({}, 402),
        reply(APPROVED | {"gateway_key": "v1-other"}),
        reply(APPROVED | {"kind": "refund"}),
        reply(APPROVED | {"status": "APPROVED"}),
        reply(APPROVED | {"status": ["approved"]}),
        reply(APPROVED | {"amount": 150.0}),
        reply(APPROVED | {"amount": 150}),
        reply(APPROVED | {"amount": True}),
        reply(APPROVED | {"amount": None}),
        reply(APPROVED | {"amount": "1e2"}),
        reply(APPROVED | {"amount": "-150.00"}),
        reply(APPROVED | {"amount": "NaN"}),
        reply(APPROVED | {"amount": "\u0661\u0665\u0660"}),
        reply(APPROVED | {"amount": "150.00\n"}),
        reply(APPROVED | {"amount": "1" * 5000}),
        reply(APPROVED | {"currency": "usd"}),
        reply(APPROVED | {"currency": None}),
        reply(APPROVED | {"reference": 7}),
        reply(APPROVED | {"reference": ""}),
        reply(APPROVED | {"reference": "a\x00b"}),
        reply(APPROVED | {"reference": "\ud800"}),
        reply(APPROVED | {"authorization_code": "x" * 256}),
        reply({name: value for name, value in APPROVED.items() if name != "amount"}),
        reply({name: value for name, value in DECLINED.items() if name != "code"}),
        reply(DECLINED | {"message": {}}),
        reply([APPROVED]),
        reply("approved"),
        reply(None),
        Reply(200, b""),
        Reply(200, b"<html></html>"),
        Reply(200, b"\xff\xfe\xff"),
        Reply(200, b"[" * 60_000),
        Reply(200, b'{"amount": ' + b"9" * 5000 + b"}"),
        Reply(200, json.dumps(APPROVED).encode()[:-1]),
        Reply(200, json.dumps(APPROVED).encode() + json.dumps(APPROVED).encode()),
        Reply(200, json.dumps(APPROVED).replace('"150.00"', "NaN").encode()),
        Reply(200, json.dumps(DECLINED).replace('"code"', '"status": "approved", "code"').encode()),
    ],
)
def test_malformed_or_contradictory_answer_is_unknown(distorted: Reply) -> None:
    assert isinstance(read_answer(ASKED, distorted), Unknown)
    assert isinstance(read_finding(ASKED, distorted), Unknown)


def test_look_up_is_not_found_only_by_the_documented_answer() -> None:
    assert read_finding(ASKED, reply(NOT_FOUND, 404)) == NotFound()


@pytest.mark.parametrize(
    "distorted",
    [
        reply(NOT_FOUND),
        reply(NOT_FOUND | {"gateway_key": "v1-other"}, 404),
        reply({"detail": "Not Found"}, 404),
        Reply(404, b"no such page"),
    ],
)
def test_undocumented_not_found_is_unknown(distorted: Reply) -> None:
    assert isinstance(read_finding(ASKED, distorted), Unknown)


def test_not_found_as_the_answer_of_a_send_is_unknown() -> None:
    assert isinstance(read_answer(ASKED, reply(NOT_FOUND, 404)), Unknown)


def test_page_of_the_ledger_is_read_completely() -> None:
    row = {"id": 3, "gateway_key": "v1-a", "kind": "refund", "amount": "10.00", "currency": "USD"}
    page = read_ledger(reply({"effects": [row], "next": 3}))
    assert page.entries == (Entry("v1-a", Kind.REFUND, Decimal("10.00"), "USD"),)
    assert page.following == 3


@pytest.mark.parametrize(
    "distorted",
    [
        reply({"effects": [], "next": None}, 500),
        reply({"effects": [], "next": None}, 404),
        reply({"effects": [], "next": "3"}),
        reply({"effects": [], "next": True}),
        reply({"next": None}),
        reply({"effects": ["v1-a"], "next": None}),
        reply({"effects": [{"gateway_key": "v1-a", "kind": "gift", "amount": "1", "currency": "USD"}], "next": None}),
        reply({"effects": [{"gateway_key": "v1-a", "kind": "charge", "amount": 1, "currency": "USD"}], "next": None}),
    ],
)
def test_unreadable_page_of_the_ledger_raises(distorted: Reply) -> None:
    with pytest.raises(UnreadableReplyError):
        read_ledger(distorted)
