"""Stripe's webhooks as bytes: the adapter checks the signature and finds the operation of each."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from payment_service.gateways.notices import Forged, Notice
from payment_service.gateways.stripe.notices import read
from simulator.stripe.webhooks import signature

SECRET, OTHER = "whsec_one", "whsec_two"
NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)
MOMENT = int(NOW.timestamp())


def body_of(**changes: Any) -> bytes:
    subject = {"id": "pi_1", "object": "payment_intent", "metadata": {"gateway_key": "v1-a"}}
    event = {"id": "evt_1", "type": "payment_intent.succeeded", "livemode": False, "created": MOMENT}
    return json.dumps(event | {"data": {"object": subject}} | changes).encode()


def about(**subject: Any) -> bytes:
    return body_of(data={"object": {"id": "pi_1", "object": "payment_intent", "metadata": {}} | subject})


BODY = body_of()


def judged(header: str | None, body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,), live: bool = False) -> Any:
    headers = {} if header is None else {"stripe-signature": header}
    return read(headers, body, secrets, live=live, now=NOW)


def by(*secrets: str, moment: int = MOMENT, body: bytes = BODY) -> str:
    return signature(list(secrets), moment, body)


def test_notice_signed_by_stripe_is_read() -> None:
    (notice,) = judged(by(SECRET))
    assert notice == Notice("evt_1", "payment_intent.succeeded", NOW, ("v1-a",), "pi_1", BODY.decode())


def test_official_library_accepts_the_same_signature() -> None:
    moment = int(datetime.now(UTC).timestamp())
    header = signature([SECRET], moment, BODY)
    assert stripe.Webhook.construct_event(BODY.decode(), header, SECRET).id == "evt_1"
    assert not isinstance(read({"stripe-signature": header}, BODY, [SECRET], live=False, now=datetime.now(UTC)), Forged)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        f"t={MOMENT}",
        by(SECRET).partition(",")[2],
        by(SECRET).replace("v1=", "v0="),
        f"t={MOMENT},{by(SECRET)}",
        by(SECRET).replace(f"t={MOMENT}", "t=soon"),
        by(SECRET).replace(f"t={MOMENT}", "t=٣"),
        by(SECRET).replace(f"t={MOMENT}", f"t={MOMENT + 1}"),
        by(SECRET, moment=MOMENT - 301),
        by(SECRET, moment=MOMENT + 301),
        by(OTHER),
        by(SECRET, body=BODY + b" "),
        by(SECRET)[:-1],
        by(SECRET) + "é",
    ],
)
def test_notice_without_a_recent_signature_is_forged(header: str | None) -> None:
    assert isinstance(judged(header), Forged)


@pytest.mark.parametrize("moment", [MOMENT - 300, MOMENT + 300])
def test_clock_difference_of_5_minutes_is_tolerated(moment: int) -> None:
    assert not isinstance(judged(by(SECRET, moment=moment)), Forged)


@pytest.mark.parametrize(
    ("signed_by", "known"),
    [
        ((SECRET, OTHER), (SECRET,)),
        ((SECRET, OTHER), (OTHER,)),
        ((SECRET,), (OTHER, SECRET)),
        ((OTHER,), (OTHER, SECRET)),
    ],
)
def test_notice_signed_with_any_common_secret_is_read(signed_by: tuple[str, ...], known: tuple[str, ...]) -> None:
    assert not isinstance(judged(by(*signed_by), secrets=known), Forged)


def test_notice_without_a_configured_secret_is_forged() -> None:
    assert isinstance(judged(by(SECRET), secrets=()), Forged)


@pytest.mark.parametrize(
    "body",
    [
        b"no JSON",
        b"[]",
        b"\xff",
        BODY.decode().encode("utf-16"),
        b"[" * 100_000,
        body_of(livemode=True),
        body_of(livemode=None),
        body_of(id=None),
        body_of(id="e" * 256),
        body_of(type=7),
        body_of(created="now"),
        body_of(created=2**40),
    ],
)
def test_signed_body_that_is_no_event_is_forged(body: bytes) -> None:
    assert isinstance(judged(by(SECRET, body=body), body), Forged)


def test_live_event_needs_a_live_key() -> None:
    body = body_of(livemode=True)
    assert not isinstance(judged(by(SECRET, body=body), body, live=True), Forged)


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        (about(metadata={"gateway_key": "a", "capture_key": "c"}), ("c", "a")),
        (about(metadata={"gateway_key": "a", "void_key": "v"}), ("v", "a")),
        (about(object="refund", metadata={"gateway_key": "r"}), ("r",)),
        (about(object="refund", metadata={}), ()),
        (about(object="dispute"), ()),
        (about(object="refund", metadata={"gateway_key": "k" * 65}), ()),
        (body_of(data={}), ()),
    ],
)
def test_event_names_its_possible_operations(body: bytes, keys: tuple[str, ...]) -> None:
    (notice,) = judged(by(SECRET, body=body), body)
    assert notice.gateway_keys == keys


@pytest.mark.parametrize(
    "body",
    [
        about(metadata={"order": "7"}),
        about(metadata=None),
        about(object="charge", metadata={"gateway_key": "a"}),
        about(object="payout"),
        body_of(type="payment_intent.created"),
    ],
)
def test_event_about_another_object_is_no_notice(body: bytes) -> None:
    assert judged(by(SECRET, body=body), body) == ()
