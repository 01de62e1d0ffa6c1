"""The client repeats a request, or stops, by the retry advice; its error tells the caller the state."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise

import pytest
import requests

from payment_service_client import OutcomeUnknown, PaymentClient, PaymentError, Refused, Unavailable
from tests.clients.canned import PAYMENT, canned
from tests.clients.scenarios import FakeTime
from tests.support.ports import free_port

Call = Callable[[PaymentClient], object]
LOST = requests.ConnectionError("reset")
UNSENT = requests.ConnectTimeout("no connection")
BUSY: object = (
    409,
    {"error": "busy", "code": "idempotency_key_in_use", "retry": {"safe": True, "key": "same", "after": 1}},
    {},
)
AMOUNT = Decimal(150)
FREE: object = (
    400,
    {"error": "no", "code": "trip_not_completed", "retry": {"safe": True, "key": "same", "after": None}},
    {},
)
"""The service says that the key is still free: an earlier try may know better."""


def pay(client: PaymentClient) -> object:
    return client.trips.pay(101, "CARD", AMOUNT, key="a-key")


def complete(client: PaymentClient) -> object:
    return client.orders.change_status(1, "COMPLETED")


def read(client: PaymentClient) -> object:
    return client.trips.get(1)


def failure(call: Call, *answers: object, time: FakeTime | None = None, **options: float) -> tuple[PaymentError, int]:
    """Return the error of a call, and the number of requests it sent."""
    client, network = canned(*answers, time=time, **options)
    with pytest.raises(PaymentError) as caught:
        call(client)
    return caught.value, len(network.sent)


@pytest.mark.parametrize("call", [pay, complete, read])
def test_a_service_that_is_not_there_is_unavailable_after_the_deadline(call: Call) -> None:
    time = FakeTime()
    client = PaymentClient(f"http://127.0.0.1:{free_port()}", sleep=time.sleep, clock=time.clock)
    with pytest.raises(Unavailable) as caught:
        call(client)

    assert (caught.value.code, caught.value.status) == ("no_answer", 0)
    assert 50 < time.clock() < 60


@pytest.mark.parametrize(
    ("call", "answer", "kind", "once"),
    [
        (pay, LOST, OutcomeUnknown, False),
        (pay, BUSY, OutcomeUnknown, False),
        (pay, (500, "a page", {}), OutcomeUnknown, False),
        (pay, (429, "a page", {}), Unavailable, False),
        (pay, UNSENT, Unavailable, False),
        (pay, (404, "a page", {}), Refused, True),
        (complete, LOST, OutcomeUnknown, True),
        (complete, (504, "a page", {}), OutcomeUnknown, True),
        (complete, (202, {"payment_id": 1, "status": "PENDING"}, {}), OutcomeUnknown, True),
        (complete, UNSENT, Unavailable, False),
        (complete, (429, "a page", {}), Unavailable, False),
        (read, LOST, Unavailable, False),
        (read, (503, "a page", {}), Unavailable, False),
    ],
)
def test_request_that_always_fails_raises_after_the_deadline(
    call: Call, answer: object, kind: type[PaymentError], once: bool
) -> None:
    error, sent = failure(call, answer)

    assert type(error) is kind
    assert (sent == 1) is once


def test_an_answer_lost_once_is_not_forgotten_when_the_service_goes_away() -> None:
    assert type(failure(pay, LOST, UNSENT)[0]) is OutcomeUnknown
    assert type(failure(pay, LOST, (404, "a page", {}))[0]) is OutcomeUnknown
    assert type(failure(pay, LOST, FREE)[0]) is OutcomeUnknown
    assert type(failure(pay, FREE)[0]) is Refused


def test_pauses_grow_and_differ() -> None:
    times = [FakeTime(), FakeTime()]
    for time in times:
        failure(pay, LOST, time=time, deadline=8)
    first, second = (time.pauses for time in times)

    assert first != second
    assert 0.05 <= first[0] <= 0.1
    assert all(later > earlier for earlier, later in pairwise(first))
    assert 1.5 < sum(first) < 8


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    time = FakeTime()
    error, sent = failure(pay, (202, {"status": "PENDING"}, {"Retry-After": "30"}), time=time, deadline=29)

    assert (sent, time.pauses) == (1, [])
    assert (type(error), error.key) == (OutcomeUnknown, "a-key")


def test_no_try_waits_much_longer_than_the_deadline() -> None:
    client, network = canned(LOST, LOST, PAYMENT, deadline=8, timeout=30)
    pay(client)

    assert [read for _, read in network.timeouts] == sorted((read for _, read in network.timeouts), reverse=True)
    assert network.timeouts[0] == (3.05, 8)


def test_the_error_has_what_a_caller_reports() -> None:
    answer = (400, {"error": "no", "code": "illegal_move", "retry": {"safe": True, "key": None, "after": None}})
    error, _ = failure(pay, (*answer, {"X-Request-ID": "request-7"}))

    assert (str(error), error.code, error.status, error.request_id, error.key) == (
        "no",
        "illegal_move",
        400,
        "request-7",
        "a-key",
    )
    assert error.retry is not None
    assert (error.retry.safe, error.retry.key, error.retry.after) == (True, None, None)


def test_every_fault_of_a_list_is_in_the_message() -> None:
    faults = [{"loc": ["body", "amount"], "msg": "Amount must be positive", "type": "x"}, {"msg": "and more"}]
    error, _ = failure(pay, (422, {"detail": faults, "code": "validation_error"}, {}))

    assert str(error) == "Amount must be positive; and more"


def test_a_drawn_key_is_one_for_each_call() -> None:
    client, network = canned(LOST, PAYMENT)
    for _ in range(2):
        client.trips.pay(101, "CARD", AMOUNT)
    first, again, second = (request.body for request in network.sent)

    assert first == again
    assert second not in {first, None}


def test_a_token_is_asked_for_before_each_try() -> None:
    tokens = iter(["first", "second"])
    client, network = canned(LOST, PAYMENT, token=lambda: next(tokens))
    pay(client)

    assert [request.headers["Authorization"] for request in network.sent] == ["Bearer first", "Bearer second"]


def test_a_token_that_cannot_be_had_after_a_lost_answer_does_not_hide_the_key() -> None:
    tokens = iter(["first"])
    client, _ = canned(LOST, PAYMENT, token=lambda: next(tokens), deadline=2)
    with pytest.raises(OutcomeUnknown) as caught:
        pay(client)
    with pytest.raises(StopIteration):
        pay(client)

    assert caught.value.key == "a-key"
    assert isinstance(caught.value.__cause__, StopIteration)


@pytest.mark.parametrize("owned", [True, False])
def test_a_session_of_the_callers_stays_open(owned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = Counter[requests.Session]()
    monkeypatch.setattr(requests.Session, "close", lambda session: closed.update([session]))
    with PaymentClient("http://service", session=None if owned else requests.Session()):
        pass

    assert closed.total() == owned
