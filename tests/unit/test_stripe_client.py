"""The client sends only the fields that Stripe needs, keeps secrets back, and reports a broken exchange as unknown."""

import logging
import time
from pathlib import Path

import pytest
import stripe
import structlog.testing

from payment_service.domain.operations import Kind, Terms
from payment_service.gateways.base import Approved, Contradiction, NotSent, Registered, Unknown
from payment_service.gateways.stripe import StripeGateway, client
from payment_service.gateways.stripe.client import API_VERSION
from tests.support.ports import free_port
from tests.support.scripted_server import scripted_server
from tests.support.stripe_replies import (
    CLIENT_SECRET,
    INTENT,
    KEY,
    RETURN_URL,
    TOKEN,
    Sent,
    asked,
    card_error,
    charge,
    error,
    http,
    intent,
    listed,
    refund,
    stripe_that_says,
)


def test_charge_is_registered_and_confirmed_under_two_keys() -> None:
    request = asked(amount="150.00", reference=None, attempt=3, resend=2, terms=Terms(TOKEN, descriptor="ORDER 7"))
    with stripe_that_says(http(200, intent()), http(200, intent("succeeded", latest_charge=charge()))) as (
        gateway,
        server,
    ):
        assert gateway.register(request) == Registered(INTENT)
        assert isinstance(gateway.send(asked(gateway_key=request.gateway_key, resend=2)), Approved)
    create, confirm = map(Sent, server.received)
    assert create.line == "POST /v1/payment_intents"
    assert create.headers["idempotency-key"] == f"{request.gateway_key}/r3"
    assert create.form == {
        "amount": "15000",
        "currency": "usd",
        "capture_method": "automatic",
        "automatic_payment_methods[enabled]": "true",
        "automatic_payment_methods[allow_redirects]": "never",
        "metadata[gateway_key]": request.gateway_key,
        "metadata[payment]": "pay_7",
        "metadata[channel]": "orders",
        "payment_method": TOKEN,
        "statement_descriptor_suffix": "ORDER 7",
    }
    assert confirm.line == f"POST /v1/payment_intents/{INTENT}/confirm"
    assert confirm.headers["idempotency-key"] == f"{request.gateway_key}/2"
    assert confirm.form == {"error_on_requires_action": "true", "expand[0]": "latest_charge"}


def test_hold_with_a_return_url_may_redirect_the_customer() -> None:
    request = asked(Kind.AUTHORIZE, terms=Terms(TOKEN, RETURN_URL))
    held = intent("requires_capture", capture_method="manual")
    with stripe_that_says(http(200, intent()), http(200, held)) as (gateway, server):
        gateway.register(request)
        gateway.send(request)
    create, confirm = map(Sent, server.received)
    assert create.form["capture_method"] == "manual"
    assert create.form["automatic_payment_methods[allow_redirects]"] == "always"
    assert confirm.form == {"return_url": RETURN_URL, "expand[0]": "latest_charge"}


def test_every_request_has_its_own_key_and_metadata() -> None:
    """One key for two POSTs of one operation is an idempotency error."""
    capture, void, give_back = asked(Kind.CAPTURE, "30.00"), asked(Kind.VOID), asked(Kind.REFUND, "15.00")
    canceled = http(200, intent("canceled"))
    replies = (
        http(200, intent("succeeded", latest_charge=charge())),
        http(200, intent()),
        canceled,
        http(200, refund()),
    )
    with stripe_that_says(*replies, canceled) as (gateway, server):
        for request in (capture, void, give_back):
            gateway.send(request)
        gateway.cancel(asked(gateway_key="v1-key", attempt=4))
    taken, marked, released, returned, ended = map(Sent, server.received)
    assert taken.line == f"POST /v1/payment_intents/{INTENT}/capture"
    assert taken.headers["idempotency-key"] == capture.gateway_key
    assert taken.form["amount_to_capture"] == "3000"
    assert taken.form["metadata[capture_key]"] == capture.gateway_key
    assert marked.form == {"metadata[void_key]": void.gateway_key}
    assert released.line == f"POST /v1/payment_intents/{INTENT}/cancel"
    assert released.headers["idempotency-key"] == void.gateway_key
    assert marked.headers["idempotency-key"] != void.gateway_key
    assert returned.line == "POST /v1/refunds"
    assert returned.headers["idempotency-key"] == returned.form["metadata[gateway_key]"] == give_back.gateway_key
    assert (returned.form["payment_intent"], returned.form["amount"]) == (INTENT, "1500")
    assert ended.headers["idempotency-key"] == "v1-key/x4"


def test_api_version_is_pinned_and_headers_reveal_no_machine() -> None:
    with stripe_that_says(http(200, intent("succeeded"))) as (gateway, server):
        gateway.lookup(asked())
    sent = Sent(server.received[0])
    assert sent.line == f"GET /v1/payment_intents/{INTENT}?expand%5B0%5D=latest_charge"
    assert API_VERSION == stripe.api_version == "2026-10-28.endive"
    assert sent.headers["stripe-version"] == API_VERSION
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["user-agent"] == "payment-service"
    assert not [name for name in sent.headers if name.startswith("x-stripe")]


@pytest.mark.parametrize(
    "reply",
    [
        http(500, error(None, "api_error")),
        http(500, error(None, "api_error"), Stripe_Should_Retry="true"),
        http(409, error("lock")),
        http(429, error("x")),
        b"",
    ],
)
def test_request_is_sent_once(reply: bytes) -> None:
    """The library repeats requests automatically: a POST with a lost answer became three charges."""
    with stripe_that_says(reply) as (gateway, server):
        assert not isinstance(gateway.send(asked(Kind.REFUND)), Approved)
        gateway.register(asked())
    assert len(server.received) == 2


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"", Unknown),
        (http(200, b"<html>maintenance</html>"), Unknown),
        (http(302, b"", Location="https://login.test"), Unknown),
        (http(302, intent("succeeded"), Location="https://login.test"), Unknown),
        (http(200, b'{"object": "payment_intent"'), Unknown),
        (http(200, b'[{"object": "payment_intent"}]'), Unknown),
        (http(200, b'"succeeded"'), Unknown),
        (http(200, b'{"status": "succeeded", "status": "canceled"}'), Unknown),
        (http(403, b"<html>blocked by a proxy</html>"), Unknown),
        (http(404, b"<html>no such page</html>"), Unknown),
        (http(200, intent("succeeded", livemode=True)), Unknown),
        (http(200, b"\xff\xfe"), Unknown),
        (http(500, {"error": "oauth"}), Unknown),
        (http(400, {"error": "invalid_grant", "error_description": "x"}), Unknown),
        (http(429, error("rate_limit")), NotSent),
        (http(401, error(None)), NotSent),
        (http(404, error("resource_missing")), Contradiction),
    ],
)
def test_unclear_answer_is_unknown_and_a_known_error_keeps_its_meaning(reply: bytes, expected: type) -> None:
    with stripe_that_says(reply) as (gateway, _):
        assert type(gateway.send(asked())) is expected
        assert type(gateway.lookup(asked())) is expected


def test_refused_connection_was_not_sent() -> None:
    gateway = StripeGateway(KEY, base=f"http://127.0.0.1:{free_port()}")
    assert isinstance(gateway.register(asked()), NotSent)
    assert isinstance(gateway.send(asked()), NotSent)
    assert isinstance(gateway.lookup(asked()), NotSent)
    gateway.close()


def test_dripping_answer_has_one_deadline() -> None:
    """The library's own time-out is for each packet: two bytes a second held a thread for twenty."""
    with scripted_server(http(200, intent("succeeded")), pause=0.05) as server:
        gateway = StripeGateway(KEY, base=server.url, read_timeout=0.5)
        began = time.monotonic()
        assert isinstance(gateway.send(asked()), Unknown)
        assert time.monotonic() - began < 5
        gateway.close()


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with stripe_that_says(http(200, intent("succeeded"))) as (gateway, _):
        assert isinstance(gateway.lookup(asked()), Approved)


@pytest.fixture
def fresh_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Return a logger that no other test has used: structlog keeps the processors of the first use."""
    monkeypatch.setattr(client, "log", structlog.get_logger(client.__name__))


@pytest.mark.usefixtures("fresh_log")
def test_each_exchange_is_logged_with_stripes_id_and_no_secret(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The library prints and logs whole requests and replies when STRIPE_LOG or the level asks for it."""
    caplog.set_level(logging.DEBUG)
    request = asked(terms=Terms(TOKEN, RETURN_URL))
    action = intent("requires_action", next_action={"redirect_to_url": {"url": "https://hooks.test/3ds"}})
    with (
        stripe_that_says(http(200, intent()), http(200, action)) as (gateway, _),
        structlog.testing.capture_logs() as logs,
    ):
        gateway.register(request)
        gateway.send(request)
    replied = [line for line in logs if line["event"] == "stripe.replied"]  # other threads of the tests may log as well
    assert [(line["call"], line["status"], line["request_id"]) for line in replied] == [
        ("create", 200, "req_7"),
        ("confirm", 200, "req_7"),
    ]
    told = f"{logs}{caplog.text}{''.join(capfd.readouterr())}"
    assert not [secret for secret in (TOKEN, RETURN_URL, CLIENT_SECRET, "hooks.test", KEY) if secret in told]


@pytest.mark.usefixtures("fresh_log")
def test_rejected_api_key_is_logged_for_operators() -> None:
    with stripe_that_says(http(401, error(None))) as (gateway, _), structlog.testing.capture_logs() as logs:
        assert isinstance(gateway.send(asked()), NotSent)
    assert [(line["log_level"], line["status"], line["why"]) for line in logs] == [
        ("error", 401, "invalid_request_error")
    ]


def test_deprecation_notice_of_the_library_is_no_warning() -> None:
    """It would be an exception where warnings are errors."""
    with stripe_that_says(http(200, intent("succeeded"), Stripe_Notice="upgrade now")) as (gateway, _):
        assert isinstance(gateway.lookup(asked()), Approved)


def test_library_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with stripe_that_says(http(402, card_error()), http(200, listed())) as (gateway, _):
        gateway.register(asked())
        gateway.lookup(asked(Kind.REFUND))
    assert list(tmp_path.rglob("*")) == []
    assert not stripe.enable_telemetry
