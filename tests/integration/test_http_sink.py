"""HTTP receivers, real ones on loopback: good, slow, broken, gone."""

import base64
import hashlib
import hmac
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from payment_service.delivery.base import Delivered, Outcome, Refused, Rejected, RetryLater, SinkUnavailable
from payment_service.delivery.signatures import Signer
from tests.support.events import as_uuid
from tests.support.ports import free_port
from tests.support.receiver import Answer, Receiver
from tests.support.scripted_server import scripted_server
from tests.support.sinks import an_event, http_sink, outcome_of
from tests.support.waiting import wait_until


def answering(receiver: Receiver, answer: Answer) -> Outcome:
    receiver.behaviour = lambda _: answer
    with closing(http_sink(receiver.url, timeout=0.5)) as sink:
        return outcome_of(sink)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_only_a_2xx_answer_is_an_acknowledgement(receiver: Receiver, status: int) -> None:
    assert answering(receiver, Answer(status)) == Delivered()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599, 304])
def test_answer_of_a_passing_fault_is_tried_again(receiver: Receiver, status: int) -> None:
    assert answering(receiver, Answer(status)) == RetryLater(f"HTTP {status}")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_refused_event_is_tried_again(receiver: Receiver, status: int) -> None:
    assert answering(receiver, Answer(status)) == Refused(f"HTTP {status}")


def test_answer_410_is_final(receiver: Receiver) -> None:
    assert answering(receiver, Answer(410)) == Rejected("HTTP 410")


def test_redirect_is_not_followed(receiver: Receiver) -> None:
    with closing(Receiver()) as elsewhere:
        answer = Answer(307, {"Location": f"{elsewhere.url}/v1/notifications"})
        assert answering(receiver, answer) == RetryLater("HTTP 307")
        assert elsewhere.seen == []


@pytest.mark.parametrize(("said", "after"), [("7", 7.0), ("999999999", 3600.0), ("soon", None), ("-1", None)])
def test_retry_after_in_seconds_is_honoured_within_bounds(receiver: Receiver, said: str, after: float | None) -> None:
    assert answering(receiver, Answer(429, {"Retry-After": said})) == RetryLater("HTTP 429", after)


def test_retry_after_as_a_date_is_honoured(receiver: Receiver) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    outcome = answering(receiver, Answer(503, {"Retry-After": moment}))
    assert isinstance(outcome, RetryLater)
    assert 80 < (outcome.after or 0) <= 90


def test_late_answer_is_tried_again(receiver: Receiver) -> None:
    assert answering(receiver, Answer(wait=1.0)) == RetryLater("no answer in time")


def test_dripping_answer_is_too_late() -> None:
    with scripted_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", pause=0.05) as server:
        began = time.monotonic()
        with closing(http_sink(server.url, timeout=0.4)) as sink:
            assert outcome_of(sink) == RetryLater("no answer in time")
        assert time.monotonic() - began < 1.5


def test_broken_connection_is_tried_again(receiver: Receiver) -> None:
    assert answering(receiver, Answer(hangs_up=True)) == RetryLater("the connection broke")


def test_unreadable_answer_is_tried_again() -> None:
    with scripted_server(b"SMTP ready\r\n\r\n") as server, closing(http_sink(server.url)) as sink:
        assert isinstance(outcome_of(sink), RetryLater)


def test_endless_answer_is_not_read_to_its_end() -> None:
    with scripted_server(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500_000) as server, closing(http_sink(server.url)) as sink:
        assert outcome_of(sink) == Delivered()


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "http://no-such-host.invalid", "https://127.0.0.1:{port}"])
def test_unreachable_downstream_service_uses_up_no_try(url: str) -> None:
    with closing(http_sink(url.format(port=free_port()), timeout=2.0)) as sink:
        assert outcome_of(sink) == SinkUnavailable("no connection")


def test_failed_tls_handshake_uses_up_no_try() -> None:
    with (
        scripted_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server,
        closing(http_sink(server.url.replace("http://", "https://"), timeout=2.0)) as sink,
    ):
        assert outcome_of(sink) == SinkUnavailable("no connection")


def test_request_is_signed_by_standard_webhooks(receiver: Receiver) -> None:
    raw = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
    event = an_event(request_id="req-1", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    with closing(http_sink(receiver.url, Signer.of(f"new secret, whsec_{raw}"))) as sink:
        assert outcome_of(sink, event) == Delivered()
    (taken,) = receiver.taken
    assert (taken.method, taken.path, taken.body.decode()) == ("POST", "/v1/notifications", event.body)
    headers = taken.headers
    assert headers["Content-Type"] == "application/json"
    assert as_uuid(headers["Webhook-Id"]) == event.event_id
    assert abs(int(headers["Webhook-Timestamp"]) - time.time()) < 60
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + taken.body
    keys = (b"new secret", b"0123456789abcdef0123456789abcdef")
    assert headers["Webhook-Signature"].split(" ") == [
        "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys
    ]
    assert headers["X-Request-ID"] == headers["X-Correlation-ID"] == "req-1"
    assert headers["traceparent"] == event.traceparent
    assert headers["Authorization"] is headers["Cookie"] is None


def test_request_without_a_secret_has_no_signature(receiver: Receiver) -> None:
    with closing(http_sink(receiver.url, Signer.of(None))) as sink:
        outcome_of(sink)
    assert receiver.taken[0].headers["Webhook-Signature"] is None


def test_secret_that_is_no_base64_is_refused_without_an_echo() -> None:
    with pytest.raises(ValueError, match="after whsec_ comes base64") as caught:
        Signer.of("whsec_not base64 at all!")
    assert "not base64 at all" not in str(caught.value)


def test_proxies_of_the_environment_are_ignored(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert answering(receiver, Answer()) == Delivered()


def test_sink_uses_its_connection_again(receiver: Receiver) -> None:
    with closing(http_sink(receiver.url)) as sink:
        assert [outcome_of(sink, an_event(number)) for number in range(20)] == [Delivered()] * 20
    assert receiver.connections == 1


def test_close_waits_for_running_requests_and_begins_no_other(receiver: Receiver) -> None:
    receiver.behaviour = lambda _: Answer(wait=0.4)
    sink = http_sink(receiver.url)
    sink.send([an_event(number) for number in range(40)])
    wait_until(lambda: receiver.seen)
    outcomes = [report.outcome for report in sink.close()]
    assert len(outcomes) == 40
    assert outcomes.count(Delivered()) == len(receiver.taken) <= 16
    assert set(outcomes) <= {Delivered(), SinkUnavailable("stopping")}
